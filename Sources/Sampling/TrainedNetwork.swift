import CPUBackend
import Configuration
import DataSets
import Diffusion
import HDF5
import Storage
import TensorGraph

/// The weights of a checkpoint, with the configuration that they were trained with.
struct TrainedNetwork {
    /// The run's configuration.
    let configuration: RunConfiguration
    /// The same as stored.
    let json: String
    /// Step of the checkpoint.
    let step: Int
    /// Which of the weights.
    let weights: SampleWeights
    /// SHA-256 of the checkpoint, as its prefix has it.
    let digest: String
    let path: String
    /// Of the samples that it was trained on.
    let dataFingerprint: String
    /// What the samples are latents of; nil where they are none.
    let latents: LatentFacts?
    /// What its forward process moves towards; nil where it does not.
    let shift: Shift?
    /// What the checkpoint says of the prior that it was trained with.
    let priorAttributes: [String: AttributeValue]
    /// The same of the density that it draws from.
    let targetAttributes: [String: AttributeValue]
    private let tensors: [NamedTensor]

    /// Reads and verifies the checkpoint at `path`.
    init(_ path: String, _ weights: SampleWeights) throws {
        let checkpoint = try CheckpointFile(path)
        configuration = try RunConfiguration(json: checkpoint.header.config, name: path)
        try configuration.validateModel()
        json = checkpoint.header.config
        step = checkpoint.header.step
        digest = checkpoint.digest
        dataFingerprint = checkpoint.header.dataFingerprint
        latents = LatentFacts { checkpoint.header.attributes[$0] }
        priorAttributes = checkpoint.header.attributes.filter { $0.key.hasPrefix("prior_") }
        targetAttributes = checkpoint.header.attributes.filter { $0.key.hasPrefix("target_") }
        (self.path, self.weights) = (path, weights)
        var tensors = try checkpoint.values(checkpoint.group(of: weights))
        shift =
            try TrainedShift.read(checkpoint, configuration) ?? TrainedShift.take(from: &tensors, configuration, path)
        self.tensors = tensors
    }

    /// Fills an arena of `layout` with the weights.
    ///
    /// - Throws: ``RunError`` when a tensor is missing, unknown, or of another shape.
    func load(_ layout: ParameterLayout, into memory: CPUMemory) throws {
        let values = Dictionary(tensors.map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
        try Sampling.load(tensors.map { ($0.name, $0.shape) }, layout, into: memory, of: path) { name, place in
            _ = place.update(fromContentsOf: values[name] ?? [])
        }
    }
}
