/// The diffusion: schedule, objective and sampler. The defaults are those of the published code.
public struct DiffusionConfiguration: Equatable, Sendable {
    /// T, the number of steps of the forward process.
    public var timesteps = 1000
    /// What the network's output estimates.
    public var objective = Objective.v
    /// What it is trained by.
    public var loss = LossKind.squaredError
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
}
