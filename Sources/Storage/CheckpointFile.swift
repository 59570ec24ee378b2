import HDF5

/// A checkpoint opened for reading: after every byte of it has been checked, and then in memory, once; or as the file
/// that it is, of which only what is asked for is read.
public final class CheckpointFile {
    /// Path of the file.
    public let path: String
    /// Length of the file.
    public let bytes: Int
    /// SHA-256 of all that the prefix seals, in hex; without a check of every byte, as the prefix states it.
    public let digest: String
    /// What is said of the state.
    public let header: CheckpointHeader
    private let file: HDF5File
    private let contents: [(group: String, tensors: [Shape])]

    /// A tensor's name and the lengths of its axes.
    public typealias Shape = (name: String, shape: [Int])

    /// Opens and checks a file.
    ///
    /// - Parameter isVerified: whether to check every byte. If not, only the prefix is looked at: for a file that was
    ///   checked already, or that is to be looked into quickly.
    /// - Throws: `HDF5Error` or `StorageError` where it is missing, damaged, truncated, or no checkpoint.
    public init(_ path: String, isVerified: Bool = true) throws {
        self.path = path
        if isVerified {
            let image = try DurableFile.read(path)
            digest = try image.withUnsafeBytes { try CheckpointEnvelope.check($0, path: path) }
            bytes = image.withUnsafeBytes(\.count)
            file = try HDF5File.open(image: image, name: path)
        } else {
            let seen = try CheckpointEnvelope.open(path)
            DurableFile.close(seen.descriptor)
            (bytes, digest) = (seen.fileBytes, seen.digest)
            file = try HDF5File.open(path)
        }
        header = try Self.header(file.root, path: path)
        var left = Self.mostGroups
        contents = try Self.contents(of: file.root, path: path, left: &left).sorted {
            Self.place($0.group) < Self.place($1.group)
        }
        try requireAgreement()
        // Tensors are stored as they are: together they cannot be larger than the file, however many names lead to one.
        var room = bytes
        for (name, shape) in contents.flatMap(\.tensors) {
            room -= shape.reduce(MemoryLayout<Float>.stride, *)
            guard room >= 0 else {
                throw StorageError("\(path) claims more tensors than fit into it, beginning with \(name)")
            }
        }
    }

    static func header(_ root: HDF5Group, path: String) throws -> CheckpointHeader {
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
        guard try text("format") == CheckpointHeader.format,
            try integer("format_version") == CheckpointHeader.formatVersion
        else {
            throw StorageError("\(path) has another format than smd checkpoint \(CheckpointHeader.formatVersion)")
        }
        guard let seed = try root.unsignedAttribute("seed") else {
            throw StorageError("\(path) has no attribute 'seed'")
        }
        var header = try CheckpointHeader(
            step: integer("step"), seed: seed, config: text("config"), dataFingerprint: text("data_fingerprint"),
            version: text("smd_version"))
        guard header.step >= 0 else { throw StorageError("\(path) claims step \(header.step)") }
        for name in try root.attributeNames() where !CheckpointHeader.reservedAttributes.contains(name) {
            header.attributes[name] = try root.attribute(name)
        }
        return header
    }

    /// Most groups of a file: in one that was made to harm, groups can hold each other.
    private static let mostGroups = 64

    /// The groups below `group` that hold tensors or nothing, with the shapes of the tensors.
    private static func contents(
        of group: HDF5Group, in prefix: String = "", path: String, left: inout Int
    ) throws -> [(group: String, tensors: [Shape])] {
        var found: [(group: String, tensors: [Shape])] = []
        for name in try group.names() {
            left -= 1
            guard left >= 0 else { throw StorageError("\(path) has more than \(mostGroups) groups") }
            let member = try group.group(name)
            let names = try member.names()
            if let first = names.first, member.isGroup(first) {
                found += try contents(of: member, in: prefix + name + "/", path: path, left: &left)
            } else {
                found.append((prefix + name, try names.map { try shape($0, in: member, path: path) }))
            }
        }
        return found
    }

    private static func shape(_ name: String, in group: HDF5Group, path: String) throws -> Shape {
        let dataset = try group.dataset(name)
        guard dataset.elementType == .float32 else {
            throw StorageError("\(dataset.path) in \(path) holds \(dataset.elementType), not float32")
        }
        return (name, dataset.shape)
    }

    /// What groups are ordered by: the network, then its parameters before the rest.
    private static func place(_ group: String) -> (String, Int, String) {
        let (network, name) = CheckpointGroup.parts(of: group)
        return (network ?? "", name == CheckpointGroup.parameters ? 0 : 1, name)
    }

    /// The group that the others of a network are like: its parameters; in a snapshot of averages, which has none, the
    /// first average.
    private func base(of network: String?) -> String {
        let parameters = CheckpointGroup.name(CheckpointGroup.parameters, of: network)
        if groups.contains(parameters) { return parameters }
        return groups.first { group in
            let parts = CheckpointGroup.parts(of: group)
            return parts.network == network && parts.name.hasPrefix("averages/")
        } ?? parameters
    }

    /// Averages and moments belong to the parameters of their network one by one, or are absent.
    private func requireAgreement() throws {
        for group in [CheckpointGroup.parameters] + groups where !CheckpointGroup.ofTheRun.contains(group) {
            let base = base(of: CheckpointGroup.parts(of: group).network)
            guard groups.contains(base) else { throw StorageError("\(path) has no group /\(base)") }
            let (parameters, others) = (tensors(base), tensors(group))
            if others.isEmpty { continue }
            guard others.count == parameters.count else {
                throw StorageError(
                    "\(path): /\(group) has \(others.count) tensors, /\(base) \(parameters.count)")
            }
            for (mine, other) in zip(parameters, others) where mine != other {
                throw StorageError(
                    "\(path): /\(group)/\(other.name) \(other.shape) is not like /\(base)/\(mine.name) \(mine.shape)")
            }
        }
    }

    /// The groups that hold tensors or nothing: network by network, the parameters first.
    public var groups: [String] { contents.map(\.group) }

    /// Names and shapes of the tensors of a group, sorted by name.
    public func tensors(_ group: String) -> [Shape] { contents.first { $0.group == group }?.tensors ?? [] }

    /// Reads a tensor into memory of exactly its size.
    ///
    /// - Throws: `HDF5Error` where its data are not in the file.
    public func read(_ name: String, of group: String, into values: UnsafeMutableBufferPointer<Float>) throws {
        let dataset = try file.root.dataset(group + "/" + name)
        try dataset.read(into: values, offset: dataset.shape.map { _ in 0 }, count: dataset.shape)
    }

    /// One tensor of a group.
    ///
    /// - Throws: `HDF5Error` where its data are not in the file.
    public func tensor(_ name: String, of group: String) throws -> NamedTensor {
        let dataset = try file.root.dataset(group + "/" + name)
        return NamedTensor(name: name, shape: dataset.shape, values: try dataset.read(as: Float.self))
    }

    /// The tensors of a group, sorted by name.
    ///
    /// - Throws: `HDF5Error` where the data of one are not in the file.
    public func values(_ group: String) throws -> [NamedTensor] {
        try tensors(group).map { try tensor($0.name, of: group) }
    }
}
