import Diffusion
import Foundation
import Philox
import Mixtures

/// What one x_t of a sample adds to the bounds of ``DenoisingLikelihood``.
struct LikelihoodTerms: Sendable {
    /// In nats, but for the errors.
    struct Term {
        /// ‖ε − ε̄_K‖² − s²/K, an estimate of m without bias.
        var error = 0.0
        /// s², the unbiased variance of ε̂ over draws, summed over elements.
        var spread = 0.0
        /// KL(q(x_t|x) ‖ ν); of the noisiest level.
        var prior = 0.0
        /// −ln p(x | x_t) by x_t alone; ∞ where that is not looked at.
        var reconstruction = Double.infinity
        /// Of level i > 0 `ln q(x_{i−1}|x_i, x_0) − ln 1/K Σ_k N(x_{i−1}; μ̃(x_i, x̂_0^k), β̃_i)` at a draw of q(x_{i−1}|x_i, x_0); of the
        /// first `−ln 1/K Σ_k N(x_0; x̂_0^k, e^−λ I)`, of pixels ``reconstruction``. Their sum and ``prior`` bound −ln p of ancestral
        /// sampling by the K-draw bound of importance weighting (Burda et al. 2016), tighter the larger K is; the variance of the
        /// last step, which has no noise, is that of x_0 given x_t under a flat prior.
        var chain = 0.0
        /// ‖ε‖² − d and ε·x: of mean 0, and much like the error where that is mostly the noise itself.
        var controls = SIMD2<Double>()

        init() {}

