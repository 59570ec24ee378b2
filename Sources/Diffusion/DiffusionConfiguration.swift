/// The diffusion: schedule, objective and sampler. The defaults are those of the published code.
public struct DiffusionConfiguration: Equatable, Sendable {
    /// T, the number of steps of the forward process.
    public var timesteps = 1000
    /// Steps of it that are trained and sampled, the least noisy ones; 0: all.
    public var horizon = 0
    /// Path of the prior that sampling begins with, or "none" for N(0, I).
    public var prior = "none"
    /// What the network's output estimates.
    public var objective = Objective.v
    /// What it is trained by.
    public var loss = LossKind.squaredError
    /// Draws of the latent that the energy score compares: m.
    public var draws = 4
    /// Exponent β of the energy score's distances, in 0 … 2.
    public var energyExponent = 1.0
    /// Weight λ of the distances between draws in the energy score, in 0 … 1; it is proper with 1.
    public var energyRepulsion = 1.0
    /// Softening c of the energy score's distances, in units of the target.
    public var energySoftening = 1e-3
    /// Sizes in pixels of the square windows of the energy score, each of equal weight; 0 is the whole image.
    public var energyWindows = [0]
    /// How fast the energy score leaves the loss to the squared error towards low noise: its share is (1 − ᾱ)^this.
    public var energyHandover = 0.0
    /// How t is drawn in training.
    public var timestepSampling = TimestepSampling.uniform
    /// Mean and deviation of ln σ, where it is normal.
    public var logNoiseMean = -1.2
    public var logNoiseDeviation = 1.2
    /// Location and scale of λ, where it is logistic.
    public var logisticLocation = 6.26
    public var logisticScale = 3.1
    /// Factor of the variational bound in the hybrid loss.
    public var boundWeight = 1.0
    /// Timesteps from one to the next that the adversarial loss trains.
    public var jump = 250
    /// What the adversarial loss is made of.
    public var adversary = AdversaryConfiguration()
    /// How β grows.
    public var schedule = ScheduleKind.sigmoid
    /// First and last β of the root-linear schedule.
    public var betaStart = 0.0015
    public var betaEnd = 0.0195
    /// First and last λ of the schedule in λ.
    public var logSNRMax = 13.0
    public var logSNRMin = -10.0
    /// Clip the signal-to-noise ratio at 5 in the weight of the loss.
    public var minSNR = false
    /// Deviation of the data in EDM's weight of the loss; 0: not that weight.
    public var dataDeviation = 0.0
    /// Standard deviation of a further noise that is constant over the pixels of a channel.
    public var offsetNoise = 0.0
    /// How far the forward process moves towards what its class has in common.
    public var shift = ShiftKind.none
    /// What that is.
    public var shiftBy = ShiftSource.classMean
    /// Classes of a ``ShiftTable``.
    public var shiftClasses = 0
    /// The data set of which classes' means are moved towards, or `none`.
    public var shiftFile = "none"
    /// Scales of a multi-scale diffusion in Haar space, each the network of a run of its own: n. 1: none.
    public var scales = 1
    /// Which of them this one is, from the finest, 1, to n.
    public var scale = 1
    /// How fast the image that a sample is drawn from is noised beside it, 0 (never) … 1 (as fast).
    public var conditionSpeed = 0.0
    /// Mirror every other training image.
    public var flip = true
    /// Clamp estimates of x_0 to [−1, 1] in sampling; for images.
    public var clipDenoised = true
    /// How to sample.
    public var sampler = SamplerKind.ddim
    /// Variance of a step.
    public var variance = VarianceKind.small
    /// Which times a sampler visits.
    public var spacing = Spacing.linear
    /// Steps of a sampler, 1 … T.
    public var samplingSteps = 50
    /// Which times are visited, in OpenAI's spelling (``Respacing``); ``Respacing/none``: as ``samplingSteps`` says.
    public var respacing = Respacing.none
    /// Share of DDIM's step noise, 0 (none) … 1 (as much as ancestral sampling).
    public var ddimEta = 0.0
    /// Moves of the Langevin sampler at each time: K.
    public var langevinMoves = 1
    /// Size of a move in units of the noise's variance: r.
    public var langevinRate = 1.0
    /// How far a network that is told classes is led to them.
    public var guidance = Guidance()

    public init() {}

    /// The number of timesteps that are trained and sampled: 0 ..< this.
    public var reach: Int { horizon == 0 ? timesteps : horizon }

    /// ``prior`` where there is one.
    public var priorPath: String? { prior == "none" ? nil : prior }

    /// Sets the number of network evaluations, evenly spaced.
    public mutating func visit(steps: Int) { (samplingSteps, respacing) = (steps, Respacing.none) }
}
