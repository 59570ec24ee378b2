import HDF5

/// The state as an HDF5 file in memory, and back.
extension Checkpoint {
    /// Attributes of the root that are part of the format.
    public static let reservedAttributes: Set<String> = [
        "format", "format_version", "smd_version", "step", "seed", "config", "data_fingerprint",
    ]
    private static let format = "smd checkpoint"
    private static let formatVersion = 1

    private static let places: [(group: String, tensors: WritableKeyPath<Checkpoint, [NamedTensor]> & Sendable)] = [
        ("parameters", \.parameters), ("ema", \.ema), ("optimizer/first_moment", \.firstMoment),
        ("optimizer/second_moment", \.secondMoment),
    ]

    /// The HDF5 file, with room for the prefix in front.
    func image() throws -> [UInt8] {
        let file = try HDF5File.createInMemory(userBlockBytes: CheckpointEnvelope.byteCount)
        let root = file.root
        try root.setAttribute("format", .string(Self.format))
        try root.setAttribute("format_version", .integer(Self.formatVersion))
        try root.setAttribute("smd_version", .string(version))
        try root.setAttribute("step", .integer(step))
        try root.setUnsignedAttribute("seed", seed)
        try root.setAttribute("config", .string(config))
        try root.setAttribute("data_fingerprint", .string(dataFingerprint))
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
            precondition(!Self.reservedAttributes.contains(name), "the attribute '\(name)' is part of the format")
            try root.setAttribute(name, value)
        }
        for (path, tensors) in Self.places {
            let group = try root.createGroup(path)
            for tensor in self[keyPath: tensors].sorted(by: { $0.name < $1.name }) {
                precondition(
                    !tensor.name.isEmpty && tensor.name != "." && !tensor.name.contains("/"),
                    "'\(tensor.name)' cannot name a tensor in a file")
                try group.write(tensor.values, shape: tensor.shape, to: tensor.name)
            }
        }
        return try file.image()
    }

    /// Reads the state from a file whose bytes have been checked.
    init(file: HDF5File, path: String) throws {
        let root = file.root
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
        guard try text("format") == Self.format, try integer("format_version") == Self.formatVersion else {
            throw StorageError("\(path) has another format than smd checkpoint \(Self.formatVersion)")
        }
        guard let seed = try root.unsignedAttribute("seed") else {
            throw StorageError("\(path) has no attribute 'seed'")
        }
        try self.init(
            step: integer("step"), seed: seed, config: text("config"), dataFingerprint: text("data_fingerprint"),
            version: text("smd_version"), parameters: [])
        guard step >= 0 else { throw StorageError("\(path) claims step \(step)") }
        for name in try root.attributeNames() where !Self.reservedAttributes.contains(name) {
            attributes[name] = try root.attribute(name)
        }
        // Tensors are stored as they are: together they cannot be larger than the file, however many names lead to one.
        var room = file.byteCount ?? 0
        for (group, tensors) in Self.places {
            self[keyPath: tensors] = try Self.tensors(in: root.group(group), path: path, room: &room)
        }
        try requireAgreement(path: path)
        try file.close()
    }

    private static func tensors(in group: HDF5Group, path: String, room: inout Int) throws -> [NamedTensor] {
        try group.names().map { name in
            let dataset = try group.dataset(name)
            guard dataset.elementType == .float32 else {
                throw StorageError("\(dataset.path) in \(path) holds \(dataset.elementType), not float32")
            }
            room -= dataset.count * MemoryLayout<Float>.stride
            guard room >= 0 else {
                throw StorageError("\(path) claims more tensors than fit into it, beginning with \(dataset.path)")
            }
            return NamedTensor(name: name, shape: dataset.shape, values: try dataset.read(as: Float.self))
        }
    }

    /// Averages and moments belong to the parameters one by one, or are absent.
    private func requireAgreement(path: String) throws {
        for (group, tensors) in Self.places.dropFirst() {
            let others = self[keyPath: tensors]
            if others.isEmpty { continue }
            guard others.count == parameters.count else {
                throw StorageError("\(path): /\(group) has \(others.count) tensors, /parameters \(parameters.count)")
            }
            for (mine, other) in zip(parameters, others) where mine.name != other.name || mine.shape != other.shape {
                throw StorageError(
                    "\(path): /\(group)/\(other.name) \(other.shape) is not like /parameters/\(mine.name) \(mine.shape)"
                )
            }
        }
    }
}
