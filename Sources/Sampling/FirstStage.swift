import CPUBackend
import Configuration
import Diffusion
import NeuralNetwork
import TensorGraph

/// The first stage of latent diffusion with the weights of a checkpoint: images to Gaussians of latents, and latents to
/// images. An image's results do not depend on the images around it nor on their number.
public final class FirstStage {
    /// The run's configuration, of which `model` gives the images' sizes.
    public let configuration: RunConfiguration
    /// SHA-256 of the checkpoint, as its prefix has it.
    public let digest: String
    /// Step of the checkpoint.
    public let step: Int
    /// Images that the network works on at a time.
    public let batch: Int
    private let network: any FirstStageNetwork
    private let weights: CPUMemory
    private let encoder: Executor
    private let decoder: Executor

    /// Sizes of the network.
    public var sizes: AutoencoderSizes { configuration.autoencoder.sizes }
    /// Sides of a latent.
    public var latentSize: Int { sizes.latentSize(configuration.model.size) }

    /// The first stage of the checkpoint at `path`.
    ///
    /// - Parameter precision: without it that of the training, as far as this process can.
    /// - Throws: `HDF5Error` or `StorageError` where the checkpoint cannot be used; ``RunError`` where it is none of an
    ///   autoencoder, or tensors do not fit.
    public init(checkpoint path: String, weights kind: SampleWeights = .ema, precision: JobPrecision? = nil) throws {
        let network = try TrainedNetwork(path, kind)
        guard network.configuration.method == .autoencoder else {
            throw RunError(
                "\(path) is the checkpoint of a \(network.configuration.networkName); one that method: autoencoder left is "
                    + "wanted", status: .badInput)
        }
        configuration = network.configuration
        (digest, step) = (network.digest, network.step)
        let (model, sizes) = (configuration.model, configuration.autoencoder.sizes)
        if let fault = sizes.fault(size: model.size) { throw RunError("\(path): \(fault)", status: .badInput) }
        let batch = configuration.automaticMicroBatchLimit
        self.batch = batch
        let runs = precision ?? JobPrecision(configuration.precision)
        let backend = try CPUBackend(precision: runs.precision)
        let firstStage = sizes.network(channels: model.channels)
        self.network = firstStage
        func graph(_ part: FirstStagePart) -> Graph {
            firstStage.inferenceGraph(part, size: model.size, batch: batch, precision: backend.precision)
        }
        let layout = ExecutionPlan(graph(.both)).layout
        weights = try CPUMemory(count: layout.count)
        try network.load(layout, into: weights)
        encoder = try Executor(ExecutionPlan(graph(.encoder), layout: layout), on: backend, parameters: weights)
        decoder = try Executor(ExecutionPlan(graph(.decoder), layout: layout), on: backend, parameters: weights)
        try encoder.parametersChanged()
        try decoder.parametersChanged()
    }

    /// Means and logarithms of variances, `[N, h, w, 2Z]`, of images `[N, H, W, C]` in −1 … 1.
    ///
    /// - Parameter progress: called with the images done so far after each batch.
    public func encode(_ images: [Float], progress: (Int) throws -> Void = { _ in }) throws -> [Float] {
        let latent = sizes.latentElements(size: configuration.model.size)
        return try run(
            encoder, images.map(network.input), from: configuration.model.sampleElements, to: 2 * latent, progress)
    }

    /// Images `[N, H, W, C]` of latents `[N, h, w, Z]`.
    public func decode(_ latents: [Float], progress: (Int) throws -> Void = { _ in }) throws -> [Float] {
        let latent = sizes.latentElements(size: configuration.model.size)
        return try run(
            decoder, latents.map(network.latent), from: latent, to: configuration.model.sampleElements, progress
        ).map(network.output)
    }

    private func run(
        _ executor: Executor, _ values: [Float], from size: Int, to result: Int, _ progress: (Int) throws -> Void
    ) throws -> [Float] {
        precondition(values.count.isMultiple(of: size), "\(values.count) numbers are not samples of \(size)")
        let count = values.count / size
        var results: [Float] = []
        results.reserveCapacity(count * result)
        for first in stride(from: 0, to: count, by: batch) {
            let end = min(first + batch, count)
            let part = values[first * size..<end * size]
            executor.write([
                NetworkInput.xt.rawValue: part + [Float](repeating: 0, count: batch * size - part.count)
            ])
            try executor.run()
            results += executor.read("output").prefix((end - first) * result)
            try progress(end)
        }
        return results
    }
}
