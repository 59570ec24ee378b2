import CPUBackend
import Configuration
import NeuralNetwork
import TensorGraph

/// The checkpoint of a classifier.
public struct ClassifierCheckpoint {
    /// The run's configuration; `model.classes` is not 0.
    public var configuration: RunConfiguration { network.configuration }
    /// Step of the checkpoint.
    public var step: Int { network.step }
    /// SHA-256 of the checkpoint, as its prefix has it.
    public var digest: String { network.digest }
    fileprivate let network: TrainedNetwork

    /// Reads and verifies the checkpoint at `path`.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where it cannot be used; ``RunError`` where it is none of a classifier.
    public init(_ path: String, _ weights: SampleWeights = .ema) throws {
        network = try TrainedNetwork(path, weights)
        guard network.configuration.method == .classifier, network.configuration.model.classes > 0 else {
            throw RunError("\(path) is no checkpoint of a classifier; one that method: classifier left is wanted")
        }
    }

    /// Fills an arena of `layout` with the weights.
    func load(_ layout: ParameterLayout, into memory: CPUMemory) throws { try network.load(layout, into: memory) }

    /// The network with these weights, computing in `precision`.
    ///
    /// - Throws: when memory cannot be had or an operation cannot be prepared; ``RunError`` when tensors do not fit.
    public func classifier(precision: JobPrecision) throws -> ImageClassifier {
        try ImageClassifier(self, on: CPUBackend(precision: precision.precision))
    }
}

/// Classifies images, with the weights of a checkpoint. An image's results do not depend on the images around it nor on
/// their number: the network computes on batches of one size, of which the last is filled up.
public final class ImageClassifier {
    /// Sizes of the network: images of `size`×`size`×`channels`, F = `features`, K = `classes`.
    public let model: ModelConfiguration
    /// Images that the network works on at a time.
    public let batch: Int
    private let weights: CPUMemory
    private let executor: Executor

    fileprivate init(_ checkpoint: ClassifierCheckpoint, on backend: CPUBackend) throws {
        model = checkpoint.configuration.model
        batch = checkpoint.configuration.automaticMicroBatchLimit
        let plan = ExecutionPlan(Classifier(model).inferenceGraph(batch: batch, precision: backend.precision))
        weights = try CPUMemory(count: plan.layout.count)
        executor = try Executor(plan, on: backend, parameters: weights)
        try checkpoint.network.load(plan.layout, into: weights)
        try executor.parametersChanged()
    }

    /// The last layer, logits = weight · features + bias: `weight [K, F]`, `bias [K]`.
    public var head: (weight: [Float], bias: [Float]) {
        func values(_ name: String) -> [Float] {
            guard let range = executor.plan.layout.range("classifier.head.\(name)") else {
                preconditionFailure("a classifier without classifier.head.\(name)")
            }
            return weights.read(range)
        }
        return (values("weight"), values("bias"))
    }

    /// The classifier of the checkpoint at `path`, in the precision it was trained in as far as this process can.
    ///
    /// - Throws: as ``ClassifierCheckpoint``.
    public convenience init(checkpoint path: String, weights: SampleWeights = .ema) throws {
        let checkpoint = try ClassifierCheckpoint(path, weights)
        let precision = JobPrecision(checkpoint.configuration.precision)
        try self.init(checkpoint, on: CPUBackend(precision: precision.precision))
    }

    /// The logits of images, and the features that these are a linear function of.
    ///
    /// - Parameters:
    ///   - images: `[N, H, W, C]` in [−1, 1], of any number N; or x_t.
    ///   - timestep: t of all; 0 for images without noise.
    ///   - progress: called with the images done so far after each batch.
    /// - Returns: features `[N, F]` and logits `[N, K]`.
    public func classify(
        _ images: [Float], timestep: Int = 0, progress: (Int) throws -> Void = { _ in }
    ) throws -> (features: [Float], logits: [Float]) {
        let size = model.sampleElements
        precondition(images.count.isMultiple(of: size), "\(images.count) numbers are not images of \(size)")
        let count = images.count / size
        var (features, logits): ([Float], [Float]) = ([], [])
        features.reserveCapacity(count * model.features)
        logits.reserveCapacity(count * model.classes)
        for first in stride(from: 0, to: count, by: batch) {
            let end = min(first + batch, count)
            let part = images[first * size..<end * size]
            executor.write([
                NetworkInput.xt.rawValue: part + [Float](repeating: 0, count: batch * size - part.count),
                NetworkInput.timestep.rawValue: [Float](repeating: Float(timestep), count: batch),
            ])
            try executor.run()
            features += executor.read("features").prefix((end - first) * model.features)
            logits += executor.read("logits").prefix((end - first) * model.classes)
            try progress(end)
        }
        return (features, logits)
    }
}
