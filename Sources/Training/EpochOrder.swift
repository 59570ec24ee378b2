import Philox

/// Which image stands at which place of the endless stream that training reads: every epoch is a new permutation of
/// the data set, keyed by seed and epoch, so that any number of ranks sees the same stream and resuming needs only the
/// step.
public struct EpochOrder {
    /// For sets that are read from disks: chunks, of consecutive samples, come in random order, and the samples of a
    /// pool of them in random order among each other. So each chunk is wanted during one pool of an epoch only.
    public struct Pools: Equatable, Sendable {
        /// Samples of a chunk.
        public var chunkSamples: Int
        /// Chunks of a pool.
        public var chunks: Int

        public init(chunkSamples: Int, chunks: Int) { (self.chunkSamples, self.chunks) = (chunkSamples, chunks) }
    }

    private let stream: RandomStream
    private let count: Int
    private let pools: Pools?
    /// Of the last two epochs: a batch may straddle two.
    private var epochs: [Epoch] = []
    /// Of the last pools.
    private var mixed: [(epoch: Int, pool: Int, samples: [Int32])] = []

    private struct Epoch {
        let number: Int
        /// Of the samples, or with pools of the chunks.
        let order: [Int32]
        /// With pools: where each begins.
        var starts: [Int] = []
    }

    /// The order of `count` samples.
    ///
    /// - Parameter pools: nil for an order of which every one is equally likely.
    public init(seed: UInt64, count: Int, pools: Pools? = nil) {
        precondition(count > 0, "a data set without samples has no order")
        precondition(pools.map { $0.chunkSamples > 0 && $0.chunks > 0 } ?? true, "pools of nothing")
        stream = RandomStream(seed: seed, purpose: .order)
        self.count = count
        self.pools = pools
    }

    /// The sample at `position` of the stream: its index in the data set, its epoch, and its place in that epoch.
    public mutating func sample(at position: Int) -> (index: Int, epoch: Int, place: Int) {
        let (number, place) = position.quotientAndRemainder(dividingBy: count)
        let known = epochs.lastIndex { $0.number == number } ?? begin(number)
        guard let pools else { return (Int(epochs[known].order[place]), number, place) }
        let starts = epochs[known].starts
        // The last pool that begins at or before the place.
        var (pool, end) = (0, starts.count)
        while end - pool > 1 {
            let middle = (pool + end) / 2
            if starts[middle] <= place { pool = middle } else { end = middle }
        }
        let mix = mixed.lastIndex { $0.epoch == number && $0.pool == pool } ?? mixPool(pool, of: epochs[known], pools)
        return (Int(mixed[mix].samples[place - starts[pool]]), number, place)
    }

    /// Makes the order of an epoch; its place among those that are kept.
    private mutating func begin(_ number: Int) -> Int {
        if epochs.count == 2 { epochs.removeFirst() }
        guard let pools else {
            epochs.append(Epoch(number: number, order: stream.permutation(count: count, epoch: number)))
            return epochs.count - 1
        }
        let chunks = (count + pools.chunkSamples - 1) / pools.chunkSamples
        var epoch = Epoch(number: number, order: stream.permutation(count: chunks, epoch: number))
        var start = 0
        for first in stride(from: 0, to: chunks, by: pools.chunks) {
            epoch.starts.append(start)
            let pool = epoch.order[first..<min(chunks, first + pools.chunks)]
            start += pool.reduce(0) { $0 + samples(of: $1, pools).count }
        }
        epochs.append(epoch)
        return epochs.count - 1
    }

    /// Mixes the samples of a pool; its place among those that are kept.
    private mutating func mixPool(_ pool: Int, of epoch: Epoch, _ pools: Pools) -> Int {
        let chunks = epoch.order[pool * pools.chunks..<min(epoch.order.count, (pool + 1) * pools.chunks)]
        let samples = chunks.flatMap { self.samples(of: $0, pools) }
        let order = stream.permutation(count: samples.count, epoch: epoch.number, position: pool)
        if mixed.count == 4 { mixed.removeFirst() }
        mixed.append((epoch.number, pool, order.map { samples[Int($0)] }))
        return mixed.count - 1
    }

    private func samples(of chunk: Int32, _ pools: Pools) -> Range<Int32> {
        let first = Int(chunk) * pools.chunkSamples
        return Int32(first)..<Int32(min(count, first + pools.chunkSamples))
    }
}
