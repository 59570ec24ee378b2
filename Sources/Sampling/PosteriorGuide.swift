import CPUBackend
import Diffusion
import NeuralNetwork
import TensorGraph

/// What leads samples of a ``SampleGenerator``.
public protocol SampleGuide {
    /// Classes that it leads to; 0 where it leads to none.
    var classes: Int { get }
    /// As ``SamplerGuide/shiftsMeans``.
    var shiftsMeans: Bool { get }
    /// ∇_x ln p(y | x_t) of a batch, `[batch, H, W, C]`.
    ///
    /// - Parameters:
    ///   - samples: the numbers of the samples, beyond the last where the batch is filled up.
    ///   - labels: the class of each, `[batch]`, where there are classes.
    func gradient(_ evaluation: Evaluation, samples: Range<Int>, labels: [Float]?) throws -> [Float]
}

/// Leads samples to what is known of them, y = A x_0 + σ_y n, where A is an ``Observation``, by the gradient of a distance
/// (pseudoinverse guidance, Song, Vahdat, Mardani and Kautz 2023):
///
///     p(y | x_t) ≈ N(A x̂_0, (r² + σ_y²) I),   r² = 1 − ᾱ
///     ∇ ln p = (∂x̂_0/∂x_t)ᵀ Aᵀ (y − A x̂_0) / (r² + σ_y²)
///
/// with A's rows of length 1. r² is the variance of x_0 given x_t of data of variance 1, for which it is exact. x̂_0 is not
/// clamped here.
public final class PosteriorGuide: SampleGuide {
    public let classes = 0
    public let shiftsMeans = false
    private let observation: Observation
    private let observed: (Range<Int>) -> [Float]
    private let takesLabels: Bool
    private let process: ForwardProcess
    private let distance: Distance

    /// How samples are led.
    public struct Distance {
        let slope: (_ evaluation: Evaluation, _ seed: [Float], _ labels: [Float]?) throws -> [Float]
        let deviation: Double
        let weight: Double

        /// - Parameters:
        ///   - deviation: σ_y, in units of half the range of values; above 0 where all is known.
        ///   - weight: factor of the gradient.
        /// - Throws: when memory cannot be had or an operation cannot be prepared.
        public init(_ generator: SampleGenerator, deviation: Double, weight: Double) throws {
            let slope = try generator.slope()
            self.init(deviation: deviation, weight: weight) { try slope($0, seed: $1, labels: $2) }
        }

        /// The same with any slope: (evaluation, seed, labels) → (∂output/∂x_t)ᵀ seed.
        package init(
            deviation: Double, weight: Double, slope: @escaping (Evaluation, [Float], [Float]?) throws -> [Float]
        ) {
            (self.slope, self.deviation, self.weight) = (slope, deviation, weight)
        }
    }

    /// - Parameter observed: y, of a range of samples, `[samples, H, W, C]`.
    package init(
        _ model: ModelConfiguration, _ diffusion: DiffusionConfiguration, _ observation: Observation,
        _ distance: Distance, observed: @escaping (Range<Int>) -> [Float]
    ) {
        (self.observation, self.observed, takesLabels) = (observation, observed, model.takesLabels)
        (process, self.distance) = (ForwardProcess(diffusion), distance)
    }

    public func gradient(_ evaluation: Evaluation, samples: Range<Int>, labels: [Float]?) throws -> [Float] {
        let alphaBar = process.schedule.alphaBars[evaluation.timestep]
        let timesteps = [Int](repeating: evaluation.timestep, count: samples.count)
        let x0 = process.x0Estimate(output: evaluation.output, xt: evaluation.xt, timesteps: timesteps)
        // Aᵀ(y − A x̂_0) is what replacing the known part changes.
        var nearer = x0
        observation.replaceKnown(in: &nearer, by: observed(samples), images: samples)
        let factor = Float(distance.weight / (1 - alphaBar + distance.deviation * distance.deviation))
        let pull = zip(nearer, x0).map { factor * ($0 - $1) }
        let estimate = process.objective.x0(alphaBar: alphaBar)
        let ofOutput = pull.map { Float(estimate.output) * $0 }
        let throughNetwork = try distance.slope(evaluation, ofOutput, takesLabels ? labels : nil)
        return zip(pull, throughNetwork).map { Float(estimate.xt) * $0 + $1 }
    }
}

/// The product of the transposed Jacobian of a network, from x_t to its estimate, with a vector: reverse mode from a given
/// gradient.
public final class InputSlope {
    private let model: ModelConfiguration
    private let batch: Int
    private let executor: Executor

    init(_ model: ModelConfiguration, batch: Int, layout: ParameterLayout, weights: CPUMemory, on backend: CPUBackend)
        throws
    {
        (self.model, self.batch) = (model, batch)
        let graph = Denoiser(model).slopeGraph(batch: batch, precision: backend.precision)
        executor = try Executor(ExecutionPlan(graph, layout: layout), on: backend, parameters: weights)
        try executor.parametersChanged()
    }

    /// `(∂estimate/∂x_t)ᵀ seed`, `[batch, H, W, C]`.
    public func callAsFunction(_ evaluation: Evaluation, seed: [Float], labels: [Float]?) throws -> [Float] {
        let estimate =
            model.selfCondition ? evaluation.estimate ?? [Float](repeating: 0, count: evaluation.xt.count) : nil
        var inputs = model.inputs(
            xt: evaluation.xt, timestep: [Float](repeating: Float(evaluation.timestep), count: batch),
            eta: evaluation.eta, selfCondition: estimate, labels: labels)
        inputs["seed"] = padded(seed)
        executor.write(inputs)
        try executor.run()
        return executor.read("gradient")
    }

    /// With zeros for what a network says beside its estimate.
    private func padded(_ seed: [Float]) -> [Float] {
        let others = [Float](repeating: 0, count: model.outputChannels - model.channels)
        guard !others.isEmpty else { return seed }
        return stride(from: 0, to: seed.count, by: model.channels).flatMap {
            Array(seed[$0..<$0 + model.channels]) + others
        }
    }
}
