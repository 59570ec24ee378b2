import HDF5

/// A checkpoint opened for reading, after every byte of it has been checked. The file is in memory, once; tensors are
/// read from there.
public final class CheckpointFile {
    /// Path of the file.
    public let path: String
    /// The state without its tensors.
    public let header: Checkpoint
    private let file: HDF5File
    private let shapes: [CheckpointPart: [(name: String, shape: [Int])]]

    /// Opens and checks a file.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where it is missing, damaged, truncated, or no checkpoint.
    public init(_ path: String) throws {
        self.path = path
        let bytes = try DurableFile.read(path)
        try bytes.withUnsafeBytes { try CheckpointEnvelope.check($0, path: path) }
        file = try HDF5File.open(image: bytes, name: path)
        header = try Self.header(file.root, path: path)
        var shapes: [CheckpointPart: [(name: String, shape: [Int])]] = [:]
        for part in CheckpointPart.allCases { shapes[part] = try Self.shapes(file.root.group(part.group), path: path) }
        self.shapes = shapes
        try requireAgreement()
        // Tensors are stored as they are: together they cannot be larger than the file, however many names lead to one.
        var room = bytes.count
        for (name, shape) in CheckpointPart.allCases.flatMap({ shapes[$0] ?? [] }) {
            room -= shape.reduce(MemoryLayout<Float>.stride, *)
            guard room >= 0 else {
                throw StorageError("\(path) claims more tensors than fit into it, beginning with \(name)")
            }
        }
    }

    private static func header(_ root: HDF5Group, path: String) throws -> Checkpoint {
        func required(_ name: String) throws -> AttributeValue {
            guard let value = try root.attribute(name) else { throw StorageError("\(path) has no attribute '\(name)'") }
            return value
        }
        func text(_ name: String) throws -> String {
            guard case .string(let value) = try required(name) else {
                throw StorageError("the attribute '\(name)' of \(path) is no text")
            }
            return value
        }
        func integer(_ name: String) throws -> Int {
            guard case .integer(let value) = try required(name) else {
                throw StorageError("the attribute '\(name)' of \(path) is no integer")
            }
            return value
        }
        guard try text("format") == Checkpoint.format, try integer("format_version") == Checkpoint.formatVersion else {
            throw StorageError("\(path) has another format than smd checkpoint \(Checkpoint.formatVersion)")
        }
        guard let seed = try root.unsignedAttribute("seed") else {
            throw StorageError("\(path) has no attribute 'seed'")
        }
        var header = try Checkpoint(
            step: integer("step"), seed: seed, config: text("config"), dataFingerprint: text("data_fingerprint"),
            version: text("smd_version"), parameters: [])
        guard header.step >= 0 else { throw StorageError("\(path) claims step \(header.step)") }
        for name in try root.attributeNames() where !Checkpoint.reservedAttributes.contains(name) {
            header.attributes[name] = try root.attribute(name)
        }
        return header
    }

    private static func shapes(_ group: HDF5Group, path: String) throws -> [(name: String, shape: [Int])] {
        try group.names().map { name in
            let dataset = try group.dataset(name)
            guard dataset.elementType == .float32 else {
                throw StorageError("\(dataset.path) in \(path) holds \(dataset.elementType), not float32")
            }
            return (name, dataset.shape)
        }
    }

    /// Averages and moments belong to the parameters one by one, or are absent.
    private func requireAgreement() throws {
        let parameters = tensors(.parameters)
        for part in CheckpointPart.allCases.dropFirst() {
            let others = tensors(part)
            if others.isEmpty { continue }
            guard others.count == parameters.count else {
                throw StorageError(
                    "\(path): /\(part.group) has \(others.count) tensors, /parameters \(parameters.count)")
            }
            for (mine, other) in zip(parameters, others) where mine != other {
                throw StorageError(
                    "\(path): /\(part.group)/\(other.name) \(other.shape) is not like /parameters/\(mine.name) "
                        + "\(mine.shape)")
            }
        }
    }

    /// Names and shapes of the tensors of a part, sorted by name.
    public func tensors(_ part: CheckpointPart) -> [(name: String, shape: [Int])] { shapes[part] ?? [] }

    /// Reads a tensor into memory of exactly its size.
    ///
    /// - Throws: `HDF5Error` where its data are not in the file.
    public func read(_ name: String, of part: CheckpointPart, into values: UnsafeMutableBufferPointer<Float>) throws {
        let dataset = try file.root.dataset(part.group + "/" + name)
        try dataset.read(into: values, offset: dataset.shape.map { _ in 0 }, count: dataset.shape)
    }

    /// The tensors of a part, sorted by name.
    ///
    /// - Throws: `HDF5Error` where the data of one are not in the file.
    public func values(_ part: CheckpointPart) throws -> [NamedTensor] {
        try tensors(part).map { name, shape in
            let dataset = try file.root.dataset(part.group + "/" + name)
            return NamedTensor(name: name, shape: shape, values: try dataset.read(as: Float.self))
        }
    }
}
