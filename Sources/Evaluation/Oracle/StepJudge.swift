import Foundation
import Philox
import Mixtures

/// What the draws of a network say at one x_t, beside what is true there.
public struct StepRecord: Equatable, Sendable {
    /// tr of the draws' covariance, unbiased.
    public let variance: Double
    /// tr Cov[x_0 | x_t].
    public let trueVariance: Double
    /// ‖mean of the draws − E[x_0 | x_t]‖², less what K draws contribute to it; may be below 0.
    public let meanError: Double
    /// ln q(y) − ln p(y) for y of the true backward step q(x_{t−1} | x_t), where p is the step that the draws make; not a
    /// number at t = 0.
    public let divergence: Double
    /// The same where p is the Gaussian with the mean and the covariance of q.
    public let gaussianDivergence: Double
    /// H(component | x_t), nats.
    public let componentEntropy: Double

    /// Draws of the true step behind each divergence.
    static let stepDraws = 8

    /// The numbers, in order: what ranks send.
    public var numbers: [Double] {
        [variance, trueVariance, meanError, divergence, gaussianDivergence, componentEntropy]
    }

    /// From ``numbers``.
    public init(numbers n: ArraySlice<Double>) {
        precondition(n.count == Self.size, "\(n.count) numbers of a record")
        let n = Array(n)
        (variance, trueVariance, meanError) = (n[0], n[1], n[2])
        (divergence, gaussianDivergence, componentEntropy) = (n[3], n[4], n[5])
    }

    /// Numbers of a record.
    public static let size = 6
}

/// Compares draws of x_0 given x_t with the truth, at one time of an oracle.
public struct StepJudge: Sendable {
    private let oracle: MixtureOracle
    private let t: Int
    private let posterior: BackwardStep
    private let step: BackwardStep
    private let places: MixtureDraws

    /// At time `t` of the oracle's schedule; `seed` is that of the draws of the true step.
    public init(_ oracle: MixtureOracle, _ t: Int, seed: UInt64) {
        (self.oracle, self.t) = (oracle, t)
        (posterior, step) = (oracle.posterior(t), oracle.step(t))
        places = MixtureDraws(seed: seed, .probe, dimension: oracle.data.dimension)
    }

    /// The record of an x_t.
    ///
    /// - Parameters:
    ///   - draws: K ≥ 2 estimates of x_0, each `[D]`.
    ///   - number: what the draws of the true step belong to.
    public func record(_ xt: [Double], draws: [[Double]], number: Int) throws -> StepRecord {
        precondition(draws.count > 1, "\(draws.count) draws")
        let (count, size) = (Double(draws.count), xt.count)
        let mean = (0..<size).map { i in draws.reduce(0) { $0 + $1[i] } / count }
        let variance = draws.reduce(0) { $0 + squaredDistance($1, mean) } / (count - 1)
        let truth = posterior.moments(xt)
        let (learned, best) = try divergences(xt, draws: draws, number: number)
        return StepRecord(numbers: [
            variance, truth.variance, squaredDistance(mean, truth.mean) - variance / count, learned, best,
            entropy(posterior.responsibilities(xt)),
        ])
    }

    /// Means of `ln q(y) − ln p(y)` over draws y of q(x_{t−1} | x_t): with p of the network's draws, and of the best Gaussian.
    private func divergences(
        _ xt: [Double], draws: [[Double]], number: Int
    ) throws -> (learned: Double, best: Double) {
        let (schedule, size) = (oracle.schedule, Double(xt.count))
        let law = step(xt)
        let gaussian = try GaussianMixture(
            weights: [1], means: law.mean, covariances: law.covariance.elements, dimension: xt.count)
        let variance = schedule.posteriorVariance[t]
        let centers = draws.map { x0 in
            zip(x0, xt).map { schedule.posteriorMeanX0[t] * $0 + schedule.posteriorMeanXt[t] * $1 }
        }
        /// ln of the mean over draws of N(y; posterior mean with that draw, β̃ I).
        func logLearned(_ y: [Double]) -> Double {
            let terms = centers.map { -0.5 * squaredDistance(y, $0) / variance }
            return logSumExp(terms) - log(Double(draws.count)) - 0.5 * size * log(2 * Double.pi * variance)
        }
        let pairs = (0..<StepRecord.stepDraws).map { i in
            let y = law.draw(places, round: t, number * StepRecord.stepDraws + i).x
            let truth = law.logDensity(y)
            return (variance > 0 ? truth - logLearned(y) : .nan, truth - gaussian.logDensity(y))
        }
        let count = Double(StepRecord.stepDraws)
        return (pairs.reduce(0) { $0 + $1.0 } / count, pairs.reduce(0) { $0 + $1.1 } / count)
    }

    private func squaredDistance(_ x: [Double], _ y: [Double]) -> Double {
        zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
}

/// What the records of many x_t of one time say together. Errors are those of the draws of x_t.
public struct StepSummary: Equatable, Sendable {
    /// Mean variance of the draws over the mean true one: 1 is right, 0 a single Gaussian.
    public let varianceShare: Estimate
    /// Mean squared error of the draws' mean over the mean true variance: 0 is right.
    public let meanError: Estimate
    /// E KL(q(x_{t−1} | x_t) ‖ p), nats, p the mean over K draws of the steps that they make. From above: for finite K the
    /// mean of −ln p is larger than at the limit. nil at t = 0.
    public let divergence: Estimate?
    /// The same of the best Gaussian of each x_t.
    public let gaussianDivergence: Estimate
    /// H(component | x_t), nats.
    public let componentEntropy: Estimate
    /// √(E tr Cov[x_0 | x_t] / D).
    public let deviation: Double

    /// - Parameter dimension: D.
    public init(_ records: [StepRecord], dimension: Int) {
        let truths = records.map(\.trueVariance)
        varianceShare = Estimate(ratioOf: records.map(\.variance), to: truths)
        meanError = Estimate(ratioOf: records.map(\.meanError), to: truths)
        let divergence = Estimate(meanOf: records.map(\.divergence))
        self.divergence = divergence.value.isNaN ? nil : divergence
        gaussianDivergence = Estimate(meanOf: records.map(\.gaussianDivergence))
        componentEntropy = Estimate(meanOf: records.map(\.componentEntropy))
        deviation = (Estimate(meanOf: truths).value / Double(dimension)).squareRoot()
    }
}
