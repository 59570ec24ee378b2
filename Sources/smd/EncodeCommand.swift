import ArgumentParser
import Communication
import DataSets
import Files
import Sampling

/// `smd encode`: samples to the random numbers that make them.
struct EncodeCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode",
        abstract: "Codes of samples: the random numbers from which a network draws them.",
        discussion: """
            A stochastic sampler makes a sample of x at the start and the noise of each step (CycleDiffusion). The codes are \
            a data set of points: of each sample x at the start, the noises, η of each evaluation, and what the last step was \
            off by; smd decode makes the samples of them again, to the bit with the same network. Steps need noise: sampler \
            ancestral, or ddim with --ddim-eta above 0. A code has as many numbers as a sample times steps + 1, and η; how \
            much that is is said before. Ranks of mpirun share the work; what is stopped or killed goes on with --resume; \
            the file is the same on any number of ranks.

            EXAMPLES
              smd encode runs/cats --data cats.h5 --ddim-eta 0.1 --steps 100 --output codes.h5
              smd decode runs/cats codes.h5 --output same.h5
              smd decode runs/dogs codes.h5 --output dogs.h5
              smd encode runs/fashion --data test.h5 --sampler ancestral --start 0.85 --output codes.h5
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: "Data set of samples.", completion: .file(extensions: ["h5", "json"]))
    var data: String

    @Option(help: "Share of the way to noise that the codes begin at, above 0, at most 1.")
    var start = 1.0

    @OptionGroup var guidance: GuidanceOptions

    @OptionGroup var sampling: SamplerOptions

    @OptionGroup var output: DatasetOutputOptions

    func validate() throws {
        try requireStart(start)
        if guidance.classifier != nil { throw ValidationError("--classifier: codes know no classifier") }
    }

    func run() throws {
        let arguments = ["encode", checkpoint, "--data", data, "--start", "\(start)"] + guidance.arguments
        try output.work(arguments + sampling.arguments, of: ["smd"], source: data, "encoding") {
            communicator, preparation, progress in
            let path = try triedCheckpoint(checkpoint, communicator)
            let (job, set) = try communicator.together("opening checkpoint and data set") {
                let job = try SamplingJob(path, sampling.compute.weights)
                return (job, try openedSamples(data, for: job, isFirst: communicator.rank == 0))
            }
            let classes = try communicator.together("reading the classes") {
                try guidance.classes(job, classifier: nil).of(set, guidance.label)
            }
            let runs = try JobPrecision.agree(sampling.compute.precision ?? job.configuration.precision, communicator)
            let (coder, facts) = try communicator.together("preparing the network") {
                () throws -> (SampleCoder, CodeFacts) in
                let settings = try sampling.settings(of: job, guidance)
                var (coder, start) = try SampleCoder.encoder(
                    job, settings, start, of: set, batch: sampling.compute.batch, runs)
                (coder.classes, coder.seed) = (classes.chosen, sampling.compute.seed)
                let bytes = set.count * coder.layout.count * 4
                if communicator.rank == 0 {
                    try requireWritable(
                        output.output, overwrite: output.file.overwrite, bytes: bytes, inputs: [data, path])
                    if let notice = runs.notice { progress.warn(notice) }
                    progress.note(
                        "encoding \(grouped(set.count)) \(set.sample.words), \(coder.layout.evaluations) network evaluations "
                            + "each; codes of \(grouped(coder.layout.count)) numbers, \(grouped(bytes >> 20)) MiB")
                }
                let label = guidance.label == nil ? nil : classes.labels(of: 1).map { Int($0[0]) }
                return (coder, CodeFacts(coder.layout, set, settings, start: start, job, label: label))
            }
            let count = try preparation.samples(
                of: set, to: .point(dimension: coder.layout.count), by: job.digest, block: coder.batch,
                attributes: facts.attributes
            ) { range in
                try coder.codes(range, x0: set.samples(range)) { try progress.beat() }
            }
            return count.map { "\(grouped($0)) codes of \(grouped(coder.layout.count)) numbers" }
        }
    }
}

/// Refuses a share of the way to noise that is none.
func requireStart(_ share: Double) throws {
    guard share > 0, share <= 1 else { throw ValidationError("--start is \(share), wanted above 0, at most 1") }
}

/// Samples that a network can take, tried on one rank.
func openedSamples(_ path: String, for job: SamplingJob, isFirst: Bool) throws -> DataSet {
    if isFirst { try FileTrial.run(.dataset, path) }
    let set = try DataSet(path: path)
    if case .latent = set.sample {
        throw CommandFailure(.badInput, "\(path) holds latents; this command is for images and points")
    }
    try job.configuration.model.check(set)
    return set
}
