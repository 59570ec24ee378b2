import CKernels

/// Passes over flat arenas of parameters and what belongs to them, each once through memory.
extension CPUBackend {
    /// Σ x² over the elements of `range`, summed in float64.
    public func sumOfSquares(of memory: CPUMemory, _ range: Range<Int>) -> Double {
        ck_sum_of_squares(range.count, memory.pointer(range))
    }

    /// Whether an infinity or a NaN is among the elements of `range`.
    public func containsNonFinite(_ memory: CPUMemory, _ range: Range<Int>) -> Bool {
        ck_contains_non_finite(range.count, memory.pointer(range)) != 0
    }

    /// One step of Adam over whole arenas (Kingma & Ba 2015, algorithm 1; the order of operations is PyTorch's):
    /// with g = gradientScale · gradients, `m += (1 − β1)(g − m)`, `v = β2 v + (1 − β2) g²`,
    /// `parameters −= learningRate / (1 − β1^step) · m / (√v / √(1 − β2^step) + ε)`. `step` is 1 for the first step
    /// ever; `gradientScale` is the clip factor, 1 when nothing is clipped.
    ///
    /// - Parameter shard: the only parameters to update; the moments hold these and no others. Nil: all.
    public func adamStep(
        parameters: CPUMemory, gradients: CPUMemory, firstMoment: CPUMemory, secondMoment: CPUMemory,
        shard: Range<Int>? = nil, learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, step: Int,
        gradientScale: Double = 1
    ) {
        let shard = shard ?? 0..<parameters.count
        let count = shard.count
        precondition(
            gradients.count == parameters.count && firstMoment.count == count && secondMoment.count == count
                && step >= 1,
            "arenas of \(parameters.count), \(gradients.count), \(firstMoment.count), \(secondMoment.count), shard "
                + "\(shard); step \(step)")
        var settings = ck_adam_settings(
            learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, step: Int64(step),
            gradientScale: gradientScale)
        ck_adam_step(
            count, &settings, gradients.pointer(shard), parameters.pointer(shard),
            firstMoment.pointer(0..<count), secondMoment.pointer(0..<count))
    }

    /// `ema += (1 − decay)(parameters − ema)` over whole arenas, or over the parameters of `shard`, which are then all
    /// that `ema` holds.
    public func emaUpdate(_ ema: CPUMemory, parameters: CPUMemory, shard: Range<Int>? = nil, decay: Double) {
        let shard = shard ?? 0..<parameters.count
        precondition(ema.count == shard.count, "arenas of \(ema.count) and \(parameters.count), shard \(shard)")
        ck_ema_update(shard.count, decay, parameters.pointer(shard), ema.pointer(0..<shard.count))
    }
}

extension CPUMemory {
    /// Adds the elements `range` of `addend` to those of this memory.
    public func add(_ addend: CPUMemory, _ range: Range<Int>) {
        let sum = pointer(range)
        ck_add(range.count, sum, addend.pointer(range), sum)
    }
}
