import Configuration
import Files
import Sampling
import Storage

/// The weights of one network without what an optimiser keeps: what a checkpoint is made of that was not trained here.
/// It can be sampled and evaluated; a run cannot go on from it.
public struct TrainedWeights {
    /// What is said of them.
    public var header: CheckpointHeader
    /// Sorted by name.
    public let tensors: [NamedTensor]

    /// Bytes of the file, about.
    public static func bytes(elements: Int) -> Int { 2 * 4 * elements + 1 << 20 }

    /// Writes a checkpoint in which parameters and average are these weights, and the moments are empty.
    ///
    /// - Throws: `HDF5Error` where memory is short or the file cannot be written.
    public func write(to path: String, replacing: Bool) throws {
        let elements = tensors.reduce(0) { $0 + $1.values.count }
        let image = try CheckpointImage(header: header, elements: 2 * elements, tensors: 2 * tensors.count)
        for role in ArenaRole.always {
            try image.begin(role.group)
            guard role == .parameters || role == .ema else { continue }
            for tensor in tensors {
                try tensor.values.withUnsafeBufferPointer {
                    try image.add(tensor.name, shape: tensor.shape, values: $0)
                }
            }
        }
        let file = try image.finish()
        try file.writeCheckpoint(to: path, replacing: replacing)
        try file.close()
    }
}

extension CheckpointFile {
    /// The weights of the one network of this checkpoint, sorted by name.
    ///
    /// - Throws: ``RunError`` where there are none, or several networks; `HDF5Error` where they cannot be read.
    func weights(_ weights: SampleWeights) throws -> [NamedTensor] {
        if let other = groups.lazy.compactMap({ CheckpointGroup.parts(of: $0).network }).first {
            throw RunError(
                "\(path) holds further networks beside the first, \(other) among them: only one can be taken out")
        }
        return try values(group(of: weights))
    }
}
