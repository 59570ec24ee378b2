import ArgumentParser
import Configuration
import Diffusion
import Files
import Sampling
import TensorGraph

/// What a network that makes samples of others computes with.
struct ComputeOptions: ParsableArguments {
    @Option(help: "Seed; what becomes of sample k under a seed is always the same.")
    var seed: UInt64 = 0

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept: average:0.05.")
    var weights = SampleWeights.ema

    @Option(help: "Most samples computed at a time on each rank.")
    var batch = 32

    @Option(help: "Precision: fp32, bf16 or bf16-emulated; default: that of the checkpoint's configuration.")
    var precision: Precision?

    func validate() throws {
        guard (1...4096).contains(batch) else { throw ValidationError("--batch is \(batch); it must be in 1 ... 4096") }
    }

    /// What was given of them, as arguments.
    var arguments: [String] {
        ["--seed", "\(seed)", "--weights", weights.rawValue] + (precision.map { ["--precision", $0.rawValue] } ?? [])
    }
}

/// How a network is sampled, for commands that make samples of others.
struct SamplerOptions: ParsableArguments {
    @Option(help: "Sampler; default: that of the checkpoint's configuration.")
    var sampler: SamplerKind?

    @Option(
        help:
            "Network evaluations of the whole way from noise, of which a start leaves a share; default: the checkpoint's."
    )
    var steps: Int?

    @Option(help: "Share of step noise of ddim, 0 to 1; default: that of the checkpoint's configuration.")
    var ddimEta: Double?

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Set a key of the sampler, such as diffusion.clip_denoised=false; repeatable.", valueName: "key=value"),
        completion: .samplerKeys)
    var overrides: [String] = []

    @OptionGroup var compute: ComputeOptions

    /// The checkpoint's configuration with these options, those that guide, and where sampling begins.
    func settings(
        of job: SamplingJob, _ guidance: GuidanceOptions, _ prior: PriorOptions? = nil
    ) throws -> RunConfiguration {
        var settings = try job.configuration.sampling(overrides: overrides)
        try apply(to: &settings, guidance, prior)
        return settings
    }

    /// Lays them over `settings`.
    func apply(to settings: inout RunConfiguration, _ guidance: GuidanceOptions, _ prior: PriorOptions?) throws {
        if let sampler { settings.diffusion.sampler = sampler }
        let setsSteps = overrides.contains { $0.hasBytes(prefix: "diffusion.sampling_steps") }
        try prior?.apply(to: &settings.diffusion, keepsSteps: steps != nil || setsSteps)
        if let steps { settings.diffusion.visit(steps: steps) }
        if let ddimEta { settings.diffusion.ddimEta = ddimEta }
        try guidance.apply(to: &settings.diffusion.guidance)
        try settings.diffusion.validate()
        try settings.requireSampling()
    }

    /// What was given of them, as arguments.
    var arguments: [String] {
        var words = compute.arguments
        if let sampler { words += ["--sampler", sampler.rawValue] }
        if let steps { words += ["--steps", "\(steps)"] }
        if let ddimEta { words += ["--ddim-eta", "\(ddimEta)"] }
        return words + overrides.flatMap { ["--set", $0] }
    }
}

extension GuidanceOptions {
    /// What was given of them, as arguments.
    var arguments: [String] {
        var words: [String] = []
        if let label { words += ["--label", label] }
        if let guidance { words += ["--guidance", "\(guidance)"] }
        if let guidanceInterval { words += ["--guidance-interval", guidanceInterval] }
        if let classifier { words += ["--classifier", classifier] }
        if let classifierScale { words += ["--classifier-scale", "\(classifierScale)"] }
        return words
    }
}

/// The noisiest timestep that is visited of a share of the way from noise.
///
/// - Throws: `CommandFailure` where none is visited.
func startingTime(_ share: Double, _ diffusion: DiffusionConfiguration) throws -> Int {
    let visited = Sampler(diffusionOfMeans(diffusion)).times
    // A little more, for shares that are no binary fractions.
    guard let time = visited.last(where: { Double($0 + 1) <= share * Double(diffusion.timesteps) + 1e-6 }) else {
        throw CommandFailure(
            .usage,
            "--start is \(share), below the first of the \(visited.count) times that are visited, \(visited[0] + 1) of "
                + "\(diffusion.timesteps); start further, or visit more: --steps")
    }
    return time
}

/// The same visited times, without a variance that has to be measured.
private func diffusionOfMeans(_ diffusion: DiffusionConfiguration) -> DiffusionConfiguration {
    var plain = diffusion
    plain.variance = .small
    return plain
}
