import Diffusion
import Foundation
import Philox
import Mixtures

/// What a network could know at best of each step of a diffusion, for data of a Gaussian mixture: closed forms at the times
/// of a schedule, and means over x_t by Monte Carlo.
///
/// Means over x_t are taken of independent draws of q(x_t), which belong to their number: the same for any division of
/// the work. Entropies are in nats.
public struct MixtureOracle: Sendable {
    /// q(x_0).
    public let data: GaussianMixture
    /// The times: `schedule.respaced(to:)` for some of them only.
    public let schedule: NoiseSchedule

    /// An oracle for `data` in the diffusion of `schedule`.
    public init(_ data: GaussianMixture, _ schedule: NoiseSchedule) {
        (self.data, self.schedule) = (data, schedule)
    }

    /// q(x_0 | x_t) at time `t`.
    public func posterior(_ t: Int) -> BackwardStep { BackwardStep(data, from: schedule.alphaBars[t], to: 1) }

    /// q(x_{t−1} | x_t), where t − 1 is the time of the schedule before t; the data before t = 0.
    public func step(_ t: Int) -> BackwardStep {
        BackwardStep(data, from: schedule.alphaBars[t], to: schedule.alphaBarsBefore[t])
    }

    /// Draws of q(x_t) by number, `[positions][D]`.
    public func noisySamples(_ t: Int, _ positions: Range<Int>, seed: UInt64) -> [[Double]] {
        let marginal = data.noised(schedule.alphaBars[t])
        let places = MixtureDraws(seed: seed, .evaluation, dimension: data.dimension)
        return positions.map { marginal.draw(places, round: t, $0).x }
    }

    /// The mean of `value` over `count` draws of q(x_t).
    func mean(_ t: Int, _ count: Int, _ seed: UInt64, of value: ([Double]) -> Double) -> Estimate {
        Estimate(meanOf: noisySamples(t, 0..<count, seed: seed).map(value))
    }

    /// The least mean squared error of an estimate of x_0 from x_t, an element: `E tr Cov[x_0 | x_t] / D`. The best isotropic
    /// variance of x_0 given x_t is the same number. Exact for a single component, where it is the same for all x_t.
    public func leastSquaredError(_ t: Int, count: Int, seed: UInt64) -> Estimate {
        let posterior = posterior(t)
        let size = Double(data.dimension)
        if data.components == 1 { return Estimate(posterior.variance(data.mean) / size) }
        return mean(t, count, seed) { posterior.variance($0) / size }
    }

    /// H(component | x_t).
    public func componentEntropy(_ t: Int, count: Int, seed: UInt64) -> Estimate {
        let marginal = data.noised(schedule.alphaBars[t])
        return mean(t, count, seed) { entropy(marginal.responsibilities($0)) }
    }

    /// I(component; x_t) = H(component) − H(component | x_t).
    public func componentInformation(_ t: Int, count: Int, seed: UInt64) -> Estimate {
        let left = componentEntropy(t, count: count, seed: seed)
        return Estimate(entropy(data.weights) - left.value, error: left.error)
    }

    /// I(x_0; x_{t−1} | x_t) = E[ln q(x_{t−1} | x_t, x_0) − ln q(x_{t−1} | x_t)]: what x_{t−1} says of x_0 that x_t does not.
    /// nil at t = 0, where x_{t−1} is x_0 and the information without bound.
    public func stepInformation(_ t: Int, count: Int, seed: UInt64) -> Estimate? {
        let variance = schedule.posteriorVariance[t]
        guard variance > 0 else { return nil }
        let (posterior, step) = (posterior(t), step(t))
        let size = data.dimension
        let places = MixtureDraws(seed: seed, .probe, dimension: size)
        let noise = RandomStream(seed: seed, purpose: .noise)
        let xt = noisySamples(t, 0..<count, seed: seed)
        return Estimate(
            meanOf: xt.indices.map { i in
                let x0 = posterior.draw(xt[i], places, round: t, i)
                let n = noise.normals(count: size, epoch: t, position: i).map(Double.init)
                let cleaner = (0..<size).map { axis in
                    schedule.posteriorMeanX0[t] * x0[axis] + schedule.posteriorMeanXt[t] * xt[i][axis]
                        + variance.squareRoot() * n[axis]
                }
                let squares = n.reduce(0) { $0 + $1 * $1 }
                let given = -0.5 * (squares + Double(size) * log(2 * Double.pi * variance))
                return given - step(xt[i]).logDensity(cleaner)
            })
    }
}

extension Objective {
    /// The output that stands for x_0 = `x0` at `xt`: that of the best network where `x0` is E[x_0 | x_t].
    public func output(x0: [Double], xt: [Double], alphaBar: Double) -> [Double] {
        let (target, noise) = (target(alphaBar: alphaBar), Objective.noise(alphaBar: alphaBar))
        return zip(x0, xt).map { target.x0 * $0 + target.noise * (noise.xt * $1 + noise.x0 * $0) }
    }
}
