import Files

/// A setting of the diffusion that cannot be used.
public struct DiffusionConfigurationError: HasExitStatus, CustomStringConvertible {
    /// A configuration cannot be used.
    public var exitStatus: ExitStatus { .badInput }
    /// Which key, its value, and what it can be.
    public let description: String
}

/// The diffusion: schedule, objective and sampler. The defaults are those of the published code.
///
/// Every key may be missing from a file; it then has its default.
public struct DiffusionConfiguration: Equatable, Sendable {
    /// T, the number of steps of the forward process.
    public var timesteps = 1000
    /// What the network's output estimates.
    public var objective = Objective.v
    /// How β grows.
    public var schedule = ScheduleKind.sigmoid
    /// Clip the signal-to-noise ratio at 5 in the weight of the loss.
    public var minSNR = false
    /// Standard deviation of a further noise that is constant over the pixels of a channel.
    public var offsetNoise = 0.0
    /// Mirror every other training image.
    public var flip = true
    /// Clamp estimates of x_0 to [−1, 1] in sampling; for images.
    public var clipDenoised = true
    /// How to sample.
    public var sampler = SamplerKind.ddim
    /// Network evaluations a sample, 1 … T.
    public var samplingSteps = 50
    /// Share of DDIM's step noise, 0 (none) … 1 (as much as ancestral sampling).
    public var ddimEta = 0.0

    public init() {}

    /// Checks what the types cannot.
    ///
    /// - Throws: ``DiffusionConfigurationError`` that names the key, its value and what is possible.
    public func validate() throws {
        func check(_ holds: Bool, _ message: String) throws {
            if !holds { throw DiffusionConfigurationError(description: message) }
        }
        try check(timesteps >= 1, "diffusion.timesteps is \(timesteps); it must be at least 1")
        try check(
            schedule != .linear || timesteps > 20,
            "diffusion.timesteps is \(timesteps); the linear schedule needs more than 20, because its last beta is "
                + "20/timesteps and must stay below 1: use more timesteps, or schedule cosine or sigmoid")
        try check(
            (1...timesteps).contains(samplingSteps),
            "diffusion.sampling_steps is \(samplingSteps); it must be in 1 ... \(timesteps) (diffusion.timesteps)")
        try check(
            offsetNoise >= 0 && offsetNoise.isFinite,
            "diffusion.offset_noise is \(offsetNoise); it must be 0 or more")
        try check((0...1).contains(ddimEta), "diffusion.ddim_eta is \(ddimEta); it must be in 0 ... 1")
    }
}

extension DiffusionConfiguration: Codable {
    enum CodingKeys: String, CodingKey {
        case timesteps, objective, schedule, flip, sampler
        case minSNR = "min_snr"
        case offsetNoise = "offset_noise"
        case clipDenoised = "clip_denoised"
        case samplingSteps = "sampling_steps"
        case ddimEta = "ddim_eta"
    }

    /// Reads the keys that are there over the defaults.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func read<T: Decodable>(_ key: CodingKeys, _ value: inout T) throws {
            value = try values.decodeIfPresent(T.self, forKey: key) ?? value
        }
        try read(.timesteps, &timesteps)
        try read(.objective, &objective)
        try read(.schedule, &schedule)
        try read(.minSNR, &minSNR)
        try read(.offsetNoise, &offsetNoise)
        try read(.flip, &flip)
        try read(.clipDenoised, &clipDenoised)
        try read(.sampler, &sampler)
        try read(.samplingSteps, &samplingSteps)
        try read(.ddimEta, &ddimEta)
    }
}
