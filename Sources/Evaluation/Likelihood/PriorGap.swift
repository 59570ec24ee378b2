import Diffusion
import Foundation
import LinearAlgebra
import Mixtures

/// What it costs to begin sampling at a noise level with something else than the noised data: KL(q(x_t) ‖ ν), in nats, an
/// addend of the bound of −ln p (Franzese et al. 2023, "How Much Is Enough?", section 3).
///
/// Of N(0, I) it is KL(q(x_t) ‖ G) + KL(G ‖ N(0, I)) with G the Gaussian of the same mean and covariance, and the second in
/// closed form: `½ (ᾱ ‖m‖² + Σ_i (ᾱ (e_i − 1) − ln(1 + ᾱ (e_i − 1))))`, m the mean and e_i the eigenvalues of the covariance of
/// the data. The rest are means over draws.
public struct PriorGap {
    /// A noise level.
    public struct Row: Equatable, Sendable {
        public let timestep: Int
        /// λ = ln(ᾱ/(1 − ᾱ)).
        public let logSNR: Double
        /// KL(q(x_t) ‖ N(0, I)).
        public let normal: Estimate
        /// KL(q(x_t) ‖ G), G the Gaussian of the same mean and covariance.
        public let gaussian: Estimate
        /// KL(q(x_t) ‖ ν) of the given prior; nil without.
        public let prior: Estimate?
    }

    private let data: NoisedData
    private let schedule: NoiseSchedule
    private let matched: GaussianMixture
    private let prior: GaussianMixture?
    private let seed: UInt64
    private let work: EvaluationWork

    /// Draws that are looked at together.
    private static let tile = 512

    /// - Parameter prior: of clean data; it is noised as these are.
    public init(
        _ data: NoisedData, _ schedule: NoiseSchedule, prior: GaussianMixture?, seed: UInt64, _ work: EvaluationWork
    ) throws {
        precondition(data.count > 1, "\(data.count) draws")
        precondition(prior.map { $0.dimension == data.dimension } ?? true, "a prior of another dimension")
        (self.data, self.schedule, self.prior, self.seed, self.work) = (data, schedule, prior, seed, work)
        matched = try data.matched(work)
    }

    /// At `times`. Collective.
    public func rows(_ times: [Int]) throws -> [Row] {
        let tiles = EvaluationWork.tiles(of: data.count, length: Self.tile)
        let found = try work.pieces("measuring the gap", times.count * tiles.count) { piece in
            ratios(times[piece / tiles.count], tiles[piece % tiles.count])
        }
        return times.indices.map { number in
            row(times[number], Array(found[number * tiles.count..<(number + 1) * tiles.count].joined()))
        }
    }

    /// The least noisy level at which a gap is below `most`, of a schedule whose gaps fall with t, as they do; nil where none
    /// is. Collective.
    ///
    /// - Parameter known: rows that were measured, which need not be so again.
    public func shortest(below most: Double, known: [Row], _ gap: (Row) -> Estimate?) throws -> Row? {
        guard var best = known.filter({ (gap($0)?.value ?? .infinity) < most }).min(by: { $0.timestep < $1.timestep })
        else { return nil }
        var low = known.map(\.timestep).filter { $0 < best.timestep }.max() ?? -1
        while best.timestep - low > 1 {
            let middle = try rows([(low + best.timestep) / 2])[0]
            if (gap(middle)?.value ?? .infinity) < most { best = middle } else { low = middle.timestep }
        }
        return best
    }

    /// ln q(x_t) less ln G and ln ν, of each draw.
    private func ratios(_ t: Int, _ range: Range<Int>) -> [SIMD2<Double>] {
        let alphaBar = schedule.alphaBars[t]
        let (x0, noise) = data.draws(range, seed: seed)
        let xt = alphaBar.squareRoot() * x0 + (1 - alphaBar).squareRoot() * noise
        let truth = data.logDensities(xt, alphaBar: alphaBar)
        let gaussian = matched.noised(alphaBar).logDensities(rows: xt)
        let other = prior?.noised(alphaBar).logDensities(rows: xt)
        return truth.indices.map { i in
            SIMD2(truth[i] - gaussian[i], other.map { truth[i] - $0[i] } ?? 0)
        }
    }

    private func row(_ t: Int, _ ratios: [SIMD2<Double>]) -> Row {
        let gaussian = Self.divergence(ratios.map(\.x))
        let closed = gaussianPart(schedule.alphaBars[t])
        return Row(
            timestep: t, logSNR: log(schedule.signalToNoise(t)),
            normal: Estimate(gaussian.value + closed, error: gaussian.error), gaussian: gaussian,
            prior: prior.map { _ in Self.divergence(ratios.map(\.y)) })
    }

    /// E ln r of draws of ln r under q, r = q/ν. As E 1/r = 1, `ln r + 1/r − 1` has the same mean, and where r is near 1 hardly any
    /// variance; where ν is far wider than q it has more. The one with the smaller error is taken.
    static func divergence(_ logRatios: [Double]) -> Estimate {
        let plain = Estimate(meanOf: logRatios)
        let flat = Estimate(meanOf: logRatios.map { $0 + expm1(-$0) })
        guard let error = flat.error, error.isFinite, error < plain.error ?? .infinity else { return plain }
        return flat
    }

    /// KL(G ‖ N(0, I)) at ᾱ.
    private func gaussianPart(_ alphaBar: Double) -> Double {
        let squares = matched.means.reduce(0) { $0 + $1 * $1 }
        return matched.shapes.covariances.variances.reduce(alphaBar * squares) {
            let wider = alphaBar * ($1 - 1)
            return $0 + wider - log1p(wider)
        } / 2
    }
}
