import Communication
import Configuration
import Diffusion
import Sampling
import Storage

/// What t is drawn by, on one rank, for all its threads. Unchecked: it changes between steps only, on the main thread.
package final class TimestepHistory: @unchecked Sendable {
    package fileprivate(set) var losses: LossHistory

    /// Nil where t is uniform.
    package init?(_ configuration: RunConfiguration) {
        guard configuration.method == .diffusion, configuration.diffusion.timestepSampling == .lossSecondMoment else {
            return nil
        }
        losses = LossHistory(timesteps: configuration.diffusion.timesteps)
    }

    /// Adds the samples of a step: of each t and loss, in the order of the stream.
    package func add(_ samples: ArraySlice<Double>) {
        let first = samples.startIndex
        losses.add(
            stride(from: first, to: samples.endIndex, by: 2).map { (Int(samples[$0]), Float(samples[$0 + 1])) })
    }
}

/// In a checkpoint the history is a group of its own: `losses [T, 10]`, oldest first, and how many there are, `counts [T]`.
extension TimestepHistory {
    private static let (lossesName, countsName) = ("losses", "counts")

    /// Adds it to a checkpoint in the making, as the next group.
    func add(to image: CheckpointImage) throws {
        try image.begin(CheckpointGroup.timestepLosses)
        let counts = losses.losses.map { Float($0.count) }
        let rows = losses.losses.flatMap { $0 + [Float](repeating: 0, count: LossHistory.length - $0.count) }
        try counts.withUnsafeBufferPointer {
            try image.add(Self.countsName, shape: [losses.timesteps], values: $0)
        }
        try rows.withUnsafeBufferPointer {
            try image.add(Self.lossesName, shape: [losses.timesteps, LossHistory.length], values: $0)
        }
    }

    /// Takes over that of `file`, which rank 0 alone has; empty where there is none. Collective.
    func restore(_ file: CheckpointFile?, on communicator: any Communicator) throws {
        let (timesteps, length) = (losses.timesteps, LossHistory.length)
        let stored = try communicator.together("restoring the losses of each timestep") {
            try file.flatMap { try Self.read($0, timesteps) } ?? [Float](repeating: 0, count: timesteps * (length + 1))
        }
        let values = try communicator.sum(stored.map(Double.init))
        losses = LossHistory(
            losses: (0..<timesteps).map { t in
                let first = timesteps + t * length
                return values[first..<first + Int(values[t])].map { Float($0) }
            })
    }

    /// Counts, then losses; nil where there are none.
    private static func read(_ file: CheckpointFile, _ timesteps: Int) throws -> [Float]? {
        let group = CheckpointGroup.timestepLosses
        let shapes = file.tensors(group)
        if shapes.isEmpty { return nil }
        guard shapes.count == 2, shapes[0] == (countsName, [timesteps]),
            shapes[1] == (lossesName, [timesteps, LossHistory.length])
        else { throw RunError("\(file.path): /\(group) does not hold the losses of \(timesteps) timesteps") }
        let counts = try file.tensor(countsName, of: group).values
        let losses = try file.tensor(lossesName, of: group).values
        guard counts.allSatisfy({ (0...LossHistory.length).map(Float.init).contains($0) }),
            losses.allSatisfy(\.isFinite)
        else { throw RunError("\(file.path): /\(group) holds numbers that are no losses") }
        return counts + losses
    }
}
