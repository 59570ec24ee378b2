import CKernels

/// Passes over flat arenas of parameters and what belongs to them, each once through memory.
extension CPUBackend {
    /// Σ x² over the elements of `range`, summed in float64: finite exactly when they all are.
    public func sumOfSquares(of memory: CPUMemory, _ range: Range<Int>) -> Double {
        ck_sum_of_squares(range.count, memory.pointer(range))
    }

    /// One step of Adam over whole arenas (Kingma & Ba 2015, algorithm 1; the order of operations is PyTorch's):
    /// with g = gradientScale · gradients, `m += (1 − β1)(g − m)`, `v = β2 v + (1 − β2) g²`,
    /// first `parameters *= 1 − learningRate · weightDecay` (Loshchilov & Hutter 2019), then
    /// `parameters −= learningRate / (1 − β1^step) · m / (√v / √(1 − β2^step) + ε)`. `step` is 1 for the first step
    /// ever; `gradientScale` is the clip factor, 1 when nothing is clipped.
    ///
    /// - Parameters:
    ///   - shard: the parameters whose moments there are; the moments hold these and no others. Nil: all.
    ///   - range: those of them to update. Nil: all of the shard. Disjoint ranges may be updated on different threads.
    public func adamStep(
        parameters: CPUMemory, gradients: CPUMemory, firstMoment: CPUMemory, secondMoment: CPUMemory,
        shard: Range<Int>? = nil, range: Range<Int>? = nil, learningRate: Double, beta1: Double, beta2: Double,
        epsilon: Double, step: Int, gradientScale: Double = 1, weightDecay: Double = 0
    ) {
        let shard = shard ?? 0..<parameters.count
        let range = range ?? shard
        let inShard = range.lowerBound - shard.lowerBound..<range.upperBound - shard.lowerBound
        precondition(
            gradients.count == parameters.count && firstMoment.count == shard.count
                && secondMoment.count == shard.count && step >= 1,
            "arenas of \(parameters.count), \(gradients.count), \(firstMoment.count), \(secondMoment.count), shard "
                + "\(shard); step \(step)")
        var settings = ck_adam_settings(
            learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, step: Int64(step),
            gradientScale: gradientScale, weightDecay: weightDecay)
        ck_adam_step(
            range.count, &settings, gradients.pointer(range), parameters.pointer(range), firstMoment.pointer(inShard),
            secondMoment.pointer(inShard))
    }

    /// `ema += (1 − decay)(parameters − ema)` over whole arenas, or over the parameters of `shard`, which are then all
    /// that `ema` holds; of these, over those of `range` only where one is given.
    public func emaUpdate(
        _ ema: CPUMemory, parameters: CPUMemory, shard: Range<Int>? = nil, range: Range<Int>? = nil, decay: Double
    ) {
        let shard = shard ?? 0..<parameters.count
        let range = range ?? shard
        let inShard = range.lowerBound - shard.lowerBound..<range.upperBound - shard.lowerBound
        precondition(ema.count == shard.count, "arenas of \(ema.count) and \(parameters.count), shard \(shard)")
        ck_ema_update(range.count, decay, parameters.pointer(range), ema.pointer(inShard))
    }
}

extension CPUMemory {
    /// Adds the elements `range` of `addend` to those of this memory.
    public func add(_ addend: CPUMemory, _ range: Range<Int>) {
        let sum = pointer(range)
        ck_add(range.count, sum, addend.pointer(range), sum)
    }

    /// Adds the elements `range` of `addend` to those of this memory from `start` on.
    public func add(_ range: Range<Int>, of addend: CPUMemory, to start: Int) {
        let sum = pointer(start..<start + range.count)
        ck_add(range.count, sum, addend.pointer(range), sum)
    }

    /// Copies the elements `range` of `other` to this memory from `start` on.
    public func copy(_ range: Range<Int>, of other: CPUMemory, to start: Int) {
        pointer(start..<start + range.count).update(from: other.pointer(range), count: range.count)
    }
}
