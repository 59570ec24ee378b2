import CPUBackend
import Configuration
import Diffusion
import NeuralNetwork
import TensorGraph

/// A classifier of noised images that leads a sampler to a class by `s ∇_x ln p(y | x_t, t)` (Dhariwal and Nichol 2021,
/// section 4). The network that is guided need not know classes.
public final class ClassifierGuide: SampleGuide {
    /// Classes that it tells apart.
    public let classes: Int
    public let shiftsMeans = true
    /// s.
    public let scale: Double
    private let batch: Int
    private let weights: CPUMemory
    private let executor: Executor

    /// Prepares the gradient for `batch` images at a time.
    ///
    /// - Throws: when memory cannot be had or an operation cannot be prepared; ``RunError`` when tensors do not fit.
    public init(
        _ checkpoint: ClassifierCheckpoint, scale: Double, batch: Int, precision: JobPrecision
    ) throws {
        let model = checkpoint.configuration.model
        (classes, self.scale, self.batch) = (model.classes, scale, batch)
        let backend = try CPUBackend(precision: precision.precision)
        let plan = ExecutionPlan(Classifier(model).gradientGraph(batch: batch, precision: backend.precision))
        weights = try CPUMemory(count: plan.layout.count)
        executor = try Executor(plan, on: backend, parameters: weights)
        try checkpoint.load(plan.layout, into: weights)
        try executor.parametersChanged()
    }

    public func gradient(_ evaluation: Evaluation, samples: Range<Int>, labels: [Float]?) throws -> [Float] {
        try gradient(xt: evaluation.xt, timestep: evaluation.timestep, labels: labels ?? [])
    }

    /// `s ∇_x ln p(y | x_t, t)` of a batch.
    ///
    /// - Parameters:
    ///   - xt: x_t, `[batch, H, W, C]`.
    ///   - labels: y of each, `[batch]`.
    public func gradient(xt: [Float], timestep: Int, labels: [Float]) throws -> [Float] {
        executor.write([
            NetworkInput.xt.rawValue: xt,
            NetworkInput.timestep.rawValue: [Float](repeating: Float(timestep), count: batch),
            NetworkInput.label.rawValue: labels,
        ])
        try executor.run()
        return executor.read("gradient").map { Float(scale) * $0 }
    }
}

extension SamplingJob {
    /// Refuses a classifier that cannot guide this network: of clean images, of others, or of another diffusion.
    ///
    /// - Throws: ``RunError``.
    public func requireGuide(_ classifier: ClassifierCheckpoint, _ path: String) throws {
        let (own, its) = (configuration, classifier.configuration)
        guard its.classifier.noised else {
            throw RunError(
                "\(path) knows clean images only: a classifier that guides is trained with classifier.noised=true")
        }
        guard own.diffusion.scales == 1 else {
            throw RunError("a classifier guides no multi-scale diffusion (diffusion.scales is \(own.diffusion.scales))")
        }
        let pairs = [
            ("model.size", own.model.size, its.model.size), ("model.channels", own.model.channels, its.model.channels),
            ("diffusion.timesteps", own.diffusion.timesteps, its.diffusion.timesteps),
        ]
        for (key, own, its) in pairs where own != its {
            throw RunError("\(path) has \(key) \(its), the network that it is to guide \(own)")
        }
        guard own.diffusion.schedule == its.diffusion.schedule else {
            throw RunError(
                "\(path) has diffusion.schedule \(its.diffusion.schedule.rawValue), the network that it is to guide "
                    + own.diffusion.schedule.rawValue)
        }
        guard NoiseSchedule(own.diffusion) == NoiseSchedule(its.diffusion) else {
            throw RunError(
                "\(path) has other ends of its schedule (diffusion.beta_start and beta_end, or logsnr_max and logsnr_min) than "
                    + "the network that it is to guide")
        }
        guard classes == 0 || classes == its.model.classes else {
            throw RunError(
                "\(path) tells \(its.model.classes) classes apart, and the network that it is to guide is told "
                    + "\(classes)")
        }
    }
}
