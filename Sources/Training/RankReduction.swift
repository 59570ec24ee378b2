import CPUBackend
import Communication

/// Sums buckets of one arena over ranks while the backward passes still run.
///
/// Fast, and exact on two ranks, it is an all-reduce: a + b is b + a. `MPI_Allreduce` of more ranks may add in any order,
/// so exact sums take the two halves of it apart: each rank gets its part of the bucket from all (`MPI_Ialltoallv`), adds
/// them up as a binary tree over the ranks, and the parts are gathered (`MPI_Iallgatherv`). As many bytes travel.
package final class RankReduction {
    private let communicator: any Communicator
    private let arena: CPUMemory
    private let buckets: [Bucket]
    /// What the exchanges receive; nil where buckets are all-reduced.
    private let received: CPUMemory?
    /// All-reduces or exchanges by bucket, as far as begun.
    private var pending: [any PendingCollective] = []
    /// Gathers by bucket, as far as begun.
    private var gathers: [any PendingCollective] = []

    private struct Bucket {
        var range: Range<Int>
        /// The parts of the ranks in it.
        var parts: [Range<Int>]
        /// Where its exchange puts this rank's part of every rank.
        var received: Range<Int>
    }

    /// - Parameters:
    ///   - exact: whether sums must not depend on the number of ranks, which then is a power of two.
    ///   - arena: what the buckets are ranges of.
    /// - Throws: when memory cannot be had.
    package init(_ ranges: [Range<Int>], of arena: CPUMemory, exact: Bool, communicator: any Communicator) throws {
        self.communicator = communicator
        self.arena = arena
        let size = communicator.size
        precondition(!exact || size.nonzeroBitCount == 1, "an exact sum over \(size) ranks")
        var count = 0
        buckets = ranges.map { range in
            let parts = OptimizerShards.parts(count: range.count, ranks: size)
            let own = count..<count + size * parts[communicator.rank].count
            count = own.upperBound
            return Bucket(range: range, parts: parts, received: own)
        }
        received = Self.needsExchange(exact: exact, ranks: size) ? try CPUMemory(count: count) : nil
        pending.reserveCapacity(buckets.count)
        gathers.reserveCapacity(buckets.count)
    }

    /// Whether buckets are exchanged, which takes about as much memory as the arena, rather than all-reduced.
    package static func needsExchange(exact: Bool, ranks: Int) -> Bool { exact && ranks > 2 }

    /// Begins with the next bucket.
    package func beginNext() throws {
        let bucket = buckets[pending.count]
        let values = UnsafeMutableBufferPointer(rebasing: arena.elements[bucket.range])
        if let received {
            let place = UnsafeMutableBufferPointer(rebasing: received.elements[bucket.received])
            pending.append(try communicator.beginExchange(values, parts: bucket.parts, into: place))
        } else {
            pending.append(try communicator.beginSum(values))
        }
    }

    /// Moves what is under way forward; never blocks.
    package func progress() throws {
        if pending.isEmpty { return }
        guard let received, gathers.count < pending.count else { return try communicator.progress() }
        while gathers.count < pending.count, try pending[gathers.count].test() { try beginGather(received) }
    }

    /// Waits for the buckets begun.
    package func finish() throws {
        if let received {
            while gathers.count < pending.count {
                try pending[gathers.count].wait()
                try beginGather(received)
            }
            for gather in gathers { try gather.wait() }
        } else {
            for sum in pending { try sum.wait() }
        }
        pending.removeAll(keepingCapacity: true)
        gathers.removeAll(keepingCapacity: true)
    }

    /// Adds up this rank's part of the next bucket, whose exchange is complete, and begins to gather the parts.
    private func beginGather(_ received: CPUMemory) throws {
        let bucket = buckets[gathers.count]
        let part = bucket.parts[communicator.rank]
        func place(_ rank: Int) -> Range<Int> {
            let start = bucket.received.lowerBound + rank * part.count
            return start..<start + part.count
        }
        forEachPair(of: communicator.size) { received.add(place($1), of: received, to: place($0).lowerBound) }
        arena.copy(place(0), of: received, to: bucket.range.lowerBound + part.lowerBound)
        let values = UnsafeMutableBufferPointer(rebasing: arena.elements[bucket.range])
        gathers.append(try communicator.beginAllGather(values, parts: bucket.parts))
    }
}

/// The additions of a balanced binary tree over `count` values, `add(to, from)` each, that leave the sum in value 0:
/// neighbours first, then pairs of neighbours, and so on.
package func forEachPair(of count: Int, _ add: (Int, Int) -> Void) {
    var distance = 1
    while distance < count {
        for to in stride(from: 0, to: count - distance, by: 2 * distance) { add(to, to + distance) }
        distance *= 2
    }
}
