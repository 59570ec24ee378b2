import ArgumentParser
import Communication
import DataSets
import Files
import Sampling

/// `smd translate`: samples of one network to those of another, by their codes.
struct TranslateCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "translate",
        abstract: "Samples of one kind to another: encode with one network, decode with a second.",
        discussion: """
            Each sample is encoded with the network that was trained on its kind (without guidance) and decoded with that of \
            the other kind: unpaired translation (CycleDiffusion), as smd encode and smd decode without a file between. Both \
            may be one network that is told classes, and --label the class to become. A lower --start, or ddim with a lower \
            --ddim-eta, keeps more of the sample; the law of the other kind is met the better the more noise there is. What \
            is left of the first kind goes with smd restore --task none --start 0.1. Ranks of mpirun share the work; what is \
            stopped or killed goes on with --resume; the file is the same on any number of ranks.

            EXAMPLES
              smd translate --from runs/cats --to runs/dogs --data cats.h5 --start 0.85 --ddim-eta 0.1 --output dogs.h5
              smd translate --from runs/fashion --to runs/fashion --data shirts.h5 --label coat --guidance 2 \
            --sampler ancestral --start 0.6 --plot coats.png --output coats.h5
            """)

    @Option(
        help: ArgumentHelp("Checkpoint, or run, trained on samples like those of --data.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var from: String

    @Option(
        help: ArgumentHelp("Checkpoint, or run, trained on what they become.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var to: String

    @Option(help: "Data set of samples.", completion: .file(extensions: ["h5", "json"]))
    var data: String

    @Option(help: "Share of the way to noise that is gone, above 0, at most 1.")
    var start = 1.0

    @Option(help: "η of each evaluation of the second network: stored (that of the first) or fresh.")
    var eta = EtaSource.stored

    @Option(
        help: ArgumentHelp("Draw the first 16 images, and below them what they became.", valueName: "png"),
        completion: .file(extensions: ["png"]))
    var plot: String?

    @OptionGroup var guidance: GuidanceOptions

    @OptionGroup var sampling: SamplerOptions

    @OptionGroup var output: DatasetOutputOptions

    func validate() throws {
        try requireStart(start)
        if guidance.classifier != nil { throw ValidationError("--classifier: codes know no classifier") }
    }

    func run() throws {
        let arguments = ["translate", "--from", from, "--to", to, "--data", data, "--start", "\(start)"]
        let options = ["--eta", eta.rawValue] + guidance.arguments + sampling.arguments
        try output.work(arguments + options, of: ["smd"], source: data, "translating") {
            communicator, preparation, progress in
            let paths = (try triedCheckpoint(from, communicator), try triedCheckpoint(to, communicator))
            let (first, second, set) = try communicator.together("opening checkpoints and data set") {
                let weights = sampling.compute.weights
                let jobs = (try SamplingJob(paths.0, weights), try SamplingJob(paths.1, weights))
                let set = try openedSamples(data, for: jobs.0, isFirst: communicator.rank == 0)
                if communicator.rank == 0 { try tryOutputs([paths.0, paths.1], set) }
                return (jobs.0, jobs.1, set)
            }
            let runs = try JobPrecision.agree(
                sampling.compute.precision ?? first.configuration.precision, communicator)
            let (encoder, decoder, taken) = try communicator.together("preparing the networks") {
                try coders(first, second, set, runs)
            }
            if communicator.rank == 0 {
                if let notice = runs.notice { progress.warn(notice) }
                progress.note(
                    "translating \(grouped(set.count)) \(set.sample.words), \(encoder.layout.evaluations) network "
                        + "evaluations each, twice")
            }
            let count = try preparation.samples(
                of: set, to: set.sample.with(conditions: 0), by: first.digest + second.digest, block: encoder.batch
            ) { range in
                let codes = try encoder.codes(range, x0: set.samples(range)) { try progress.beat() }
                return try decoder.samples(range, codes: codes, taken) { try progress.beat() }
            }
            guard let count else { return nil }
            if let plot { try drawRows([set, try DataSet(path: output.output)], to: plot) }
            let picture = plot.map { "; a picture of them: \($0)" } ?? ""
            return "\(grouped(count)) \(set.sample.words)\(picture)"
        }
    }

    private func tryOutputs(_ checkpoints: [String], _ set: DataSet) throws {
        try requireWritable(output.output, overwrite: output.file.overwrite, inputs: [data] + checkpoints)
        guard let plot else { return }
        guard case .image = set.sample else {
            throw CommandFailure(.badInput, "--plot is for images; \(data) holds points")
        }
        try requirePicture(plot, overwrite: output.file.overwrite, inputs: [data, output.output])
    }

    /// The first network is told the labels of the data set, the second --label, or the same.
    private func coders(
        _ first: SamplingJob, _ second: SamplingJob, _ set: DataSet, _ runs: JobPrecision
    ) throws -> (SampleCoder, SampleCoder, SampleCoder.Taken) {
        var settings = try sampling.settings(of: first, GuidanceOptions.parse([]))
        settings.diffusion.guidance.weight = 1
        var (encoder, start) = try SampleCoder.encoder(
            first, settings, start, of: set, batch: sampling.compute.batch, runs)
        encoder.classes = try GuidanceOptions.parse([]).classes(first, classifier: nil).of(set, nil).chosen
        let facts = CodeFacts(encoder.layout, set, settings, start: start, first, label: nil)
        var (decoder, taken) = try SampleCoder.decoder(second, facts, guidance, eta, batch: encoder.batch, runs)
        decoder.classes = try guidance.classes(second, classifier: nil).of(set, guidance.label).chosen
        (encoder.seed, decoder.seed) = (sampling.compute.seed, sampling.compute.seed)
        return (encoder, decoder, taken)
    }
}

/// The first 16 images of sets of one shape, those of a set in a row.
func drawRows(_ sets: [DataSet], to path: String) throws {
    let shown = 0..<min(sets[0].count, 16)
    let images = try sets.flatMap { set in try shown.flatMap { try set.pixels($0) } }
    try Picture(images: images, of: sets[0].sample, columns: shown.count).write(to: path)
}
