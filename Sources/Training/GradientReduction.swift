import CPUBackend
import Communication
import Synchronization
import TensorGraph

/// Sums gradients over the leaves and threads of this rank and over ranks, bucket by bucket, while the backward passes
/// still run.
///
/// The arena is laid out in the order in which gradients get ready, so a bucket is a range of it and needs no packing.
/// A bucket is complete in the rank when every thread has passed the last node that adds to it. It is then cut into
/// slices, which are added up by whichever thread comes by, always as the same tree: the sum does not depend on who takes
/// it. Thread 0 alone calls MPI.
package final class GradientReduction {
    /// Elements of a bucket: large enough that latency does not matter, small enough to start early (1 MiB).
    package static let bucketCount = 1 << 18
    /// Elements of a slice: a thread adds one between two operations (256 KiB).
    package static let sliceCount = 1 << 16

    private let communicator: any Communicator
    /// The sums by thread; that of all is taken in the first.
    private let sums: [PartialSums]
    private let buckets: [(range: Range<Int>, readyAfter: Int)]
    private let slices: [(range: Range<Int>, bucket: Int)]
    /// The last node of the last micro-batch that each thread has passed; −1 before the first.
    private let passed: [Counter]
    /// Slices of each bucket that are not added up yet.
    private let slicesLeft: [Counter]
    private let nextSlice = Counter()
    private let ranks: RankReduction
    private var nextBucket = 0

    /// - Parameters:
    ///   - sums: those of the threads; afterwards the gradients of the first are the sum.
    ///   - exact: whether the sum must not depend on the number of ranks, as it does not on that of threads.
    /// - Throws: when memory cannot be had.
    package init(_ plan: ExecutionPlan, _ sums: [PartialSums], exact: Bool, communicator: any Communicator) throws {
        precondition(!sums.isEmpty, "no gradients to sum")
        self.communicator = communicator
        self.sums = sums
        buckets = plan.gradientBuckets(minimumCount: Self.bucketCount)
        let needsSlices = sums.count > 1 || sums[0].extraArenas > 0
        slices =
            !needsSlices
            ? []
            : buckets.enumerated().flatMap { bucket, place in
                stride(from: place.range.lowerBound, to: place.range.upperBound, by: Self.sliceCount).map { start in
                    (start..<min(start + Self.sliceCount, place.range.upperBound), bucket)
                }
            }
        passed = sums.map { _ in Counter() }
        slicesLeft = buckets.map { _ in Counter() }
        ranks = try RankReduction(
            buckets.map(\.range), of: sums[0].gradients, exact: exact, communicator: communicator)
    }

    /// To be called before the threads begin with a step.
    package func begin() {
        for counter in passed { counter.value.store(-1, ordering: .relaxed) }
        for counter in slicesLeft { counter.value.store(0, ordering: .relaxed) }
        for slice in slices { slicesLeft[slice.bucket].value.add(1, ordering: .relaxed) }
        nextSlice.value.store(0, ordering: .relaxed)
        nextBucket = 0
    }

    /// To be called on each thread after each node of its last micro-batch: adds up a slice if one is complete; on
    /// thread 0 starts the sums over ranks of buckets that are complete and moves those under way forward.
    package func after(node: Int, thread: Int) throws {
        passed[thread].value.store(node, ordering: .releasing)
        addSlice()
        if thread == 0 { try sumOverRanks() }
    }

    /// What thread 0 can do while it waits for the others.
    package func whileWaiting() throws {
        addSlice()
        try sumOverRanks()
    }

    /// To be called on each thread when all have run their backward passes: adds up what is left in the rank.
    package func finishThread() {
        while addSlice() {}
    }

    /// Waits for every sum over ranks; afterwards the first arena holds the sum over threads and ranks.
    package func finish() throws {
        guard communicator.size > 1 else { return }
        try sumOverRanks()
        precondition(nextBucket == buckets.count, "\(nextBucket) of \(buckets.count) buckets started")
        try ranks.finish()
    }

    private func sumOverRanks() throws {
        guard communicator.size > 1 else { return }
        while nextBucket < buckets.count, isSummedInRank(nextBucket) {
            try ranks.beginNext()
            nextBucket += 1
        }
        try ranks.progress()
    }

    private func isSummedInRank(_ bucket: Int) -> Bool {
        isComplete(bucket) && slicesLeft[bucket].value.load(ordering: .acquiring) == 0
    }

    /// Whether no thread adds to the bucket any more.
    private func isComplete(_ bucket: Int) -> Bool {
        passed.allSatisfy { $0.value.load(ordering: .acquiring) >= buckets[bucket].readyAfter }
    }

    /// Adds up the next slice that is complete; false when there is none.
    @discardableResult private func addSlice() -> Bool {
        guard let slice = claimSlice() else { return false }
        for sum in sums { sum.fold(slice.range) }
        forEachPair(of: sums.count) { sums[$0].gradients.add(sums[$1].gradients, slice.range) }
        slicesLeft[slice.bucket].value.subtract(1, ordering: .releasing)
        return true
    }

    private func claimSlice() -> (range: Range<Int>, bucket: Int)? {
        var next = nextSlice.value.load(ordering: .relaxed)
        while next < slices.count, isComplete(slices[next].bucket) {
            let claim = nextSlice.value.compareExchange(expected: next, desired: next + 1, ordering: .relaxed)
            if claim.exchanged { return slices[next] }
            next = claim.original
        }
        return nil
    }
}

/// A number that threads count with.
private final class Counter: Sendable {
    package let value = Atomic<Int>(0)
}
