import HDF5

/// A checkpoint file in the making, in memory: the one copy of the state from which it is written.
///
/// Add the tensors, group after group and by name within each; then `finish`, and write what it gives on any thread.
public final class CheckpointImage {
    /// The step of the state.
    public let step: Int
    private let file: HDF5File
    private var group: HDF5Group?

    /// Begins a file.
    ///
    /// - Parameters:
    ///   - elements: how many elements of all groups will be added.
    ///   - tensors: in how many tensors.
    /// - Throws: `HDF5Error` where memory is short.
    public init(header: CheckpointHeader, elements: Int, tensors: Int) throws {
        step = header.step
        file = try HDF5File.createInMemory(
            userBlockBytes: CheckpointEnvelope.byteCount,
            expectedBytes: Self.expectedBytes(header, elements: elements, tensors: tensors))
        try Self.describe(header, in: file.root)
    }

    /// Slightly more than the file will have: its memory then grows once, and is not moved.
    public static func expectedBytes(_ header: CheckpointHeader, elements: Int, tensors: Int) -> Int {
        elements * MemoryLayout<Float>.stride + 768 * tensors + header.config.utf8.count + 32 << 10
    }

    /// Bytes of memory that are needed beside the state, of so many elements, while it is saved or restored: the file
    /// in memory, and 5 MiB for what libhdf5 keeps and for comparing the written file.
    public static func savingBytes(elements: Int) -> Int { elements * MemoryLayout<Float>.stride + 5 << 20 }

    private static func describe(_ header: CheckpointHeader, in root: HDF5Group) throws {
        try root.setAttribute("format", .string(CheckpointHeader.format))
        try root.setAttribute("format_version", .integer(CheckpointHeader.formatVersion))
        try root.setAttribute("smd_version", .string(header.version))
        try root.setAttribute("step", .integer(header.step))
        try root.setUnsignedAttribute("seed", header.seed)
        try root.setAttribute("config", .string(header.config))
        try root.setAttribute("data_fingerprint", .string(header.dataFingerprint))
        for (name, value) in header.attributes.sorted(by: { $0.key < $1.key }) {
            precondition(
                !CheckpointHeader.reservedAttributes.contains(name), "the attribute '\(name)' is part of the format")
            try root.setAttribute(name, value)
        }
    }

    /// Begins the next group, which may stay empty.
    ///
    /// - Throws: `HDF5Error` where memory is short.
    public func begin(_ group: String) throws {
        self.group = try file.root.createGroup(group)
    }

    /// Copies a tensor into the group that was begun last.
    ///
    /// - Throws: `HDF5Error` where memory is short.
    public func add(_ name: String, shape: [Int], values: UnsafeBufferPointer<Float>) throws {
        precondition(
            !name.isEmpty && name != "." && !name.contains("/"), "'\(name)' cannot name a tensor in a file")
        guard let group else { preconditionFailure("\(name) belongs to no group") }
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
