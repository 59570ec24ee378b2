import HDF5
import Storage

/// The tensors of one group of a checkpoint.
public struct TensorGroup: Equatable, Sendable {
    public var name: String
    public var tensors: [NamedTensor]

    public init(name: String, tensors: [NamedTensor]) { (self.name, self.tensors) = (name, tensors) }
}

/// A state as a whole, which tests make, change and compare; a run adds its own to a file piece by piece.
public struct Checkpoint: Equatable, Sendable {
    public var header: CheckpointHeader
    /// In the order of the file: of each network its parameters, then what belongs to them one by one.
    public var groups: [TensorGroup]

    public init(_ header: CheckpointHeader, groups: [TensorGroup]) { (self.header, self.groups) = (header, groups) }

    /// The tensors of a group; none where there is no such group.
    public subscript(group: String) -> [NamedTensor] {
        get { groups.first { $0.name == group }?.tensors ?? [] }
        set {
            if let index = groups.firstIndex(where: { $0.name == group }) {
                groups[index].tensors = newValue
            } else {
                groups.append(TensorGroup(name: group, tensors: newValue))
            }
        }
    }

    /// The file of this state, in memory.
    private func image() throws -> FileImage {
        let all = groups.flatMap(\.tensors)
        let image = try CheckpointImage(
            header: header, elements: all.reduce(0) { $0 + $1.values.count }, tensors: all.count)
        for group in groups {
            try image.begin(group.name)
            for tensor in group.tensors.sorted(by: { $0.name < $1.name }) {
                try tensor.values.withUnsafeBufferPointer {
                    try image.add(tensor.name, shape: tensor.shape, values: $0)
                }
            }
        }
        return try image.finish()
    }

    /// Writes it, replacing a file of that name.
    public func write(to path: String) throws {
        let image = try image()
        try image.writeCheckpoint(to: path)
        try image.close()
    }

    /// Saves it in the folder of a run.
    public func save(in folder: CheckpointFolder, keep: Retention) throws -> (path: String, problem: String?) {
        let image = try image()
        let saved = try folder.save(image, step: header.step, keep: keep)
        try image.close()
        return saved
    }

    /// Reads a state, after every byte of the file has been checked. Tensors come sorted by name.
    public static func read(_ path: String) throws -> Checkpoint {
        let file = try CheckpointFile(path)
        return Checkpoint(
            file.header, groups: try file.groups.map { TensorGroup(name: $0, tensors: try file.values($0)) })
    }

    /// Reads all of a file.
    public static func verify(_ path: String) throws { _ = try read(path) }
}

extension CheckpointFolder {
    /// Saves a state here.
    public func save(_ checkpoint: Checkpoint, keep: Retention) throws -> (path: String, problem: String?) {
        try checkpoint.save(in: self, keep: keep)
    }
}
