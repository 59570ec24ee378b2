import ArgumentParser
import Communication
import Configuration
import DataSets
import Diffusion
import Files
import HDF5
import Foundation
import NeuralNetwork
import Sampling
import Storage
import TensorGraph
import Training

/// `smd sample`: images or points from a checkpoint.
struct SampleCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Draw samples from a checkpoint, or from the oracle of a known mixture.",
        discussion: """
            Writes /images (uint8, N×H×W×C) or /points (float32, N×D) with the settings as attributes; to a name that ends in \
            .npz an array of NumPy (arr_0), in .zip or a slash PNG files, which have no attributes. Sample k of a seed is the same whatever the number of samples and ranks. Needs nothing but the checkpoint. SIGINT, SIGTERM \
            and SIGUSR1 end it with status 75; no file is left then.

            With --oracle the mixture stored in a data set takes the place of a network: what the best one could do with \
            the same sampler. Its diffusion is that of --config or the defaults (for points), changed with --set.

            EXAMPLES
              smd sample runs/fashion/checkpoints/step-00030000.h5 --count 64 --output samples.h5 --grid samples.png
              smd sample CHECKPOINT --count 16 --output few.h5 --sampler ddim --steps 10
              mpirun -n 8 smd sample CHECKPOINT --count 50000 --output many.h5 --sampler ancestral
              smd sample CHECKPOINT --count 10000 --output images/
              smd sample CHECKPOINT --label 3 --count 16 --output threes.h5
              smd sample CHECKPOINT --count 10000 --output samples.npz
              smd sample runs/ldm --first-stage runs/autoencoder --count 64 --output images.h5
              smd sample runs/ldm --latents --count 64 --output latents.h5
              smd sample --oracle grid.h5 --set diffusion.timesteps=5 --count 10000 --output exact.h5
              smd sample --oracle grid.h5 --config grid --oracle-estimate mean --count 10000 --output blurred.h5
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String?

    @OptionGroup var oracle: OracleOptions

    @Option(name: [.customShort("n"), .long], help: "Number of samples.")
    var count = 64

    @Option(
        name: .shortAndLong, help: ArgumentHelp("FILE.h5, FILE.npz, FILE.zip, or FOLDER/.", valueName: "samples.h5"),
        completion: .file(extensions: ["h5", "npz", "zip"]))
    var output: String

    @Option(help: ArgumentHelp("Also draw the samples as a picture.", valueName: "grid.png"), completion: .file())
    var grid: String?

    @Option(help: "Sampler; default: that of the checkpoint's configuration.")
    var sampler: SamplerKind?

    @Option(help: "Network evaluations a sample; default: that of the checkpoint's configuration.")
    var steps: Int?

    @Option(help: "Share of step noise of ddim, 0 to 1; default: that of the checkpoint's configuration.")
    var ddimEta: Double?

    @Option(
        help: ArgumentHelp(
            "Class to draw, where the network is told one: its number, its name in the run's data set, or all in turn "
                + "(default).", valueName: "class"))
    var label: String?

    @OptionGroup var latents: LatentOptions

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Set a key of the sampler, such as diffusion.clip_denoised=false; repeatable.", valueName: "key=value"),
        completion: .samplerKeys)
    var overrides: [String] = []

    @Option(help: "Seed; sample k of a seed is always the same.")
    var seed: UInt64 = 0

    @Option(help: "Weights: ema (the moving average) or raw.")
    var weights = SampleWeights.ema

    @Option(help: "Most samples computed at a time on each rank.")
    var batch = 32

    @Option(help: "Precision: fp32, bf16 or bf16-emulated; default: that of the checkpoint's configuration.")
    var precision: Precision?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(name: [.customShort("f"), .long], help: "Write over existing files.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard (1...100_000_000).contains(count) else {
            throw ValidationError("--count is \(count); it must be positive")
        }
        guard (1...4096).contains(batch) else { throw ValidationError("--batch is \(batch); it must be in 1 ... 4096") }
        try oracle.check(checkpoint: checkpoint)
    }

    func run() throws {
        if let data = oracle.data { return try sampleOracle(data) }
        let progress = WorkProgress("sampling", unit: "network evaluations")
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let checkpoint = try triedCheckpoint(self.checkpoint ?? "", communicator)
            let job = try communicator.together("reading the checkpoint") { try SamplingJob(checkpoint, weights) }
            let images = try latents.images(of: job, communicator)
            let (settings, classes) = try communicator.together("checking the sampler's settings") {
                () throws -> (RunConfiguration, SampleClasses) in
                let found = (try self.settings(of: job), try self.classes(job))
                if communicator.rank == 0 { try tryOutputs(shown(job, images), checkpoint) }
                return found
            }
            let sampler = try communicator.together("reading what was measured of the checkpoint") {
                try job.sampler(settings.diffusion)
            }
            let runs = try JobPrecision.agree(precision ?? job.configuration.precision, communicator)
            if communicator.rank == 0 {
                if let notice = runs.notice { warn(notice) }
                let many = grouped(count) + (count == 1 ? " sample" : " samples")
                progress.note(
                    "sampling \(many), \(sampler.evaluations) network evaluations each, \(runs.precision.rawValue)"
                )
            }
            let mine = share(of: count, rank: communicator.rank, size: communicator.size)
            Watchdog.enter(.sampling)
            let (samples, sampleSize) = try communicator.together("sampling") {
                let generator = try job.generator(
                    batch: SampleGenerator.batch(for: mine.count, atMost: batch), precision: runs)
                let samples = try generator.samples(
                    mine, seed: seed, sampler: sampler, classes: classes
                ) { done, all in
                    Watchdog.beat()
                    try endingAllRanks(communicator) {
                        try communicator.rank == 0 ? progress.update(done, all) : progress.stopIfAsked(done, all)
                    }
                }
                let shown = try images.map { try $0(samples) { _ in Watchdog.beat() } } ?? samples
                return (shown, self.shown(job, images).sampleElements)
            }
            let all = try collectSamples(samples, count: count, sampleSize: sampleSize, on: communicator)
            try communicator.together("writing the samples") {
                guard communicator.rank == 0 else { return }
                let model = job.configuration.model
                let labels =
                    model.takesLabels ? (0..<count).map { Int32(classes.label($0, of: model.classes)) } : nil
                try write(all, labels, job, images, checkpoint, settings, runs)
                try sayWritten(progress)
            }
        }
    }

    /// The checkpoint's configuration with the options of this command.
    private func settings(of job: SamplingJob) throws -> RunConfiguration {
        var settings = try job.configuration.sampling(overrides: overrides)
        try apply(to: &settings)
        return settings
    }

    /// Lays the sampler's options of this command over `settings`.
    func apply(to settings: inout RunConfiguration) throws {
        if let sampler { settings.diffusion.sampler = sampler }
        if let steps { settings.diffusion.visit(steps: steps) }
        if let ddimEta { settings.diffusion.ddimEta = ddimEta }
        try settings.diffusion.validate()
        try settings.requireVariance()
    }

    /// The sizes of what is written.
    private func shown(_ job: SamplingJob, _ images: LatentImages?) -> ModelConfiguration {
        images?.shown(job.configuration.model) ?? job.configuration.model
    }

    /// What --label says of a network that is told classes: all in turn where it is left out.
    private func classes(_ job: SamplingJob) throws -> SampleClasses {
        let model = job.configuration.model
        guard let label else { return .all }
        guard model.takesLabels else {
            throw CommandFailure(.badInput, "--label is \(label), but the network knows no classes")
        }
        if label == "all" { return .all }
        let data = job.configuration.data
        guard let number = try Int(label) ?? names(data)?.firstIndex(of: label) else {
            throw CommandFailure(
                .badInput,
                "--label is \(label), which is no number, and no name of a class in the data set of the "
                    + "run, \(data): wanted all, 0 ... \(model.classes - 1), or such a name")
        }
        guard 0..<model.classes ~= number else {
            throw CommandFailure(.badInput, "--label is \(number), wanted 0 ... \(model.classes - 1), or all")
        }
        return .one(number)
    }

    /// The names of the classes of a data set, where it is in reach.
    private func names(_ data: String) throws -> [String]? {
        guard FileManager.default.fileExists(atPath: data) else { return nil }
        try FileTrial.run(.dataset, data)
        return try DataSet(path: data).labelNames()
    }

    /// Says now, before all sampling, that a file cannot be written.
    func tryOutputs(_ model: ModelConfiguration, _ input: String) throws {
        if isExported {
            try SampleFile.export(to: output, [], count: count, model: model).check(overwrite: overwrite)
        } else {
            try requireWritable(
                output, overwrite: overwrite, bytes: SampleFile.bytes(count: count, model: model), inputs: [input])
        }
        guard let grid else { return }
        try requirePicture(grid, overwrite: overwrite, inputs: [input, output])
        guard Picture.fits(count: count, size: model.size) else {
            throw CommandFailure(
                .cannotCreateOutput, "\(grid): a picture of \(grouped(count)) samples is too large; leave out --grid")
        }
    }

    /// Whether samples are written as other programs take them.
    private var isExported: Bool { [".npz", ".zip", "/"].contains { output.lowercased().hasBytes(suffix: $0) } }

    private func write(
        _ values: [Float], _ labels: [Int32]?, _ job: SamplingJob, _ images: LatentImages?, _ checkpoint: String,
        _ settings: RunConfiguration, _ runs: JobPrecision
    ) throws {
        try write(
            values, labels: labels, latents: images == nil ? job.latents : nil, shown(job, images), settings,
            attributes: [
                "checkpoint": .string(checkpoint), "checkpoint_step": .integer(job.step),
                "weights": .string(weights.rawValue), "precision": .string(runs.precision.rawValue),
                "config": .string(job.json),
            ])
    }

    /// The result: names and number.
    func sayWritten(_ progress: WorkProgress) throws {
        progress.finish()
        let picture = grid.map { "; a picture of them: \($0)" } ?? ""
        try printOut("\(output): \(grouped(count)) \(count == 1 ? "sample" : "samples")\(picture)")
    }

    /// Writes samples, with their classes where they have some, the sampler's settings and further attributes.
    func write(
        _ values: [Float], labels: [Int32]? = nil, latents: LatentFacts? = nil, _ model: ModelConfiguration,
        _ settings: RunConfiguration, attributes: [String: AttributeValue]
    ) throws {
        var attributes = attributes
        attributes["seed"] = .string("\(seed)")
        attributes["version"] = .string(Release.version)
        for key in ConfigurationKey.sampler {
            let name = String(key.name.split(separator: ".").last ?? "")
            switch key.value(in: settings) {
            case let value as Bool: attributes[name] = .boolean(value)
            case let value as Int: attributes[name] = .integer(value)
            case let value as Double: attributes[name] = .double(value)
            default: attributes[name] = .string(key.text(in: settings))
            }
        }
        try creatingOutput {
            if isExported {
                try SampleFile.export(to: output, values, count: count, model: model)
                    .write(overwrite: overwrite) { _, _ in Watchdog.beat() }
            } else {
                try SampleFile.write(
                    values, count: count, model: model, labels: labels, latents: latents, to: output,
                    replacing: overwrite, attributes: attributes)
            }
            if let grid { try Picture(samples: values, model.size, model.channels, count: count).write(to: grid) }
        }
    }
}

extension SamplerKind: ExpressibleByArgument {}
extension SampleWeights: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
