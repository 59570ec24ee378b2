import CPUBackend
import Communication

/// How the parameters' moments and average are divided among ranks: one contiguous part of the arena a rank.
///
/// Gradients are all-reduced in buckets as ever, though a rank needs the sums of its own part only: in Open MPI 4.1
/// `MPI_Ireduce_scatter` is a reduction to rank 0 and a scatter from there, which costs more than the all-reduce.
package struct OptimizerShards {
    /// The part of each rank, ascending; without a gap they cover the arena.
    package let parts: [Range<Int>]
    private let communicator: any Communicator

    /// Divides `count` elements, a multiple of 16, at multiples of 16; nil when nothing is to be divided.
    package init?(count: Int, sharded: Bool, among communicator: any Communicator) {
        guard sharded, communicator.size > 1 else { return nil }
        self.communicator = communicator
        parts = Self.parts(count: count, ranks: communicator.size)
    }

    /// The parts of `count` elements.
    package static func parts(count: Int, ranks: Int) -> [Range<Int>] {
        (0..<ranks).map { rank in
            let lines = share(of: count / 16, rank: rank, size: ranks)
            return lines.lowerBound * 16..<(rank == ranks - 1 ? count : lines.upperBound * 16)
        }
    }

    /// The part of this rank.
    package var own: Range<Int> { parts[communicator.rank] }

    /// Brings the parameters that every rank updated to all ranks. Collective.
    package func gather(parameters: CPUMemory) throws {
        try communicator.allGather(parameters.elements, parts: parts)
    }

    /// Brings a sharded arena together in `whole`, on every rank. Collective.
    package func gather(_ shard: CPUMemory, into whole: CPUMemory) throws {
        _ = whole.elements[own].update(fromContentsOf: shard.elements)
        try communicator.allGather(whole.elements, parts: parts)
    }

    /// Brings a sharded arena together in `whole`, which rank 0 alone has. Collective.
    package func collect(_ shard: CPUMemory, into whole: CPUMemory?) throws {
        try communicator.collect(shard.elements, parts: parts, to: 0, into: whole?.elements)
    }

    /// Hands out `whole`, which rank 0 alone has. Collective.
    package func distribute(_ whole: CPUMemory?, into shard: CPUMemory) throws {
        try communicator.distribute(whole?.elements, parts: parts, from: 0, into: shard.elements)
    }
}
