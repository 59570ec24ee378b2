import HDF5

/// Lists of tensors in a checkpoint, in their order in the file.
public enum CheckpointPart: CaseIterable, Sendable {
    /// The weights.
    case parameters
    /// The exponential moving average of the weights.
    case ema
    /// Adam's running mean of the gradients.
    case firstMoment
    /// Adam's running mean of the squared gradients.
    case secondMoment

    /// Its group in the file.
    var group: String {
        switch self {
        case .parameters: "parameters"
        case .ema: "ema"
        case .firstMoment: "optimizer/first_moment"
        case .secondMoment: "optimizer/second_moment"
        }
    }

    /// Its tensors in a state.
    var tensors: WritableKeyPath<Checkpoint, [NamedTensor]> {
        switch self {
        case .parameters: \.parameters
        case .ema: \.ema
        case .firstMoment: \.firstMoment
        case .secondMoment: \.secondMoment
        }
    }
}

/// A checkpoint file in the making, in memory: the one copy of the state from which it is written.
///
/// Add the tensors, part after part in the order of `CheckpointPart` and by name within each; then `write`, on any
/// thread; then `close`, which gives the memory back.
public final class CheckpointImage {
    /// The step of the state.
    public let step: Int
    private let file: HDF5File
    private var group: (part: CheckpointPart, group: HDF5Group)?

    /// Begins a file.
    ///
    /// - Parameters:
    ///   - header: the state; its tensors do not matter.
    ///   - elements: how many elements of all parts will be added.
    ///   - tensors: in how many tensors.
    /// - Throws: `HDF5Error` where memory is short.
    public init(header: Checkpoint, elements: Int, tensors: Int) throws {
        step = header.step
        file = try HDF5File.createInMemory(
            userBlockBytes: CheckpointEnvelope.byteCount,
            expectedBytes: Self.expectedBytes(header, elements: elements, tensors: tensors))
        try Self.describe(header, in: file.root)
    }

    /// Slightly more than the file will have: its memory then grows once, and is not moved.
    public static func expectedBytes(_ header: Checkpoint, elements: Int, tensors: Int) -> Int {
        elements * MemoryLayout<Float>.stride + 768 * tensors + header.config.utf8.count + 32 << 10
    }

    private static func describe(_ header: Checkpoint, in root: HDF5Group) throws {
        try root.setAttribute("format", .string(Checkpoint.format))
        try root.setAttribute("format_version", .integer(Checkpoint.formatVersion))
        try root.setAttribute("smd_version", .string(header.version))
        try root.setAttribute("step", .integer(header.step))
        try root.setUnsignedAttribute("seed", header.seed)
        try root.setAttribute("config", .string(header.config))
        try root.setAttribute("data_fingerprint", .string(header.dataFingerprint))
        for (name, value) in header.attributes.sorted(by: { $0.key < $1.key }) {
            precondition(!Checkpoint.reservedAttributes.contains(name), "the attribute '\(name)' is part of the format")
            try root.setAttribute(name, value)
        }
    }

    /// Begins the next part; every part is begun, though it may stay empty.
    ///
    /// - Throws: `HDF5Error` where memory is short.
    public func begin(_ part: CheckpointPart) throws {
        group = (part, try file.root.createGroup(part.group))
    }

    /// Copies a tensor into the part that was begun last.
    ///
    /// - Throws: `HDF5Error` where memory is short.
    public func add(_ name: String, shape: [Int], values: UnsafeBufferPointer<Float>) throws {
        precondition(
            !name.isEmpty && name != "." && !name.contains("/"), "'\(name)' cannot name a tensor in a file")
        guard let (_, group) = group else { preconditionFailure("\(name) belongs to no part") }
        let dataset = try group.createDataset(name, type: .float32, shape: shape)
        try dataset.write(values, offset: shape.map { _ in 0 }, count: shape)
    }

    /// The whole file, to be written.
    ///
    /// - Throws: `HDF5Error` where memory is short.
    public func finish() throws -> FileImage {
        group = nil
        return try file.finishedImage()
    }
}

extension Checkpoint {
    /// The file of this state, in memory.
    func image() throws -> FileImage {
        let all = CheckpointPart.allCases.flatMap { self[keyPath: $0.tensors] }
        let image = try CheckpointImage(
            header: self, elements: all.reduce(0) { $0 + $1.values.count }, tensors: all.count)
        for part in CheckpointPart.allCases {
            try image.begin(part)
            for tensor in self[keyPath: part.tensors].sorted(by: { $0.name < $1.name }) {
                try tensor.values.withUnsafeBufferPointer {
                    try image.add(tensor.name, shape: tensor.shape, values: $0)
                }
            }
        }
        return try image.finish()
    }
}
