/// In which order the sums of a step are taken.
public enum Reduction: String, Codable, CaseIterable, Sendable {
    /// Exact where ranks and threads allow it, else fast, which is said.
    case auto
    /// In one order whatever the number of ranks and threads: the same bits on all that fit.
    case exact
    /// In the order that costs least: bits depend on the number of ranks and threads.
    case fast
}

/// What becomes of a step whose loss or gradient is not finite, or far above what is normal for the run (`spike_factor`).
public enum BadStepPolicy: String, Codable, CaseIterable, Sendable {
    /// The run ends with an error that says where it comes from.
    case stop
    /// The parameters stay as they are, and the run goes on with the next step; after ten in a row it ends.
    case skip
    /// The last checkpoint is put back, and the run goes on from there with the samples that follow those of the step;
    /// after three times without a newer checkpoint it ends.
    case rollback
}

/// How the images of a step are dealt out to ranks and threads, and how their gradients are summed.
///
/// Micro-batches lie one after the other: every rank, and every thread in it, has a contiguous part of them.
public struct BatchPlan: Equatable, Sendable {
    /// Samples that one thread computes at a time.
    public var microBatchSize: Int
    /// Micro-batches that one rank computes in one step, equally many on each of its threads.
    public var microBatchesPerRank: Int
    /// Whether sums are taken in an order that does not depend on the number of ranks and threads.
    public var isExact: Bool
    /// Leaves of the tree of sums: parts of equally many micro-batches, whose gradients accumulate one after the other.
    public var leaves: Int
    /// Of those, the ones of a thread.
    public var leavesPerThread: Int
    /// Where `reduction: auto` fell back to fast: why, and what would fit.
    public var whyNotExact: String?

    /// Which micro-batches of a step belong to `thread` of the `threads` of `rank`, counted over all ranks.
    public func microBatches(rank: Int, thread: Int, of threads: Int) -> Range<Int> {
        let count = microBatchesPerRank / threads
        let first = rank * microBatchesPerRank + thread * count
        return first..<first + count
    }
}

extension RunConfiguration {
    /// Samples that one rank computes at a time by choice of the program: at most this many. Images: as many as give
    /// the first stage 2 MiB of activations, which is where more of them make a step no faster, only larger. Points are
    /// so small that only many of them keep the vector units busy.
    public var automaticMicroBatchLimit: Int {
        let draws = model.latentAt == .both ? diffusion.loss.draws(diffusion) : 1
        return max(1, (model.isPoints ? 1024 : max(1, min(32, (2 << 20) / (4 * model.firstStageElements)))) / draws)
    }

    /// How a step is dealt out to `ranks` ranks of `threads` threads.
    ///
    /// - Throws: `ConfigurationError` when the batch does not divide evenly, or `reduction: exact` is asked for and they
    ///   cannot share its tree; with the numbers nearby that would fit.
    public func batchPlan(ranks: Int, threads: Int = 1) throws -> BatchPlan {
        precondition(ranks > 0 && threads > 0, "\(ranks) ranks × \(threads) threads")
        let obstacle = reduction == .fast ? nil : obstacleToExactSums(ranks: ranks, threads: threads)
        if reduction == .exact { try requireBatchFits(ranks: 1, threads: 1) }
        if reduction == .exact, let obstacle {
            throw ConfigurationError("reduction is exact, but \(obstacle)")
        }
        if reduction != .fast, obstacle == nil {
            let (micro, leaves) = tree
            return BatchPlan(
                microBatchSize: micro, microBatchesPerRank: batchSize / (ranks * micro), isExact: true, leaves: leaves,
                leavesPerThread: leaves / (ranks * threads), whyNotExact: nil)
        }
        try requireBatchFits(ranks: ranks, threads: threads)
        let share = batchSize / (ranks * threads)
        let automatic = (1...min(share, automaticMicroBatchLimit)).last { share.isMultiple(of: $0) } ?? 1
        let micro = microBatchSize == 0 ? automatic : microBatchSize
        return BatchPlan(
            microBatchSize: micro, microBatchesPerRank: batchSize / (ranks * micro), isExact: false,
            leaves: ranks * threads, leavesPerThread: 1, whyNotExact: obstacle)
    }

    /// The micro-batch and the number of leaves of the exact sum: the configuration's alone, whatever the ranks.
    ///
    /// Where `micro_batch_size` is 0 it is the divisor of the batch, at most as large as suits the caches and an eighth of
    /// the batch and larger than half of that, which leaves most leaves. Fewer points than 128 at a time cost time.
    private var tree: (microBatchSize: Int, leaves: Int) {
        if microBatchSize > 0 { return (microBatchSize, leafCount(of: microBatchSize)) }
        let eighth = batchSize.isMultiple(of: Self.leastLeaves) ? batchSize / Self.leastLeaves : batchSize
        let limit = min(max(eighth, model.isPoints ? Self.leastPoints : 1), automaticMicroBatchLimit)
        let divisors = (1...max(1, limit)).filter { batchSize.isMultiple(of: $0) }
        let largest = divisors.last ?? 1
        let chosen =
            divisors.filter { 2 * $0 > limit }.max { (leafCount(of: $0), $0) < (leafCount(of: $1), $1) } ?? largest
        return (chosen, leafCount(of: chosen))
    }

