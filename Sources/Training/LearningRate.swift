import Configuration
import Foundation

/// Adam's step size in update number `step` (from 1) of a run.
///
/// In a warm-up of W steps it rises linearly from 0, `step/W` of `learning_rate`. Then it falls to `learning_rate_end`,
/// which it would reach in the update after the last: with `u = (step − 1 − W)/(steps − W)` by `1 − u` (linear), or by
/// `(1 + cos πu)/2` (cosine; Loshchilov and Hutter 2017, equation 5, without restarts).
public func learningRate(step: Int, _ configuration: RunConfiguration) -> Double {
    let (full, end, warmup) = (
        configuration.learningRate, configuration.learningRateEnd, configuration.learningRateWarmup
    )
    if step <= warmup { return full * Double(step) / Double(warmup) }
    let done = Double(step - 1 - warmup) / Double(max(1, configuration.steps - warmup))
    switch configuration.learningRateDecay {
    case .constant: return full
    case .linear: return end + (full - end) * (1 - done)
    case .cosine: return end + (full - end) * (1 + cos(.pi * done)) / 2
    }
}