        /// From ``numbers``.
        init(_ numbers: SIMD8<Double>) {
            (error, spread, prior, reconstruction, chain) = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])
            controls = SIMD2(numbers[5], numbers[6])
        }

        /// What ranks send.
        var numbers: SIMD8<Double> { SIMD8(error, spread, prior, reconstruction, chain, controls.x, controls.y, 0) }
    }

    /// The schedule between the visited times.
    let chain: NoiseSchedule
    let times: [Int]
    var draws: Int { settings.draws }
    /// ν at the last level; nil: N(0, I).
    private let prior: GaussianMixture?
    private let settings: DenoisingLikelihood.Settings

    /// Where there is more noise, a pixel by itself is not worth a look.
    private static let leastReconstructed = 4.0

    init(
        _ chain: NoiseSchedule, _ times: [Int], _ prior: GaussianMixture?, _ settings: DenoisingLikelihood.Settings
    ) {
        (self.chain, self.times, self.prior, self.settings) = (chain, times, prior, settings)
    }

    /// Of each sample of `tile` at a level.
    func terms(
        _ samples: SpreadSkill.Samples, _ tile: Range<Int>, level: Int, _ estimate: SpreadSkill.Estimator
    ) throws -> [Term] {
        let (size, t) = (samples.elements, times[level])
        let places = Array(samples.places[tile])
        let x0 = Array(samples.values[tile.lowerBound * size..<tile.upperBound * size])
        func normals(_ kind: Int) -> [Float] {
            Draw("noise", .likelihood, .normal, elements: size).values(
                seed: settings.seed, at: places.map { (2 * t + kind, $0) })
        }
        let noise = normals(0)
        let alphaBar = chain.alphaBars[level]
        let (signal, deviation) = (Float(alphaBar.squareRoot()), Float((1 - alphaBar).squareRoot()))
        let xt = zip(x0, noise).map { signal * $0 + deviation * $1 }
        let estimates = try (0..<settings.draws).map { draw in
            let estimate = try estimate(xt, t, places, draw)
            guard estimate.allSatisfy(\.isFinite) else {
                throw EvaluationError("the estimate of x0 at t = \(t) is not finite: the checkpoint is of no use")
            }
            return settings.clips ? estimate.map { min(1, max(-1, $0)) } : estimate
        }
        let step = level > 0 ? normals(1) : []
        return tile.indices.map { index in
            let part = (index - tile.lowerBound) * size..<(index - tile.lowerBound + 1) * size
            return term(
                x0[part], noise[part], xt[part], estimates.map { $0[part] },
                step: step.isEmpty ? [] : step[part], level)
        }
    }

    private func term(
        _ x0: ArraySlice<Float>, _ noise: ArraySlice<Float>, _ xt: ArraySlice<Float>, _ estimates: [ArraySlice<Float>],
        step: ArraySlice<Float>, _ level: Int
    ) -> Term {
        let (alphaBar, size) = (chain.alphaBars[level], Double(x0.count))
        let signalToNoise = chain.signalToNoise(level)
        var term = Term()
        let (error, variance) = Self.squares(x0, estimates)
        term.spread = signalToNoise * variance
        term.error = signalToNoise * error - term.spread / Double(estimates.count)
        for (x, n) in zip(x0, noise) { term.controls += Double(n) * SIMD2(Double(n), Double(x)) }
        term.controls.x -= size
        if level == times.count - 1 { term.prior = priorTerm(x0, noise, xt, alphaBar) }
        if !settings.isDiscrete {
            term.reconstruction = size / 2 * (log(2 * Double.pi) + 1 - log(signalToNoise))
        } else if level == 0 || log(signalToNoise) > Self.leastReconstructed {
            term.reconstruction = Self.pixels(x0, noise, deviation: 1 / signalToNoise.squareRoot())
        }
        if level > 0 {
            let factor = chain.posteriorMeanX0[level] / chain.posteriorVariance[level].squareRoot()
            let squares = step.reduce(0) { $0 + Double($1) * Double($1) }
            term.chain = -squares / 2 - Self.logMean(x0, estimates, factor: factor, step)
        } else if settings.isDiscrete {
            term.chain = term.reconstruction
        } else {
            let still = ArraySlice([Float](repeating: 0, count: x0.count))
            term.chain =
                size / 2 * log(2 * Double.pi / signalToNoise)
                - Self.logMean(x0, estimates, factor: signalToNoise.squareRoot(), still)
        }
        return term
    }

    /// ‖x_0 − x̄‖² of the mean over draws, and their unbiased variance, summed over elements; 0 of one draw.
    private static func squares(
        _ x0: ArraySlice<Float>, _ estimates: [ArraySlice<Float>]
    ) -> (error: Double, variance: Double) {
        let count = Double(estimates.count)
        var (error, variance) = (0.0, 0.0)
        for i in x0.indices {
            let at = estimates.map { Double($0[$0.startIndex + i - x0.startIndex]) }
            let mean = at.reduce(0, +) / count
            error += (Double(x0[i]) - mean) * (Double(x0[i]) - mean)
            if at.count > 1 { variance += at.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1) }
        }
        return (error, variance)
    }

    /// ln 1/K Σ_k exp(−½ ‖n + factor · (x_0 − x̂_k)‖²).
    private static func logMean(
        _ x0: ArraySlice<Float>, _ estimates: [ArraySlice<Float>], factor: Double, _ noise: ArraySlice<Float>
    ) -> Double {
        let terms = estimates.map { estimate in
            var sum = 0.0
            for ((x, estimate), n) in zip(zip(x0, estimate), noise) {
                let distance = Double(n) + factor * (Double(x) - Double(estimate))
                sum += distance * distance
            }
            return -sum / 2
        }
        return logSumExp(terms) - log(Double(terms.count))
    }

    /// KL(q(x_T|x) ‖ N(0, I)), or one draw's ln q(x_T|x) − ln ν(x_T).
    private func priorTerm(
        _ x0: ArraySlice<Float>, _ noise: ArraySlice<Float>, _ xt: ArraySlice<Float>, _ alphaBar: Double
    ) -> Double {
        func squares(_ x: ArraySlice<Float>) -> Double { x.reduce(0) { $0 + Double($1) * Double($1) } }
        let size = Double(x0.count)
        guard let prior else { return (alphaBar * (squares(x0) - size) - size * log1p(-alphaBar)) / 2 }
        let own = -(squares(noise) + size * log(2 * Double.pi * (1 - alphaBar))) / 2
        return own - prior.logDensity(xt.map(Double.init))
    }

    /// −ln of the softmax over the 256 values v of `−(z − v)²/2σ²`, z = x_0 + σ ε, at x_0: summed over elements.
    ///
    /// - Parameter deviation: σ.
    static func pixels(_ x0: ArraySlice<Float>, _ noise: ArraySlice<Float>, deviation: Double) -> Double {
        // In units of σ values are this far apart; what is farther than 9 has no weight.
        let step = 2.0 / 255 / deviation
        var sum = 0.0
        for (x, n) in zip(x0, noise) {
            let (value, epsilon) = (Int(((Double(x) + 1) * 127.5).rounded()), Double(n))
            let first = max(-value, Int(((epsilon - 9) / step).rounded(.up)))
            let last = min(255 - value, Int(((epsilon + 9) / step).rounded(.down)))
            let own = epsilon * epsilon / 2
            var whole = 0.0
            for j in min(first, 0)...max(last, 0) {
                let distance = epsilon - Double(j) * step
                whole += exp(own - distance * distance / 2)
            }
            sum += log(whole)
        }
        return sum
    }
}
