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

            From a checkpoint of method: dds it writes the ends of paths, and /log_weights: a mean over the density is that over             samples weighted by exp(log_weights), up to a factor.

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
              smd sample runs/sharper --conditions test-pairs.h5 --clean test-pairs.h5 --output sharp.h5
              smd sample runs/ldm --first-stage runs/autoencoder --count 64 --output images.h5
              smd sample runs/ldm --latents --count 64 --output latents.h5
              smd sample runs/funnel --count 10000 --output paths.h5
              smd sample runs/fashion --horizon 400 --prior prior.h5 --count 64 --output early.h5
              smd sample runs/fine --coarser runs/coarse --count 64 --output images.h5
              smd sample --oracle grid.h5 --set diffusion.timesteps=5 --count 10000 --output exact.h5
              smd sample --oracle grid.h5 --config grid --oracle-estimate mean --count 10000 --output blurred.h5
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String?

    @OptionGroup var oracle: OracleOptions

    @Option(
        name: [.customShort("n"), .customLong("count")],
        help: ArgumentHelp("Number of samples; default: 64, or as many as --conditions has.", valueName: "count"))
    var number: Int?

    /// The same with its default.
    var count: Int { number ?? 64 }

    @Option(
        name: .shortAndLong, help: ArgumentHelp("FILE.h5, FILE.npz, FILE.zip, or FOLDER/.", valueName: "samples.h5"),
        completion: .file(extensions: ["h5", "npz", "zip"]))
    var output: String

    @Option(help: ArgumentHelp("Also draw the samples as a picture.", valueName: "grid.png"), completion: .file())
    var grid: String?

    @OptionGroup var sampling: SamplerOptions

    @OptionGroup var prior: PriorOptions

    @OptionGroup var guidance: GuidanceOptions

    @OptionGroup var conditions: ConditionOptions

    @OptionGroup var latents: LatentOptions

    @OptionGroup var scales: ScaleOptions

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
        if oracle.data != nil, !scales.coarser.isEmpty {
            throw ValidationError("--oracle has one scale: leave out --coarser")
        }
        if oracle.data != nil, conditions.conditions != nil {
            throw ValidationError("--oracle draws from nothing else: leave out --conditions")
        }
    }

    func run() throws {
        if let data = oracle.data { return try sampleOracle(data) }
        let progress = WorkProgress("sampling", unit: "network evaluations")
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let pairs = try conditions.opened(communicator)
            var command = self
            if let pairs, number == nil { command.number = pairs.data.count }
            try command.sample(from: pairs, progress, communicator)
        }
    }

    /// - Parameter pairs: what samples are drawn from, if from anything. Collective.
    private func sample(
        from pairs: SampleConditions?, _ progress: WorkProgress, _ communicator: any Communicator
    ) throws {
        let checkpoint = try triedCheckpoint(self.checkpoint ?? "", communicator)
        let isOfDensity = try communicator.together("reading the checkpoint") { try PathJob.isLeft(at: checkpoint) }
        if isOfDensity { return try samplePaths(checkpoint, communicator) }
        let guide = try guidance.classifier.map { try triedCheckpoint($0, communicator) }
        let coarser = try scales.tried(communicator)
        let scales = try communicator.together("reading the checkpoint") {
            try ScaleRuns(
                SamplingJob(checkpoint, compute.weights, conditions: pairs != nil, scales: true),
                coarser: coarser.map { try SamplingJob($0, compute.weights, scales: true) })
        }
        let job = scales.finest
        let images = try latents.images(of: job, communicator)
        let (settings, classes) = try communicator.together("checking the sampler's settings") {
            () throws -> (RunConfiguration, ChosenClasses) in
            try pairs?.check(job.configuration.model, count: count)
            var classes = try guidance.classes(job, classifier: guide)
            if let pairs { classes = try classes.of(pairs.data, guidance.label) }
            let settings = try sampling.settings(of: job, guidance, prior)
            if communicator.rank == 0 {
                let inputs = [checkpoint, guide].compactMap { $0 } + coarser + conditions.files
                try tryOutputs(shown(job, images), inputs, rows: classes.rows)
            }
            return (settings, classes)
        }
        let samplers = try communicator.together("reading what was measured of the checkpoint") {
            try scales.samplers(settings)
        }
        let start = try prior.mixture(of: job, settings.diffusion, communicator)
        let runs = try JobPrecision.agree(compute.precision ?? job.configuration.precision, communicator)
        if communicator.rank == 0 {
            if let notice = runs.notice { warn(notice) }
            let many = grouped(count) + (count == 1 ? " sample" : " samples")
            let passes = samplers.reduce(0) { $0 + $1.passes }
            progress.note("sampling \(many), \(passes) network evaluations each, \(runs.precision.rawValue)")
        }
        var hooks = SamplingHooks(prior: start, samplers[0], seed: compute.seed)
        hooks.conditions = pairs.map { pairs in { try pairs.rows($0) } }
        Watchdog.enter(.sampling)
        let samples = try communicator.together("sampling") {
            let samples = try draw(scales, samplers, classes, hooks, runs, progress, communicator)
            return try images.map { try $0(samples) { _ in Watchdog.beat() } } ?? samples
        }
        let sampleSize = shown(job, images).sampleElements
        let all = try collectSamples(samples, count: count, sampleSize: sampleSize, on: communicator)
        try communicator.together("writing the samples") {
            guard communicator.rank == 0 else { return }
            try write(all, classes, scales, images, settings, runs)
            try sayWritten(progress)
            if let table = try pairs?.table(all, count: count) { try printOut(table) }
        }
    }

    /// The samples of this rank.
    private func draw(
        _ scales: ScaleRuns, _ samplers: [Sampler], _ classes: ChosenClasses, _ hooks: SamplingHooks,
        _ runs: JobPrecision, _ progress: WorkProgress, _ communicator: any Communicator
    ) throws -> [Float] {
        let mine = share(of: count, rank: communicator.rank, size: communicator.size)
        let batch = SampleGenerator.batch(for: mine.count, atMost: compute.batch)
        let guide = try classes.classifier.map {
            try ClassifierGuide($0, scale: guidance.classifierScale ?? 1, batch: batch, precision: runs)
        }
        let drawn = ScaleRuns.Settings(
            seed: compute.seed, classes: classes.chosen, guide: guide, hooks: hooks, batch: batch, precision: runs)
        return try scales.samples(mine, samplers, drawn) { done, all in
            Watchdog.beat()
            try endingAllRanks(communicator) {
                try communicator.rank == 0 ? progress.update(done, all) : progress.stopIfAsked(done, all)
            }
        }
    }

    var compute: ComputeOptions { sampling.compute }
}

extension SamplerKind: ExpressibleByArgument {}
extension SampleWeights: ExpressibleByArgument {
    public static var allValueStrings: [String] { words }
    public static var defaultCompletionKind: CompletionKind { .list(["ema", "raw"]) }
}
extension Precision: ExpressibleByArgument {}
