import CKernels

/// Settings of one step of Adam.
public struct AdamStep: Sendable {
    /// Learning rate of this step.
    public var learningRate: Double
    /// Decay of the first moment.
    public var beta1: Double
    /// Decay of the second moment.
    public var beta2: Double
    /// Added to the root of the corrected second moment.
    public var epsilon: Double
    /// 1 for the first step ever; the bias corrections need it.
    public var step: Int
    /// Factor on the gradients: the clip factor, 1 when nothing is clipped.
    public var gradientScale: Double

    public init(
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, step: Int, gradientScale: Double = 1
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.step = step
        self.gradientScale = gradientScale
    }
}

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
    /// `parameters −= learningRate / (1 − β1^step) · m / (√v / √(1 − β2^step) + ε)`.
    public func adamStep(
        _ settings: AdamStep, parameters: CPUMemory, gradients: CPUMemory, firstMoment: CPUMemory,
        secondMoment: CPUMemory
    ) {
        let count = parameters.count
        precondition(
            gradients.count == count && firstMoment.count == count && secondMoment.count == count && settings.step >= 1,
            "arenas of \(count), \(gradients.count), \(firstMoment.count), \(secondMoment.count); step \(settings.step)")
        var passed = ck_adam_settings(
            learningRate: settings.learningRate, beta1: settings.beta1, beta2: settings.beta2,
            epsilon: settings.epsilon, step: Int64(settings.step), gradientScale: settings.gradientScale)
        ck_adam_step(
            count, &passed, gradients.pointer(0..<count), parameters.pointer(0..<count),
            firstMoment.pointer(0..<count), secondMoment.pointer(0..<count))
    }

    /// `ema += (1 − decay)(parameters − ema)` over whole arenas.
    public func emaUpdate(_ ema: CPUMemory, parameters: CPUMemory, decay: Double) {
        let count = parameters.count
        precondition(ema.count == count, "arenas of \(ema.count) and \(count)")
        ck_ema_update(count, decay, parameters.pointer(0..<count), ema.pointer(0..<count))
    }

    /// The float32 multiply-add peak of the core this runs on, in GFLOP/s (a multiply-add counts as two), from about
    /// 20 ms of registers-only work.
    public func measurePeak() -> (gflops: Double, milliseconds: Double) {
        let milliseconds = 20.0
        return (ck_measure_peak(milliseconds), milliseconds)
    }
}
