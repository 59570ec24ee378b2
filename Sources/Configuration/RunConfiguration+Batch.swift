extension RunConfiguration {
    /// Samples that one rank computes at a time by choice of the program: at most this many. Images: as many as give
    /// the first stage 2 MiB of activations, which is where more of them make a step no faster, only larger. Points are
    /// so small that only many of them keep the vector units busy.
    public var automaticMicroBatchLimit: Int {
        model.size == 1 ? 1024 : max(1, min(32, (2 << 20) / (4 * model.dim * model.size * model.size)))
    }

    /// Samples that one thread of a rank computes at a time: the value of the configuration, or where that is 0 the
    /// largest divisor of a thread's share of the batch that is at most ``automaticMicroBatchLimit``.
    ///
    /// - Throws: `ConfigurationError` when the batch does not divide evenly, with the numbers nearby that would.
    public func microBatchSize(ranks: Int, threads: Int = 1) throws -> Int {
        precondition(ranks > 0 && threads > 0, "\(ranks) ranks × \(threads) threads")
        try requireBatchFits(ranks: ranks, threads: threads)
        guard microBatchSize == 0 else { return microBatchSize }
        let share = batchSize / (ranks * threads)
        return (1...min(share, automaticMicroBatchLimit)).last { share.isMultiple(of: $0) } ?? 1
    }

    /// Micro-batches that one rank computes in one step, equally many on each of its threads.
    ///
    /// - Throws: As `microBatchSize(ranks:threads:)`.
    public func microBatchesPerRank(ranks: Int, threads: Int = 1) throws -> Int {
        try batchSize / (ranks * microBatchSize(ranks: ranks, threads: threads))
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
            "batch_size \(batchSize) is not divisible by \(divisor); what would fit: \(fits.joined(separator: "; or "))",
            key: "batch_size")
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
