import Diffusion
import Mixtures
import NeuralNetwork

/// What samples are made from beside keyed draws, and what is done to them between steps. Each is given the numbers of the
/// samples of a batch, beyond the last sample where the batch is filled up, and values of the whole batch,
/// `[samples, H, W, C]`.
public struct SamplingHooks {
    /// x where the sampler begins, from draws of N(0, 1); nil: these draws.
    public var start: ((_ samples: Range<Int>, _ noise: [Float]) throws -> [Float])?
    /// η of an evaluation or the noise of a step, by the number of either; nil where the keyed draw is to be taken.
    public var draw: ((_ samples: Range<Int>, _ number: Int, _ which: SamplerDraw) throws -> [Float]?)?
    /// Called with x after each step, which it may change: only where the sampler takes projections.
    public var reached: ((_ samples: Range<Int>, _ step: Int, _ x: inout [Float]) throws -> Void)?

    /// The image that each sample is drawn from, `[samples, H, W, C']`, for a network that is shown one.
    public var conditions: ((_ samples: Range<Int>) throws -> [Float])?

    /// None: samples from noise alone.
    public init() {}

    /// Samples that begin with draws of a prior, noised as where `sampler` begins.
    public init(prior: GaussianMixture?, _ sampler: Sampler, seed: UInt64) {
        guard let noised = prior?.noised(sampler.alphaBarAtStart) else { return }
        start = { noised.starts($0, noise: $1, seed: seed) }
    }
}

extension SamplingHooks {
    /// Grey images for a network that is shown some: for benchmarks.
    package init(greyFor model: ModelConfiguration) {
        guard model.conditionChannels > 0 else { return }
        conditions = { [Float](repeating: 0, count: $0.count * model.conditionElements) }
    }
}

/// Rows of `size` numbers for a batch, of values of the samples number `samples`; where the batch is filled up, the last one's.
func rows(_ values: [Float], _ places: Range<Int>, of samples: Range<Int>, _ size: Int) -> [Float] {
    places.flatMap { place in
        let slot = min(place, samples.upperBound - 1) - samples.lowerBound
        return values[slot * size..<(slot + 1) * size]
    }
}
