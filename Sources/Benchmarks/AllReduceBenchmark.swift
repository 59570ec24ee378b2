import CPUBackend
import Communication
import Files
import Foundation
import Sampling
import Training

/// Sums over ranks of buffers of one size.
public struct AllReduceRow: Encodable, Sendable {
    /// Size of the buffer on each rank.
    public let bytes: Int
    /// Median time of a blocking sum; of each repetition that of the slowest rank.
    public let seconds: Double
    /// The same in pieces as the trainer's, begun, moved forward and waited for, with nothing to compute meanwhile.
    public let secondsInPieces: Double
    /// Pieces of that sum.
    public let pieces: Int
    /// Elements that were compared with the sum they must hold, on this rank; all were equal.
    public let checkedElements: Int
    /// Bytes by time ("algorithm bandwidth") of a blocking sum, and of the sum in pieces.
    public let gigabytesPerSecond, gigabytesPerSecondInPieces: Double

    init(bytes: Int, seconds: Double, secondsInPieces: Double, pieces: Int, checkedElements: Int) {
        (self.bytes, self.seconds, self.secondsInPieces) = (bytes, seconds, secondsInPieces)
        (self.pieces, self.checkedElements) = (pieces, checkedElements)
        gigabytesPerSecond = Double(bytes) / seconds / 1e9
        gigabytesPerSecondInPieces = Double(bytes) / secondsInPieces / 1e9
    }
}

/// The sum over ranks that ends a training step, alone.
public final class AllReduceBenchmark {
    private let communicator: any Communicator
    private let memory: CPUMemory
    private let clock = ContinuousClock()

    /// Room for buffers of up to `largestBytes`. Every rank makes one.
    public init(_ communicator: any Communicator, largestBytes: Int) throws {
        self.communicator = communicator
        memory = try CPUMemory(count: largestBytes / MemoryLayout<Float>.stride)
    }

    /// Measures buffers of `bytes` (a multiple of 4). Collective.
    ///
    /// - Throws: `CommunicationError`, or ``RunError`` on the rank that got a wrong sum.
    public func measure(bytes: Int, repetitions: Int, warmup: Int) throws -> AllReduceRow {
        let count = bytes / MemoryLayout<Float>.stride
        precondition(1...memory.count ~= count && repetitions > 0, "\(bytes) bytes of \(memory.count * 4)")
        let buffer = UnsafeMutableBufferPointer(rebasing: memory.elements[..<count])
        let pieces = stride(from: 0, to: count, by: GradientReduction.bucketCount).map { start in
            UnsafeMutableBufferPointer(rebasing: buffer[start..<min(start + GradientReduction.bucketCount, count)])
        }
        func blocking() throws { try communicator.sum(buffer) }
        func inPieces() throws {
            var pending: [any PendingCollective] = []
            pending.reserveCapacity(pieces.count)
            for piece in pieces {
                pending.append(try communicator.beginSum(piece))
                try communicator.progress()
            }
            for sum in pending { try sum.wait() }
        }
        var checked = 0
        var times: [[Double]] = [[], []]
        for repetition in 0..<warmup + repetitions {
            for (which, sum) in [blocking, inPieces].enumerated() {
                fill(buffer)
                try communicator.barrier()
                let mine = try seconds(of: sum)
                try check(buffer)
                checked += count
                if repetition >= warmup { times[which].append(try communicator.maximum([mine])[0]) }
            }
        }
        return AllReduceRow(
            bytes: bytes, seconds: median(times[0]), secondsInPieces: median(times[1]), pieces: pieces.count,
            checkedElements: checked)
    }

    /// Small integers that depend on rank and place, so that sums are exact in any order.
    private func value(_ index: Int, rank: Int) -> Float { Float((index % 13 + 1) * (rank % 7 + 1)) }

    private func fill(_ buffer: UnsafeMutableBufferPointer<Float>) {
        for i in buffer.indices { buffer[i] = value(i, rank: communicator.rank) }
    }

    private func check(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
        let expected = (0..<13).map { place in
            (0..<communicator.size).reduce(Float(0)) { $0 + value(place, rank: $1) }
        }
        guard let wrong = buffer.indices.first(where: { buffer[$0] != expected[$0 % 13] }) else { return }
        throw RunError(
            "the sum over \(communicator.size) ranks is wrong: element \(wrong) of \(buffer.count) is "
                + "\(buffer[wrong]), not \(expected[wrong % 13]); check the MPI installation (mpirun --version)",
            status: .failure)
    }
}
