import CPUBackend
import Configuration
import Foundation

/// What one parameter update did.
struct UpdateReport {
    /// Global L2 norm of the gradient before clipping.
    var gradientNorm: Double
}

extension ModelState {
    /// Clips the gradient to the global norm, moves the parameters by Adam (Kingma and Ba 2015) and updates the average;
    /// of a sharded state only what is this rank's own.
    ///
    /// Every rank holds the whole gradient and takes its norm alone: the sum runs in the same order whether or not the
    /// state is sharded, and so ends in the same bits.
    ///
    /// - Parameter step: number of this update, from 1.
    /// - Throws: ``AgreedTrainingError`` when the gradient is not finite; nothing is changed then.
    func update(
        step: Int, learningRate: Double, _ optimizer: OptimizerConfiguration, _ average: EMAConfiguration,
        on backend: CPUBackend
    ) throws -> UpdateReport {
        let norm = backend.sumOfSquares(of: gradients, all).squareRoot()
        guard norm.isFinite else {
            throw AgreedTrainingError(
                "the gradient of step \(step) is not finite: lower learning_rate, or look at the data set "
                    + "(smd dataset verify)")
        }
        let clip = optimizer.clipNorm > 0 ? min(1, optimizer.clipNorm / (norm + 1e-6)) : 1
        backend.adamStep(
            parameters: parameters, gradients: gradients, firstMoment: firstMoment, secondMoment: secondMoment,
            shard: own, learningRate: learningRate, beta1: optimizer.beta1, beta2: optimizer.beta2,
            epsilon: optimizer.epsilon, step: step, gradientScale: clip)
        if let decay = averageDecay(step: step, average) {
            if decay == 0 {
                copyParametersToAverage()
            } else {
                backend.emaUpdate(ema, parameters: parameters, shard: own, decay: decay)
            }
        }
        return UpdateReport(gradientNorm: norm)
    }
}

/// The average's decay at update number `step` (from 1), or nil when this step leaves it alone.
///
/// Every `every` steps; a copy of the parameters up to `start`; from there a warm-up `1 − (1 + n)^(−2/3)`, n updates
/// past the start, up to `decay`.
public func averageDecay(step: Int, _ average: EMAConfiguration) -> Double? {
    let calls = step - 1
    guard calls % average.every == 0 else { return nil }
    guard calls > average.start else { return 0 }
    return min(average.decay, 1 - pow(1 + Double(calls - average.start), -2.0 / 3.0))
}
