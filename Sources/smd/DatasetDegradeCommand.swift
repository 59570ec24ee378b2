import ArgumentParser
import Communication
import DataSets
import Diffusion
import Files
import Philox
import Sampling

/// `smd dataset degrade`
struct DatasetDegradeCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "degrade",
        abstract: "Images made worse in a known way, to try smd restore with.",
        discussion: """
            Tasks: super-resolution:SIDE (every block of SIDE×SIDE pixels has its mean), inpaint:centre:SIDE (a square in the \
            middle has the mean of the pixels around it), inpaint:MASK.h5 (so have pixels that are dark in a mask, a data set \
            of one grey image, or of one for each), noise:DEVIATION (Gaussian noise, in units of half the range of values; the \
            seed and the place of an image decide it). Labels stay. Ranks of mpirun share the work; what is stopped or killed \
            goes on with --resume; the file is the same on any number of ranks.

            With --pairs the images stay as they are, and what the task makes of each is its condition, /conditions beside \
            /images: what a network with model.condition_channels learns to draw them from.

            EXAMPLES
              smd dataset degrade test.h5 --task super-resolution:4 --output coarse.h5
              smd dataset degrade test.h5 --task inpaint:centre:14 --output hidden.h5
              smd dataset degrade test.h5 --task noise:0.2 --output noisy.h5
              smd dataset degrade train.h5 --task super-resolution:4 --pairs --output pairs.h5
            """)

    @Argument(help: "Data set of images.", completion: .file(extensions: ["h5", "json"]))
    var file: String

    @Option(help: ArgumentHelp("What to do: \(ImageTask.help) or noise:DEVIATION.", valueName: "task"))
    var task: ImageTask

    @Option(help: "Seed of the noise.")
    var seed: UInt64 = 0

    @Flag(help: "Keep the images, and write what the task makes of them as their conditions.")
    var pairs = false

    @OptionGroup var output: DatasetOutputOptions

    func validate() throws {
        if case .nothing = task { throw ValidationError("--task none leaves images as they are") }
    }

    func run() throws {
        let arguments = ["degrade", file, "--task", task.description, "--seed", "\(seed)"] + (pairs ? ["--pairs"] : [])
        try output.work(arguments, source: file, "degrading") { communicator, preparation, _ in
            let (images, observation) = try communicator.together("opening the data set") {
                () throws -> (DataSet, Observation) in
                if communicator.rank == 0 { try FileTrial.run(.dataset, file) }
                let images = try DataSet(path: file)
                guard case .image = images.sample else {
                    throw CommandFailure(.badInput, "\(file) holds \(images.sample.words), not images")
                }
                return (images, try task.observation(of: images.sample, count: images.count))
            }
            let draw = Draw("noise", .data, .normal, elements: images.elementsPerSample)
            func degraded(_ clean: [Float], _ range: Range<Int>) -> [Float] {
                guard case .noise(let deviation) = task else { return observation.seen(clean, images: range) }
                let noise = draw.values(seed: seed, at: range.map { (0, $0) })
                return zip(clean, noise).map { $0 + Float(deviation) * $1 }
            }
            let size = images.elementsPerSample
            let shape = images.sample.with(conditions: pairs ? images.sample.axes[2] : 0)
            let maker = task.description + (pairs ? " pairs" : "")
            let count = try preparation.samples(of: images, to: shape, by: maker) { range in
                let clean = try images.samples(range)
                let seen = degraded(clean, range)
                guard pairs else { return seen }
                var both: [Float] = []
                for first in stride(from: 0, to: clean.count, by: size) {
                    both += clean[first..<first + size]
                    both += seen[first..<first + size]
                }
                return both
            }
            return count.map { "\(grouped($0)) \(shape.words)" } ?? ""
        }
    }
}
