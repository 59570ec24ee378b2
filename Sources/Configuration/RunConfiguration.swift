import Diffusion
import NeuralNetwork
import TensorGraph

/// What a run trains.
public enum TrainingMethod: String, Codable, CaseIterable, Sendable {
    /// A denoising network.
    case diffusion
    /// A classifier of the data set's labels.
    case classifier
    /// The first stage of latent diffusion.
    case autoencoder
    /// A Denoising Diffusion Sampler, of a density without data.
    case dds
}

/// How the learning rate falls once it has warmed up.
public enum LearningRateDecay: String, Codable, CaseIterable, Sendable {
    case constant, linear, cosine
}

/// What concerns classifiers alone.
public struct ClassifierConfiguration: Equatable, Sendable {
    /// Whether it is trained on x_t and t of the diffusion instead of clean images.
    public var noised = false

    public init() {}
}

/// Adam (Kingma and Ba, 2015) with a clip of the global gradient norm. The defaults are the published settings.
public struct OptimizerConfiguration: Equatable, Sendable {
    /// Decay of the first moment, a step; in [0, 1).
    public var beta1 = 0.9
    /// Decay of the second moment, a step; in [0, 1).
    public var beta2 = 0.99
    /// Added to the root of the second moment; above 0.
    public var epsilon = 1e-8
    /// The gradient is scaled down to this L2 norm over all parameters; 0 switches the clip off.
    public var clipNorm = 1.0
    /// Share of a parameter that it loses a step, in units of the learning rate (Loshchilov and Hutter 2019).
    public var weightDecay = 0.0
    /// Whether each of N ranks keeps only 1/N of the moments and of the parameters' average. Nothing else changes.
    public var sharded = false

    /// The published settings.
    public init() {}
}

/// The exponential moving average of the parameters, which samples are drawn from.
public struct EMAConfiguration: Equatable, Sendable {
    /// Weight of the old average in one update once warmed up; in [0, 1).
    public var decay = 0.995
    /// Training steps between two updates.
    public var every = 10
    /// Training steps before the average starts; until then it equals the parameters.
    public var start = 100
    /// Images over which the weight of older parameters halves; above 0 it takes the place of ``decay``.
    public var halfLifeImages = 0.0
    /// The half-life is at most this share of the images seen so far; 0: no such limit.
    public var ramp = 0.05
    /// Relative widths of the power-function averages that are kept beside this one (Karras et al. 2024).
    public var widths: [Double] = []
    /// Training steps between two snapshots of these; 0: none.
    public var snapshotEvery = 0

    /// Widths that an average can have: from a narrow one to nearly that of a plain mean, 1/√12.
    public static let possibleWidths = 0.005...0.28
    /// Most of them in one run.
    static let mostWidths = 8

    /// The published settings.
    public init() {}
}

/// Everything that decides what a training run computes and what it leaves behind.
///
/// The defaults live here and nowhere else. The keys of files and of `--set` are the rows of `ConfigurationKey.all`.
public struct RunConfiguration: Equatable, Sendable {
    /// What is trained.
    public var method = TrainingMethod.diffusion
    /// Path of the HDF5 data set, absolute or from the current directory.
    public var data = ""
    /// Path of the first stage, a checkpoint or a run's folder, where `data` holds its latents, or "none".
    public var firstStage = "none"
    /// Where the samples lie while a run reads them.
    public var cache = SampleCache.auto
    /// What an epoch's order mixes.
    public var shuffle = Shuffle.samples
    /// MiB of samples that are mixed with each other, with `shuffle` chunks.
    public var shuffleWindow = 64
    /// What of an image is trained on.
    public var crop = Crop.none
    /// Training steps (parameter updates) of the whole run.
    public var steps = 100_000
    /// Images in one step, over all ranks.
    public var batchSize = 128
    /// Images one rank computes at a time; 0 chooses by `batchPlan(ranks:threads:)`.
    public var microBatchSize = 0
    /// In which order the sums of a step are taken.
    public var reduction = Reduction.auto
    /// Seed of every random number of the run.
    public var seed: UInt64 = 0
    /// Format in which convolutions and products over pixels read their factors.
    public var precision = Precision.fp32
    /// Adam's step size; after the warm-up, and before it decays.
    public var learningRate = 1e-4
    /// Steps in which the learning rate rises from 0.
    public var learningRateWarmup = 0
    /// How it falls from there to the end of the run.
    public var learningRateDecay = LearningRateDecay.constant
    /// Where it falls to.
    public var learningRateEnd = 0.0
    /// Steps between two checkpoints; the last step always writes one. 0: only the last.
    public var checkpointEvery = 1000
    /// Newest checkpoints that are kept.
    public var keepCheckpoints = 3
    /// Checkpoints of steps that are multiples of this are kept for ever; 0: none.
    public var keepEvery = 0
    /// Steps between two sample grids; 0: none.
    public var previewEvery = 1000
    /// Images in one sample grid.
    public var previewCount = 16
    /// Steps between two plain progress lines where the output is no terminal; 0: about one every ten seconds.
    public var logEvery = 0
    /// Steps between two measurements of the variance of the prediction over η; 0: never.
    public var etaVarianceEvery = 100
    /// Steps between two comparisons of the ranks' parameters; 0: never.
    public var checkRanksEvery = 100
    /// What becomes of a bad step.
    public var onBadStep = BadStepPolicy.stop
    /// A step is bad too when its loss or gradient norm is more than this many times the median of the last 100 good
    /// steps; 0: only when one is not finite.
    public var spikeFactor = 0.0
    /// The network.
    public var model = ModelConfiguration()
    /// The diffusion process, its loss and its sampler.
    public var diffusion = DiffusionConfiguration()
    /// What concerns a classifier.
    public var classifier = ClassifierConfiguration()
    /// What concerns an autoencoder.
    public var autoencoder = AutoencoderConfiguration()
    /// The density that ``TrainingMethod/dds`` draws from.
    public var target = TargetConfiguration()
    /// The paths that it draws by.
    public var paths = PathConfiguration()
    /// The optimiser.
    public var optimizer = OptimizerConfiguration()
    /// The moving average of the parameters.
    public var ema = EMAConfiguration()

    /// ``firstStage`` where there is one.
    public var firstStagePath: String? { firstStage == "none" ? nil : firstStage }

    /// The defaults: the published CIFAR-10 settings, without a data set.
    public init() {}
}
