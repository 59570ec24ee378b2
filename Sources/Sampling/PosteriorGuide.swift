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
/// (moment matching posterior sampling, Rozet et al. 2024; pseudoinverse guidance, Song et al. 2023, with the covariance that the
/// network says instead of 1 − ᾱ):
///
///     p(y | x_t) ≈ N(A x̂_0, A V Aᵀ + σ_y² I),   V = (1 − ᾱ)/√ᾱ ∂x̂_0/∂x_t = Cov(x_0 | x_t)
///     ∇ ln p = (∂x̂_0/∂x_t)ᵀ Aᵀ u,   (A V Aᵀ + σ_y² I) u = y − A x̂_0
///
/// with A's rows of length 1 and x̂_0 not clamped. u is found image by image, by conjugate gradients with a pass back through the
/// network each; exact for Gaussian data after as many as there are known numbers, and after one where V is a multiple of I.
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
        let iterations: Int

        /// - Parameters:
        ///   - deviation: σ_y, in units of half the range of values; above 0 where all is known.
        ///   - weight: factor of the gradient.
        ///   - iterations: of the conjugate gradients.
        /// - Throws: when memory cannot be had or an operation cannot be prepared.
        public init(_ generator: SampleGenerator, deviation: Double, weight: Double, iterations: Int) throws {
            let slope = try generator.slope()
            self.init(deviation: deviation, weight: weight, iterations: iterations) {
                try slope($0, seed: $1, labels: $2)
            }
        }

        /// The same with any slope: (evaluation, seed, labels) → (∂output/∂x_t)ᵀ seed.
        package init(
            deviation: Double, weight: Double, iterations: Int = 1,
            slope: @escaping (Evaluation, [Float], [Float]?) throws -> [Float]
        ) {
            (self.slope, self.deviation, self.weight, self.iterations) = (slope, deviation, weight, iterations)
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
        let estimate = process.objective.x0(alphaBar: alphaBar)
        /// (∂x̂_0/∂x_t)ᵀ v.
        func slope(_ v: [Float]) throws -> [Float] {
            let ofOutput = v.map { Float(estimate.output) * $0 }
            let throughNetwork = try distance.slope(evaluation, ofOutput, takesLabels ? labels : nil)
            return zip(v, throughNetwork).map { Float(estimate.xt) * $0 + $1 }
        }
        var nearer = x0
        observation.replaceKnown(in: &nearer, by: observed(samples), images: samples)
        // All that is solved for lies in images: Aᵀ(y − A x̂_0) is what replacing the known part changes.
        var residual = zip(nearer, x0).map { Double($0) - Double($1) }
        var direction = residual
        var gradient = [Double](repeating: 0, count: x0.count)
        let toVariance = (1 - alphaBar) / alphaBar.squareRoot()
        for _ in 0..<distance.iterations {
            let moved = try slope(direction.map { Float($0) })
            let known = knownPart(moved, samples)
            for image in 0..<samples.count {
                let own = image * (x0.count / samples.count)..<(image + 1) * (x0.count / samples.count)
                func product(_ i: Int) -> Double {
                    toVariance * Double(known[i]) + distance.deviation * distance.deviation * direction[i]
                }
                let length = own.reduce(0) { $0 + residual[$1] * residual[$1] }
                let curvature = own.reduce(0) { $0 + direction[$1] * product($1) }
                // A network's slope need not be a covariance: where it falls, the image is left as it is.
                guard length > 0, curvature > 0 else {
                    for i in own { direction[i] = 0 }
                    continue
                }
                let step = length / curvature
                for i in own {
                    gradient[i] += step * Double(moved[i])
                    residual[i] -= step * product(i)
                }
                let next = own.reduce(0) { $0 + residual[$1] * residual[$1] } / length
                for i in own { direction[i] = residual[i] + next * direction[i] }
            }
        }
        return gradient.map { Float(distance.weight * $0) }
    }

    /// Aᵀ A v.
    private func knownPart(_ v: [Float], _ samples: Range<Int>) -> [Float] {
        var part = [Float](repeating: 0, count: v.count)
        observation.replaceKnown(in: &part, by: v, images: samples)
        return part
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
