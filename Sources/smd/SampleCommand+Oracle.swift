import ArgumentParser
import Communication
import Configuration
import Diffusion
import Evaluation
import Files
import NeuralNetwork
import Sampling

/// What `smd sample` takes in place of a checkpoint.
struct OracleOptions: ParsableArguments {
    @Option(
        name: .customLong("oracle"),
        help: ArgumentHelp(
            "In place of a checkpoint: the mixture that is stored in this data set.", valueName: "data"),
        completion: .file(extensions: ["h5", "json"]))
    var data: String?

    @Option(
        name: .customLong("oracle-estimate"),
        help: ArgumentHelp(
            "What each step gets for x_0: posterior (a draw of its law given x_t), mean (the best prediction) or gaussian (the mean and the best isotropic variance)."
        ))
    var estimate = OracleEstimate.posterior

    @Option(
        help: ArgumentHelp(
            "With --oracle: a configuration, or the name of a preset, whose diffusion is used.", valueName: "config"),
        completion: .configurations)
    var config: String?

    /// Refuses two sources of samples, and none.
    func check(checkpoint: String?) throws {
        guard (checkpoint == nil) != (data == nil) else {
            throw ValidationError(
                data == nil
                    ? "a checkpoint is missing (or --oracle with a data set whose mixture is known)"
                    : "a checkpoint and --oracle: give one of them")
        }
        if data == nil, let config { throw ValidationError("--config \(config) is for --oracle") }
    }
}

extension SampleCommand {
    /// Samples of the mixture that `data` states.
    func sampleOracle(_ data: String) throws {
        let progress = WorkProgress("sampling", unit: "estimates")
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let mixture = try knownMixture(data, communicator)
            let settings = try communicator.together("checking the sampler's settings") {
                let settings = try oracleSettings(dimension: mixture.dimension)
                if communicator.rank == 0 { try tryOutputs(settings.model, [data]) }
                return settings
            }
            let sampler = Sampler(settings.diffusion)
            let start = try settings.diffusion.priorPath.map { try triedPrior($0, communicator).mixture }
            if let start, start.dimension != mixture.dimension {
                throw CommandFailure(
                    .badInput,
                    "\(settings.diffusion.prior): a prior of \(start.dimension) numbers, \(data) has \(mixture.dimension)"
                )
            }
            if communicator.rank == 0 {
                let many = grouped(count) + (count == 1 ? " sample" : " samples")
                progress.note("sampling \(many) of the oracle, \(sampler.evaluations) estimates each")
            }
            let mine = share(of: count, rank: communicator.rank, size: communicator.size)
            Watchdog.enter(.sampling)
            func advance(_ done: Int, _ all: Int) throws {
                Watchdog.beat()
                try endingAllRanks(communicator) {
                    try communicator.rank == 0 ? progress.update(done, all) : progress.stopIfAsked(done, all)
                }
            }
            let samples = try communicator.together("sampling") {
                let oracle = try OracleSampler(mixture, sampler, self.oracle.estimate, progress: advance)
                return try oracle.samples(mine, seed: sampling.compute.seed, prior: start, progress: advance)
            }
            let all = try collectSamples(samples, count: count, sampleSize: mixture.dimension, on: communicator)
            try communicator.together("writing the samples") {
                guard communicator.rank == 0 else { return }
                try write(
                    all, settings.model, settings,
                    attributes: [
                        "oracle": .string(data), "oracle_estimate": .string(oracle.estimate.rawValue),
                        "config": .string(settings.resolvedJSON()),
                    ])
                try sayWritten(progress)
            }
        }
    }

    /// The diffusion of the oracle, with the options of this command.
    private func oracleSettings(dimension: Int) throws -> RunConfiguration {
        var settings = try oracle.settings(dimension: dimension, sampling.overrides)
        try sampling.apply(to: &settings, guidance, prior)
        let sampler = settings.diffusion.sampler
        guard oracle.estimate == .mean || sampler.takesDraws else {
            throw CommandFailure(
                .usage,
                "--oracle-estimate is \(oracle.estimate.rawValue), another draw of x0 at each evaluation, but the sampler is "
                    + "\(sampler.rawValue), which wants its mean: take --oracle-estimate mean, or --sampler ancestral")
        }
        return settings
    }
}

extension OracleOptions {
    /// The diffusion: that of `--config`, or the defaults as they suit points, under `overrides`.
    func settings(dimension: Int, _ overrides: [String]) throws -> RunConfiguration {
        var settings: RunConfiguration
        if let config {
            settings = try RunConfiguration.load(path: Preset.path(config), overrides: overrides)
        } else {
            settings = try RunConfiguration.load(
                text: "diffusion: {sampler: ancestral, clip_denoised: false, flip: false}", name: "the defaults",
                overrides: overrides)
        }
        guard settings.method == .diffusion else {
            throw CommandFailure(
                .usage,
                "\(config ?? "the configuration") has method: \(settings.method.rawValue), which has no schedule of a diffusion"
            )
        }
        (settings.model.size, settings.model.channels) = (1, dimension)
        // The default number of steps is for many timesteps.
        let chosen = overrides.contains { $0.hasBytes(prefix: "diffusion.sampling_steps") }
        let diffusion = settings.diffusion
        if !chosen { settings.diffusion.samplingSteps = min(diffusion.samplingSteps, diffusion.timesteps) }
        if let fault = diffusion.scalesFault(settings.model) { throw CommandFailure(.usage, fault) }
        return settings
    }
}

extension OracleEstimate: ExpressibleByArgument {}
