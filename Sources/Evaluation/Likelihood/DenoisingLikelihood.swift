import Diffusion
import Foundation
import Philox
import Mixtures

/// An upper bound of −ln p(x), nats, from the errors of a denoiser: over the levels λ = ln(ᾱ/(1 − ᾱ)) of a schedule from the
/// noisiest, λ_T, to one λ_s where the integral ends,
///
///     −ln p(x) ≤ KL(q(x_T|x) ‖ ν) + ½ ∫ m(x, λ) dλ + R_s(x),   m(x, λ) = E ‖ε − ε̂(√ᾱ x + √(1−ᾱ) ε)‖²
///
/// with ν = N(0, I) or a given prior. R_s = −E ln p(x | x_s) is that of estimates that know x_s alone: for densities
/// `d/2 ln(2πe) − d λ_s/2` of N(x_s/√ᾱ, e^−λ_s I), for pixels of 256 values of their softmax. The expectation over data is exact
/// where ε̂ is the best denoiser, but for what lies beyond λ_s. Sources: Kong et al. 2023 (ITD), equation 8; Kingma et al.
/// 2021 (VDM), equations 12–15, where the three terms are, and R_s of pixels.
///
/// λ_s is the level, of those visited, with the smallest mean (plus its standard error): a network is seldom of use where
/// noise is finer than what it was trained on. It is chosen for one half of the samples by the other half, so that the choice
/// favours nobody, and so are the factors of two control variates in m, ‖ε‖² − d and ε·x, which take away noise of the
/// figure where the error is mostly the noise itself.
///
/// A random network is judged as its mean over draws: with K of them ‖ε − ε̄_K‖² is too large by s²/K, s² the unbiased variance
/// of the draws, and is taken less that. Beside it stands ``chain``, which judges the draws themselves.
public struct DenoisingLikelihood: Sendable {
    /// A level that was visited.
    public struct Level: Equatable, Sendable {
        public let timestep: Int
        /// λ.
        public let logSNR: Double
        /// m, mean over samples.
        public let error: Estimate
        /// Of a random network: the variance of ε̂ over draws, mean over samples and summed over elements.
        public let spread: Double
    }

    /// d.
    public let dimension: Int
    /// K.
    public let draws: Int
    /// By timestep, least noisy first.
    public let levels: [Level]
    /// The place of λ_s in ``levels`` of either half of the samples.
    public let ends: [Int]
    /// The bound of each sample.
    public let perSample: [Double]
    /// KL(q(x_T|x) ‖ ν), mean over samples.
    public let prior: Double
    /// R_s, mean over samples.
    public let reconstruction: Double
    /// The bound of the sampler's own chain over the visited levels; see ``LikelihoodTerms/chain``.
    public let chain: Estimate

    /// The bound, mean over samples.
    public var nats: Estimate { Estimate(meanOf: perSample) }
    /// `nats` as bits an element.
    public func bitsPerDimension(_ nats: Estimate) -> Estimate {
        let bits = Double(dimension) * log(2)
        return Estimate(nats.value / bits, error: nats.error.map { $0 / bits })
    }

    /// How it is measured.
    public struct Settings: Sendable {
        /// Estimates of x_0 at each x_t: K.
        public var draws = 1
        /// Samples at a time.
        public var batch = 32
        public var seed: UInt64 = 0
        /// Whether samples are pixels of 256 values, 2k/255 − 1, instead of densities.
        public var isDiscrete = false
        /// Whether estimates are clamped to [−1, 1], where the samples lie.
        public var clips = false

        public init() {}
    }

    /// Bounds of `samples`. Collective.
    ///
    /// - Parameters:
    ///   - times: timesteps that are visited, ascending, two or more.
    ///   - prior: ν at the last of them; nil: N(0, I).
    /// - Throws: ``EvaluationError`` where an estimate is not finite; what `estimate` throws.
    public static func measure(
        _ samples: SpreadSkill.Samples, _ schedule: NoiseSchedule, times: [Int], prior: GaussianMixture? = nil,
        _ settings: Settings, _ work: EvaluationWork, _ estimate: SpreadSkill.Estimator
    ) throws -> DenoisingLikelihood {
        precondition(times.count > 1 && settings.draws > 0, "\(times.count) levels, \(settings.draws) draws")
        let tiles = EvaluationWork.tiles(of: samples.places.count, length: settings.batch)
        let terms = LikelihoodTerms(schedule.respaced(to: times), times, prior, settings)
        let found = try work.pieces("evaluating the likelihood", times.count * tiles.count) { piece in
            try terms.terms(samples, tiles[piece % tiles.count], level: piece / tiles.count, estimate).map(\.numbers)
        }
        let rows = times.indices.map { level in
            found[level * tiles.count..<(level + 1) * tiles.count].joined().map(LikelihoodTerms.Term.init)
        }
        return DenoisingLikelihood(rows, terms, dimension: samples.elements)
    }

