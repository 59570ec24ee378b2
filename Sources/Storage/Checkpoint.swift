import HDF5

/// A named array of floats, row-major. Convolution weights are O,I,H,W; matrices are out × in.
public struct NamedTensor: Equatable, Sendable {
    /// For instance "model.downs.0.0.block1.proj.weight".
    public var name: String
    /// Lengths of the axes.
    public var shape: [Int]
    /// As many values as the product of `shape`.
    public var values: [Float]

    /// Makes a tensor of `values.count` = product of `shape` elements.
    public init(name: String, shape: [Int], values: [Float]) {
        precondition(
            values.count == shape.reduce(1, *), "\(name): \(values.count) values for the shape \(shape)")
        self.name = name
        self.shape = shape
        self.values = values
    }
}

/// Names of the groups that hold the tensors of a checkpoint: the weights of a network, and what belongs to them one by
/// one, with the same names and shapes, or nothing.
public enum CheckpointGroup {
    /// The group of a network's weights.
    public static let parameters = "parameters"

    /// The losses that timesteps are drawn by, where they are: of the run, not of a network.
    public static let timestepLosses = "timestep_losses"

    /// The means of the classes that the forward process moves towards, where it does.
    public static let classMeans = "class_means"

    /// Groups that belong to no network.
    public static let ofTheRun = [timestepLosses, classMeans]

    /// Where the group `name` of a network lies: the first network's at the root, those of another under its own name.
    public static func name(_ name: String, of network: String?) -> String {
        network.map { "networks/\($0)/\(name)" } ?? name
    }

    /// The network of a group, nil for the first, and the group's name there.
    public static func parts(of name: String) -> (network: String?, name: String) {
        let words = name.split(separator: "/", maxSplits: 2)
        guard words.count == 3, words[0] == "networks" else { return (nil, name) }
        return (String(words[1]), String(words[2]))
    }
}

/// A checkpoint is the whole logical state of a training run at one step; nothing in it depends on the number of ranks.
/// This is what it says beside the tensors.
///
/// As a file it is HDF5 behind a 512-byte prefix with a SHA-256 of the rest (`docs/file-formats.md`). The same state
/// gives the same bytes.
public struct CheckpointHeader: Equatable, Sendable {
    /// Number of optimizer steps done.
    public var step: Int
    /// The seed that all randomness of the run is keyed by.
    public var seed: UInt64
    /// The resolved configuration, JSON.
    public var config: String
    /// What identifies the data set's content.
    public var dataFingerprint: String
    /// The version of smd that wrote the state.
    public var version: String
    /// Further attributes of the root, for instance `samples_seen`. Names in `reservedAttributes` are refused.
    public var attributes: [String: AttributeValue]

    /// Describes a state.
    public init(
        step: Int, seed: UInt64, config: String, dataFingerprint: String, version: String,
        attributes: [String: AttributeValue] = [:]
    ) {
        (self.step, self.seed, self.config, self.attributes) = (step, seed, config, attributes)
        (self.dataFingerprint, self.version) = (dataFingerprint, version)
    }

    static let format = "smd checkpoint"
    static let formatVersion = 1
    /// Attributes of the root that are part of the format.
    public static let reservedAttributes: Set<String> = [
        "format", "format_version", "smd_version", "step", "seed", "config", "data_fingerprint",
    ]
}

extension FileImage {
    /// Seals the file of a state and writes it under `path`, with `DurableFile`. From any thread.
    package func writeCheckpoint(to path: String, replacing: Bool = true) throws {
        try withUnsafeMutableBytes { bytes in
            CheckpointEnvelope.seal(bytes)
            try DurableFile.write(UnsafeRawBufferPointer(bytes), to: path, replacing: replacing)
        }
    }
}
