import HDF5
import Storage

/// A state that a test has made as a whole; a run adds its own to a file piece by piece.
extension Checkpoint {
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

    /// Reads all of a file.
    public static func verify(_ path: String) throws { _ = try read(path) }
}

extension CheckpointFolder {
    /// Saves a state here.
    public func save(_ checkpoint: Checkpoint, keep: Retention) throws -> (path: String, problem: String?) {
        try checkpoint.save(in: self, keep: keep)
    }
}
