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

/// The whole logical state of a training run at one step; nothing in it depends on the number of ranks.
///
/// As a file it is HDF5 behind a 512-byte prefix with a SHA-256 of the rest (`docs/file-formats.md`). The same state
/// gives the same bytes, in whatever order the tensors are listed.
public struct Checkpoint: Equatable, Sendable {
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
    /// Further attributes of the root, for instance `ema_updates`. Names in `reservedAttributes` are refused.
    public var attributes: [String: AttributeValue]
    /// The weights.
    public var parameters: [NamedTensor]
    /// The exponential moving average of the weights; the same names and shapes, or nothing.
    public var ema: [NamedTensor]
    /// Adam's running mean of the gradients; the same names and shapes, or nothing.
    public var firstMoment: [NamedTensor]
    /// Adam's running mean of the squared gradients; the same names and shapes, or nothing.
    public var secondMoment: [NamedTensor]

    /// Gathers a state.
    public init(
        step: Int, seed: UInt64, config: String, dataFingerprint: String, version: String,
        attributes: [String: AttributeValue] = [:], parameters: [NamedTensor], ema: [NamedTensor] = [],
        firstMoment: [NamedTensor] = [], secondMoment: [NamedTensor] = []
    ) {
        self.step = step
        self.seed = seed
        self.config = config
        self.dataFingerprint = dataFingerprint
        self.version = version
        self.attributes = attributes
        self.parameters = parameters
        self.ema = ema
        self.firstMoment = firstMoment
        self.secondMoment = secondMoment
    }

    static let format = "smd checkpoint"
    static let formatVersion = 1
    /// Attributes of the root that are part of the format.
    public static let reservedAttributes: Set<String> = [
        "format", "format_version", "smd_version", "step", "seed", "config", "data_fingerprint",
    ]

    /// Writes the state, replacing a file of that name: built in memory, then saved with `DurableFile`.
    ///
    /// - Throws: `HDF5Error` where the folder cannot be written, the disk is full or gives back other bytes. Nothing
    ///   half-written is left, and a file that was there before stays.
    public func write(to path: String) throws {
        let image = try image()
        try image.writeCheckpoint(to: path)
        try image.close()
    }

    /// Bytes of memory that are needed beside the state, of so many parameters, while it is saved or restored: the file
    /// in memory, and 5 MiB for what libhdf5 keeps and for comparing the written file.
    public static func savingBytes(parameters: Int) -> Int {
        4 * parameters * MemoryLayout<Float>.stride + 5 << 20
    }

    /// Reads a state, after every byte of the file has been checked. Tensors come sorted by name.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where the file is missing, damaged, truncated, or no checkpoint.
    public static func read(_ path: String) throws -> Checkpoint {
        let file = try CheckpointFile(path)
        var checkpoint = file.header
        for part in CheckpointPart.allCases { checkpoint[keyPath: part.tensors] = try file.values(part) }
        return checkpoint
    }

    /// Checks every byte of a checkpoint, and that the state in it is complete.
    ///
    /// - Throws: as `read`, with the reason.
    public static func verify(_ path: String) throws {
        _ = try read(path)
    }
}

extension FileImage {
    /// Seals the file of a state and writes it under `path`, with `DurableFile`. From any thread.
    func writeCheckpoint(to path: String) throws {
        try withUnsafeMutableBytes { bytes in
            CheckpointEnvelope.seal(bytes)
            try DurableFile.write(UnsafeRawBufferPointer(bytes), to: path)
        }
    }
}