    /// - Parameter rows: of each level the terms of each sample.
    private init(_ rows: [[LikelihoodTerms.Term]], _ terms: LikelihoodTerms, dimension: Int) {
        (self.dimension, draws) = (dimension, terms.draws)
        let logSNRs = terms.chain.logSNRs
        levels = rows.indices.map { i in
            Level(
                timestep: terms.times[i], logSNR: logSNRs[i], error: Estimate(meanOf: rows[i].map(\.error)),
                spread: rows[i].reduce(0) { $0 + $1.spread } / Double(rows[i].count))
        }
        let (last, count) = (rows.count - 1, rows[0].count)
        let halves = (0..<2).map { half in Array(stride(from: half, to: count, by: 2)) }
        let factors = halves.map { half in rows.map { ControlFactors($0, half) } }
        /// The bounds of a sample, by λ_s, with factors of one half.
        func bounds(_ n: Int, factorsOf half: Int) -> [Double] {
            let errors = rows.indices.map { factors[half][$0].corrected(rows[$0][n]) }
            let integrals = Self.halfIntegrals(errors, logSNRs, dimension: Double(dimension))
            return rows.indices.map { rows[last][n].prior + integrals[$0] + rows[$0][n].reconstruction }
        }
        let ends = halves.indices.map { half in
            let others = halves[1 - half].map { bounds($0, factorsOf: 1 - half) }
            let most = rows.indices.map { level in
                let mean = Estimate(meanOf: others.map { $0[level] })
                return mean.value + (mean.error ?? 0)
            }
            return most.indices.min { most[$0] < most[$1] } ?? 0
        }
        self.ends = ends
        perSample = (0..<count).map { n in bounds(n, factorsOf: 1 - n % 2)[ends[n % 2]] }
        prior = rows[last].reduce(0) { $0 + $1.prior } / Double(count)
        reconstruction = (0..<count).reduce(0) { $0 + rows[ends[$1 % 2]][$1].reconstruction } / Double(count)
        chain = Estimate(meanOf: (0..<count).map { n in rows.reduce(rows[last][n].prior) { $0 + $1[n].chain } })
    }

    /// `½ ∫ m dλ` from the noisiest level to each: `½ ∫ d σ(λ) dλ` in closed form less the trapezoidal rule for
    /// `½ ∫ (d σ(λ) − m) dλ`, which is flat where the data look like N(0, I).
    static func halfIntegrals(_ errors: [Double], _ logSNRs: [Double], dimension: Double) -> [Double] {
        func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
        let last = errors.count - 1
        let gaps = errors.indices.map { dimension / (1 + exp(-logSNRs[$0])) - errors[$0] }
        var (result, gap) = ([Double](repeating: 0, count: errors.count), 0.0)
        for i in (0..<last).reversed() {
            gap += (logSNRs[i] - logSNRs[i + 1]) * (gaps[i] + gaps[i + 1]) / 2
            result[i] = (dimension * (softplus(logSNRs[i]) - softplus(logSNRs[last])) - gap) / 2
        }
        return result
    }
}

/// Factors of control variates: the least squares of the errors of some samples at a level over ``LikelihoodTerms/Term/controls``.
private struct ControlFactors {
    private let factors: SIMD2<Double>

    /// Fewer samples say nothing of them.
    private static let leastSamples = 16

    init(_ terms: [LikelihoodTerms.Term], _ samples: [Int]) {
        guard samples.count >= Self.leastSamples else {
            factors = SIMD2()
            return
        }
        let mean = samples.reduce(0) { $0 + terms[$1].error } / Double(samples.count)
        var (products, squares, mixed) = (SIMD2<Double>(), SIMD2<Double>(), 0.0)
        for n in samples {
            let controls = terms[n].controls
            products += (terms[n].error - mean) * controls
            squares += controls * controls
            mixed += controls.x * controls.y
        }
        let determinant = squares.x * squares.y - mixed * mixed
        factors =
            determinant > 1e-9 * squares.x * squares.y
            ? SIMD2(
                (products.x * squares.y - products.y * mixed) / determinant,
                (products.y * squares.x - products.x * mixed) / determinant) : SIMD2()
    }

    /// The error without what the controls explain.
    func corrected(_ term: LikelihoodTerms.Term) -> Double { term.error - (factors * term.controls).sum() }
}
