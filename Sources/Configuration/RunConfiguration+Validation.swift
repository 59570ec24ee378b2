import Diffusion
import Files

extension RunConfiguration {
    /// Refuses values that no run can use. Whether the batch divides is a question for `validate(ranks:)`.
    ///
    /// - Throws: `ConfigurationError`: the key, its value and what is wanted.
    public func validate() throws {
        try require(!data.isEmpty, "data", "is not set, wanted the path of a data set: data: fashion-mnist.h5")
        try require(data.unicodeScalars.allSatisfy(\.isPrintable), "data", "holds a control character")
        try requireInteger("steps", steps, in: 1...1_000_000_000)
        try requireInteger("batch_size", batchSize, in: 1...(1 << 20))
        try requireInteger("micro_batch_size", microBatchSize, in: 0...(1 << 20))
        try requireNumber("learning_rate", learningRate, above: 0, upTo: 10)
        for (key, value) in [
            ("checkpoint_every", checkpointEvery), ("keep_every", keepEvery), ("preview_every", previewEvery),
            ("log_every", logEvery),
            ("eta_variance_every", etaVarianceEvery), ("check_ranks_every", checkRanksEvery),
        ] {
            try requireInteger(key, value, in: 0...1_000_000_000)
        }
        try requireInteger("keep_checkpoints", keepCheckpoints, in: 1...1_000_000)
        try requireInteger("preview_count", previewCount, in: 1...1024)
        try require(
            spikeFactor == 0 || (spikeFactor > 1 && spikeFactor.isFinite), "spike_factor",
            "is \(spikeFactor), wanted 0 (off) or a number above 1")
        try optimizer.validate()
        try ema.validate()
        try requireInteger("diffusion.timesteps", diffusion.timesteps, in: 1...100_000)
        do {
            try diffusion.validate()
        } catch {
            throw ConfigurationError("\(error)")
        }
        try model.validate()
        try requireMemoryInReach()
    }

    /// Refuses what no run on this many ranks and threads can use: `validate()`, and a batch that does not divide.
    ///
    /// - Throws: `ConfigurationError`; for the batch it names the nearest sizes and rank counts that fit.
    public func validate(ranks: Int, threads: Int = 1) throws {
        try validate()
        _ = try batchPlan(ranks: ranks, threads: threads)
    }

    /// One feature map of the widest stage at full resolution, the micro-batch included, is under 2^36 numbers.
    /// Far above any real run; it keeps later products of sizes within 64 bits.
    private func requireMemoryInReach() throws {
        let images = microBatchSize == 0 ? min(batchSize, automaticMicroBatchLimit) : microBatchSize
        let widest = model.channelCounts.max() ?? model.dim
        var product = 1
        for factor in [images, model.size, model.size, widest] {
            let (next, overflow) = product.multipliedReportingOverflow(by: factor)
            product = overflow ? Int.max : next
        }
        try require(
            product < 1 << 36, "micro_batch_size",
            "\(images) × model.size \(model.size)² × \(widest) channels is \(product) numbers in one feature map, "
                + "wanted under \(1 << 36): make one of them smaller")
    }
}

extension OptimizerConfiguration {
    func validate() throws {
        for (key, value) in [("optimizer.beta1", beta1), ("optimizer.beta2", beta2)] {
            try require(value >= 0 && value < 1, key, "is \(value), wanted 0 or more and below 1")
        }
        try requireNumber("optimizer.epsilon", epsilon, above: 0, upTo: 1)
        try require(
            clipNorm >= 0 && clipNorm.isFinite, "optimizer.clip_norm", "is \(clipNorm), wanted 0 (no clip) or more")
    }
}

extension EMAConfiguration {
    func validate() throws {
        try require(decay >= 0 && decay < 1, "ema.decay", "is \(decay), wanted 0 or more and below 1")
        try requireInteger("ema.every", every, in: 1...1_000_000_000)
        try requireInteger("ema.start", start, in: 0...1_000_000_000)
    }
}

/// Throws unless `condition` holds: "key problem".
func require(_ condition: Bool, _ key: String, _ problem: @autoclosure () -> String) throws {
    guard condition else { throw ConfigurationError("\(key) \(problem())", key: key) }
}

/// Throws unless `value` lies in `range`.
func requireInteger(_ key: String, _ value: Int, in range: ClosedRange<Int>) throws {
    try require(
        range.contains(value), key, "is \(value), wanted an integer from \(range.lowerBound) to \(range.upperBound)")
}

/// Throws unless `value` is finite and in (lower, upper].
func requireNumber(_ key: String, _ value: Double, above lower: Double, upTo upper: Double) throws {
    try require(value > lower && value <= upper, key, "is \(value), wanted a number above \(lower), at most \(upper)")
}