    /// The automatic micro-batch leaves at least as many, where the batch can be divided so.
    private static let leastLeaves = 8

    /// Points of an automatic micro-batch, if there are so many.
    private static let leastPoints = 128

    /// The largest power of two that divides the number of micro-batches; 1 where `micro` does not divide the batch.
    private func leafCount(of micro: Int) -> Int {
        guard micro > 0, batchSize > 0, batchSize.isMultiple(of: micro) else { return 1 }
        return 1 << (batchSize / micro).trailingZeroBitCount
    }

    /// Why the ranks and threads cannot share the tree of the exact sum, and what could; nil when they can.
    private func obstacleToExactSums(ranks: Int, threads: Int) -> String? {
        let (micro, leaves) = tree
        let (workers, overflow) = ranks.multipliedReportingOverflow(by: threads)
        let isPower = !overflow && workers.nonzeroBitCount == 1
        if !overflow, batchSize.isMultiple(of: max(1, micro)), leaves.isMultiple(of: workers) { return nil }
        var fits = ["ranks × threads = " + (leaves == 1 ? "1" : "a power of two, at most \(leaves)")]
        let smaller = isPower ? (1...micro).last { leafCount(of: $0).isMultiple(of: workers) } : nil
        if let smaller, smaller < micro { fits.append("micro_batch_size \(smaller)") }
        if (try? requireBatchFits(ranks: ranks, threads: threads)) != nil { fits.append("reduction fast") }
        return "batch_size \(batchSize) in micro-batches of \(micro) makes \(leaves) equal "
            + "\(leaves == 1 ? "part" : "parts"), which \(counted(ranks)) × \(threads) "
            + "\(threads == 1 ? "thread" : "threads") cannot share; what would fit: \(fits.joined(separator: "; or "))"
    }

    /// Samples that one thread of a rank computes at a time.
    ///
    /// - Throws: As `batchPlan(ranks:threads:)`.
    public func microBatchSize(ranks: Int, threads: Int = 1) throws -> Int {
        try batchPlan(ranks: ranks, threads: threads).microBatchSize
    }

    private func requireBatchFits(ranks: Int, threads: Int) throws {
        let micro = max(1, microBatchSize)
        let (perRank, overflowOfRank) = threads.multipliedReportingOverflow(by: micro)
        let (unit, overflowOfJob) = ranks.multipliedReportingOverflow(by: perRank)
        let overflow = overflowOfRank || overflowOfJob
        if !overflow && batchSize > 0 && batchSize.isMultiple(of: unit) { return }
        let divisor =
            counted(ranks) + (threads == 1 ? "" : " × \(threads) threads")
            + (microBatchSize == 0 ? "" : " × micro_batch_size \(microBatchSize)")
        var fits: [String] = []
        if !overflow {
            let below = batchSize / unit * unit
            fits.append("batch_size " + either([below, below + unit].filter { $0 > 0 }))
        }
        if !overflow, microBatchSize > 0, batchSize.isMultiple(of: ranks * threads) {
            fits.append("micro_batch_size " + either(nearestDivisors(of: batchSize / (ranks * threads), to: micro)))
        }
        if !overflowOfRank, batchSize.isMultiple(of: perRank) {
            let counts = nearestDivisors(of: batchSize / perRank, to: ranks)
            fits.append(either(counts) + (counts == [1] ? " rank" : " ranks"))
        }
        throw ConfigurationError(
            "batch_size \(batchSize) is not divisible by \(divisor); what would fit: \(fits.joined(separator: "; or "))"
        )
    }
}

/// The largest divisor of `number` below `target` and the smallest above it.
private func nearestDivisors(of number: Int, to target: Int) -> [Int] {
    var below: Int?
    var above: Int?
    var candidate = 1
    while candidate <= number / candidate {
        for divisor in [candidate, number / candidate] where number.isMultiple(of: candidate) {
            if divisor <= target { below = max(below ?? divisor, divisor) }
            if divisor >= target { above = min(above ?? divisor, divisor) }
        }
        candidate += 1
    }
    return Set([below, above].compactMap { $0 }).sorted()
}

private func counted(_ ranks: Int) -> String {
    ranks == 1 ? "1 rank" : "\(ranks) ranks"
}

private func either(_ numbers: [Int]) -> String {
    numbers.map(String.init).joined(separator: " or ")
}
