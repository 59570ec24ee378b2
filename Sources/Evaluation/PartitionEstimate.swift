import Foundation
import Mixtures
import Philox

/// What weighted paths say of a density's integral Z (Vargas, Grathwohl and Doucet 2023, section 4).
public struct PartitionEstimate: Sendable {
    /// The mean of ln w, a lower bound of ln Z.
    public let lowerBound: Estimate
    /// ln of the mean of w, an estimate of ln Z whose mean is below it; its error by a bootstrap.
    public let logPartition: Estimate
    /// (Σ w)² / Σ w², of as many paths.
    public let effectiveSampleSize: Double
    /// M.
    public let paths: Int

    /// Resamplings of the bootstrap.
    static let resamplings = 200

    /// - Parameters:
    ///   - logWeights: ln w of independent paths.
    ///   - seed: of the bootstrap.
    public init(logWeights: [Double], seed: UInt64) {
        paths = logWeights.count
        lowerBound = Estimate(meanOf: logWeights)
        let (count, most) = (logWeights.count, logWeights.max() ?? 0)
        let weights = logWeights.map { exp($0 - most) }
        let sum = weights.reduce(0, +)
        effectiveSampleSize = sum * sum / weights.reduce(0) { $0 + $1 * $1 }
        let stream = RandomStream(seed: seed, purpose: .evaluation)
        let resampled = (0..<Self.resamplings).map { round in
            // Epoch 0 of the stream belongs to the paths.
            let drawn = stream.uniforms(count: count, epoch: 1 + round, position: 0)
            return log(
                drawn.reduce(0) { $0 + weights[min(Int(Double($1) * Double(count)), count - 1)] } / Double(count))
        }
        let mean = resampled.reduce(0, +) / Double(resampled.count)
        let variance = resampled.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(resampled.count - 1)
        logPartition = Estimate(
            most + log(sum / Double(count)), error: count > 1 ? variance.squareRoot() : nil)
    }
}
