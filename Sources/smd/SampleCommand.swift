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
            .npz an array of NumPy (arr_0; arr_1, the classes), in .zip or a slash PNG files, which have no attributes. Sample \
            k of a seed is the same whatever the number of samples and ranks. Needs nothing but the checkpoint, and of latents \
            their first stage. SIGINT, SIGTERM \
            and SIGUSR1 end it with status 75; no file is left then.

            With --oracle the mixture stored in a data set takes the place of a network: what the best one could do with \
            the same sampler. Its diffusion is that of --config or the defaults (for points), changed with --set.

            EXAMPLES
              smd sample runs/fashion/checkpoints/step-00030000.h5 --count 64 --output samples.h5 --grid samples.png
              smd sample CHECKPOINT --count 16 --output few.h5 --sampler ddim --steps 10
              mpirun -n 8 smd sample CHECKPOINT --count 50000 --output many.h5 --sampler ancestral
              smd sample CHECKPOINT --count 10000 --output images/
              smd sample CHECKPOINT --label 3 --count 16 --output threes.h5
              smd sample CHECKPOINT --label all --guidance 2.5 --count 100 --output all.h5 --grid all.png
              smd sample CHECKPOINT --label boot --guidance 2 --guidance-interval 0.1,0.8 --count 16 --output boots.h5
              smd sample CHECKPOINT --classifier runs/noisy --classifier-scale 2 --label 3 --output threes.h5
              smd sample CHECKPOINT --count 10000 --output samples.npz
              smd sample runs/ldm --first-stage runs/autoencoder --count 64 --output images.h5
              smd sample runs/ldm --latents --count 64 --output latents.h5
              smd sample runs/fashion --horizon 400 --prior prior.h5 --count 64 --output early.h5
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

    @OptionGroup var sampling: SamplerOptions

    @OptionGroup var prior: PriorOptions

    @OptionGroup var guidance: GuidanceOptions

    @OptionGroup var latents: LatentOptions

    @OptionGroup var watchdog: DeadlineOption

    @Flag(name: [.customShort("f"), .long], help: "Write over existing files.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard (1...100_000_000).contains(count) else {
            throw ValidationError("--count is \(count); it must be positive")
        }
        if let other = [".npy", ".png", ".jpg", ".csv", ".txt", ".json"].first(
            where: output.lowercased().hasBytes(suffix:))
        {
            throw ValidationError(
                "--output \(output): samples are not written as \(other), but FILE.h5, FILE.npz, FILE.zip or FOLDER/")
        }
        if latents.latents, isExported || grid != nil {
            throw ValidationError("--latents writes a data set of latents, FILE.h5, of which there is no --grid")
        }
        try oracle.check(checkpoint: checkpoint)
        if oracle.data != nil, guidance.isGiven {
            throw ValidationError("--oracle knows no classes: leave out --label, --guidance and --classifier")
        }
    }

    func run() throws {
        if let data = oracle.data { return try sampleOracle(data) }
        let progress = WorkProgress("sampling", unit: "network evaluations")
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let checkpoint = try triedCheckpoint(self.checkpoint ?? "", communicator)
            let guide = try guidance.classifier.map { try triedCheckpoint($0, communicator) }
            let job = try communicator.together("reading the checkpoint") {
                try SamplingJob(checkpoint, compute.weights)
            }
            let images = try latents.images(of: job, communicator)
            let (settings, classes) = try communicator.together("checking the sampler's settings") {
                () throws -> (RunConfiguration, ChosenClasses) in
                let found = (
                    try sampling.settings(of: job, guidance, prior), try guidance.classes(job, classifier: guide)
                )
                if communicator.rank == 0 {
                    try tryOutputs(shown(job, images), [checkpoint, guide].compactMap { $0 }, rows: found.1.rows)
                }
                return found
            }
            let sampler = try communicator.together("reading what was measured of the checkpoint") {
                try job.sampler(settings.diffusion)
            }
            let start = try prior.mixture(of: job, settings.diffusion, communicator)
            let runs = try JobPrecision.agree(compute.precision ?? job.configuration.precision, communicator)
            if communicator.rank == 0 {
                if let notice = runs.notice { warn(notice) }
                let many = grouped(count) + (count == 1 ? " sample" : " samples")
                progress.note(
                    "sampling \(many), \(sampler.passes) network evaluations each, \(runs.precision.rawValue)"
                )
            }
            let mine = share(of: count, rank: communicator.rank, size: communicator.size)
            Watchdog.enter(.sampling)
            let (samples, sampleSize) = try communicator.together("sampling") {
                let batch = SampleGenerator.batch(for: mine.count, atMost: compute.batch)
                let generator = try job.generator(batch: batch, precision: runs)
                let guide = try classes.classifier.map {
                    try ClassifierGuide($0, scale: guidance.classifierScale ?? 1, batch: batch, precision: runs)
                }
                let samples = try generator.samples(
                    mine, seed: compute.seed, sampler: sampler, classes: classes.chosen, guide: guide,
                    hooks: SamplingHooks(prior: start, sampler, seed: compute.seed)
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
                try write(all, classes, job, images, checkpoint, settings, runs)
                try sayWritten(progress)
            }
        }
    }

    private var compute: ComputeOptions { sampling.compute }

    /// The sizes of what is written.
    private func shown(_ job: SamplingJob, _ images: LatentImages?) -> ModelConfiguration {
        images?.shown(job.configuration.model) ?? job.configuration.model
    }

    /// Says now, before all sampling, that a file cannot be written.
    ///
    /// - Parameter rows: of the picture, where each class has one.
    func tryOutputs(_ model: ModelConfiguration, _ inputs: [String], rows: Int = 0) throws {
        if isExported {
            try SampleFile.export(to: output, [], labels: nil, count: count, model: model).check(overwrite: overwrite)
        } else {
            try requireWritable(
                output, overwrite: overwrite, bytes: SampleFile.bytes(count: count, model: model), inputs: inputs)
        }
        guard let grid else { return }
        try requirePicture(grid, overwrite: overwrite, inputs: inputs + [output])
        guard Picture.fits(count: count, size: model.size, classes: rows) else {
            throw CommandFailure(
                .cannotCreateOutput, "\(grid): a picture of \(grouped(count)) samples is too large; leave out --grid")
        }
    }

    /// Whether samples are written as other programs take them.
    private var isExported: Bool { [".npz", ".zip", "/"].contains { output.lowercased().hasBytes(suffix: $0) } }

    private func write(
        _ values: [Float], _ classes: ChosenClasses, _ job: SamplingJob, _ images: LatentImages?, _ checkpoint: String,
        _ settings: RunConfiguration, _ runs: JobPrecision
    ) throws {
        var attributes: [String: AttributeValue] = [
            "checkpoint": .string(checkpoint), "checkpoint_step": .integer(job.step),
            "weights": .string(compute.weights.rawValue), "precision": .string(runs.precision.rawValue),
            "config": .string(job.json),
        ]
        if let classifier = classes.classifier {
            attributes["classifier_sha256"] = .string(classifier.digest)
            attributes["classifier_scale"] = .double(guidance.classifierScale ?? 1)
        }
        try write(
            values, classes: classes, latents: images == nil ? job.latents : nil, shown(job, images), settings,
            attributes: attributes)
    }

    /// The result: names and number.
    func sayWritten(_ progress: WorkProgress) throws {
        progress.finish()
        let picture = grid.map { "; a picture of them: \($0)" } ?? ""
        try printOut("\(output): \(grouped(count)) \(count == 1 ? "sample" : "samples")\(picture)")
    }

    /// Writes samples, with their classes where they have some, the sampler's settings and further attributes.
    func write(
        _ values: [Float], classes: ChosenClasses? = nil, latents: LatentFacts? = nil, _ model: ModelConfiguration,
        _ settings: RunConfiguration, attributes: [String: AttributeValue]
    ) throws {
        var attributes = attributes
        attributes["seed"] = .string("\(compute.seed)")
        attributes["version"] = .string(Release.version)
        if settings.diffusion.horizon > 0 { attributes["horizon"] = .integer(settings.diffusion.horizon) }
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
                let labels = classes?.labels(of: count)
                try SampleFile.export(to: output, values, labels: labels, count: count, model: model)
                    .write(overwrite: overwrite) { _, _ in Watchdog.beat() }
            } else {
                try SampleFile.write(
                    values, count: count, model: model, labels: classes?.labels(of: count), latents: latents,
                    to: output, replacing: overwrite, attributes: attributes)
            }
            if let grid {
                try Picture(
                    samples: values, model.size, model.channels, count: count, classes: classes?.rows ?? 0
                ).write(to: grid)
            }
        }
    }
}

extension SamplerKind: ExpressibleByArgument {}
extension SampleWeights: ExpressibleByArgument {
    public static var allValueStrings: [String] { words }
    public static var defaultCompletionKind: CompletionKind { .list(["ema", "raw"]) }
}
extension Precision: ExpressibleByArgument {}
