import Diffusion
import Evaluation
import Foundation
import Philox
import Testing
import Mixtures

/// Bounds of −ln p from exact denoisers, against −ln p.
@Suite struct DenoisingLikelihoodTests {
    /// λ from `max` to `min` in equal steps.
    private func schedule(_ max: Double, _ min: Double, _ levels: Int) -> NoiseSchedule {
        NoiseSchedule(logSNRs: (0..<levels).map { max + (min - max) * Double($0) / Double(levels - 1) })
    }

    private func points(_ law: GaussianMixture, _ count: Int) -> SpreadSkill.Samples {
        let draws = MixtureDraws(seed: 4, .data, dimension: law.dimension)
        return SpreadSkill.Samples(
            (0..<count).flatMap { law.draw(draws, round: 0, $0).x.map { Float($0) } }, places: Array(0..<count),
            elements: law.dimension, channels: law.dimension)
    }

    private func measure(
        _ law: GaussianMixture, _ schedule: NoiseSchedule, count: Int, draws: Int = 1, isDraw: Bool = false,
        batch: Int = 256, prior: GaussianMixture? = nil, times: [Int]? = nil
    ) throws -> DenoisingLikelihood {
        let oracle = MixtureOracle(law, schedule)
        var settings = DenoisingLikelihood.Settings()
        (settings.draws, settings.batch) = (draws, batch)
        return try DenoisingLikelihood.measure(
            points(law, count), schedule, times: times ?? Array(0..<schedule.timesteps), prior: prior, settings, alone()
        ) { oracle.estimates(xt: $0, $1, places: $2, draw: $3, isDraw: isDraw, seed: 9) }
    }

    /// How far the bounds lie above −ln p, of the same samples.
    private func excess(_ bounds: [Double], _ law: GaussianMixture) -> Estimate {
        let draws = MixtureDraws(seed: 4, .data, dimension: law.dimension)
        return Estimate(
            meanOf: bounds.enumerated().map { $1 + law.logDensity(law.draw(draws, round: 0, $0).x) })
    }

    static let correlated = -0.4950 / 0.5050

    /// ln 49 + ln(2πe · 0.0009) = −0.2834, and ln 2πe + ½ ln(1 − r²) = 1.2185.
    @Test(arguments: [(true, -0.2834), (false, 1.2185)])
    func densities(isGrid: Bool, entropy: Double) throws {
        let law =
            try isGrid
            ? PlainMixture.grid()
            : GaussianMixture(
                weights: [1], means: [0, 0], covariances: [1, Self.correlated, Self.correlated, 1], dimension: 2)
        let result = try measure(law, schedule(16, -8, 121), count: 5000)
        let excess = excess(result.perSample, law)
        #expect(abs(excess.value) < 0.01 + 2 * (excess.error ?? 1) && (excess.error ?? 1) < 0.01, "\(excess)")
        #expect(abs(result.nats.value - entropy) < 4 * (result.nats.error ?? 1), "\(result.nats)")
        // The chain of means is a bound, too, and takes each error for the whole step from the noisier side.
        let chain = result.chain.value - result.nats.value
        #expect(chain > 0.1 && chain < 3, "\(chain)")
    }

    /// A narrow range of λ cannot end lower than the truth: its last level is a Gaussian around x_t.
    @Test func whatLiesBeyondTheLastLevelCosts() throws {
        let law = try PlainMixture.grid()
        let result = try measure(law, schedule(6.9, -8, 80), count: 600)
        let excess = excess(result.perSample, law)
        // Exactly E ½ ∫_6.9^∞ (d − m) dλ, m = d σ(λ + ln 0.0009) as good as alone: ln(1 + e^−6.9/0.0009).
        #expect(abs(excess.value - log(1 + exp(-6.9) / 0.0009)) < 0.01 + 3 * (excess.error ?? 1), "\(excess)")
    }

    /// Of draws of x_0 | x_t the mean is judged, whatever their number.
    @Test(arguments: [2, 5]) func drawsAreJudgedByTheirMean(draws: Int) throws {
        let law = try PlainMixture.line.mixture
        let levels = schedule(12, -8, 81)
        let (mean, drawn) = (
            try measure(law, levels, count: 2000), try measure(law, levels, count: 2000, draws: draws, isDraw: true)
        )
        let pairs = Estimate(meanOf: zip(drawn.perSample, mean.perSample).map { $0 - $1 })
        #expect(abs(pairs.value) < 3.5 * (pairs.error ?? 1) && (pairs.error ?? 1) < 0.05, "\(pairs)")
        #expect(mean.levels.allSatisfy { $0.spread == 0 } && drawn.levels[40].spread > 0.01)
    }

    /// A few wide steps: the bound of the draws falls with their number to the truth, that of the mean does not reach it.
    @Test func chainOfDrawsIsTightenedByMore() throws {
        let law = try PlainMixture.line.mixture
        let levels = schedule(9, -8, 9)
        var last = Estimate(.infinity)
        for draws in [1, 8, 64] {
            let result = try measure(law, levels, count: 2000, draws: draws, isDraw: true)
            let chain = Estimate(
                result.chain.value - result.nats.value + excess(result.perSample, law).value,
                error: result.chain.error)
            #expect(chain.value > -3 * (chain.error ?? 1) && chain.value < last.value, "\(draws): \(chain) \(last)")
            last = chain
        }
        #expect(last.value < 0.4, "\(last)")
    }

    /// With the noised data themselves for ν, a schedule may end anywhere.
    @Test func priorOfAHorizon() throws {
        let law = try PlainMixture.plane.mixture
        let levels = schedule(14, 0, 113)
        let noised = law.noised(levels.alphaBars[112])
        let (plain, own) = (
            try measure(law, levels, count: 800), try measure(law, levels, count: 800, prior: noised)
        )
        let (above, exact) = (excess(plain.perSample, law), excess(own.perSample, law))
        #expect(abs(exact.value) < 0.01 + 3 * (exact.error ?? 1), "\(exact)")
        #expect(above.value > 0.02, "\(above)")
    }

    /// Four pixels, each a normal law over the 256 values: −ln P is a sum, and the best denoiser another.
    @Test func pixels() throws {
        let values = (0..<256).map { Double(2 * $0 - 255) / 255 }
        let weights = values.map { exp(-($0 - 0.1) * ($0 - 0.1) / 2 / 0.04) }
        let sum = weights.reduce(0, +)
        let cumulative = weights.reduce(into: [Double]()) { $0.append(($0.last ?? 0) + $1 / sum) }
        let stream = RandomStream(seed: 3, purpose: .data)
        let pixels = (0..<4 * 500).map { i in
            let u = stream.uniform(epoch: 0, position: i)
            return cumulative.firstIndex { $0 > u } ?? 255
        }
        let samples = SpreadSkill.Samples(
            pixels.map { Float(values[$0]) }, places: Array(0..<500), elements: 4, channels: 1)
        let levels = schedule(13, -10, 116)
        var settings = DenoisingLikelihood.Settings()
        (settings.isDiscrete, settings.batch, settings.clips) = (true, 100, true)
        let result = try DenoisingLikelihood.measure(samples, levels, times: Array(0..<116), settings, alone()) {
            xt, t, _, _ in
            let (signal, variance) = (levels.alphaBars[t].squareRoot(), 1 - levels.alphaBars[t])
            return xt.map { x in
                let terms = values.indices.map { k -> Double in
                    let distance = Double(x) - signal * values[k]
                    return log(weights[k]) - distance * distance / 2 / variance
                }
                let most = terms.max() ?? 0
                let shares = terms.map { exp($0 - most) }
                return Float(zip(shares, values).reduce(0) { $0 + $1.0 * $1.1 } / shares.reduce(0, +))
            }
        }
        let exact = (0..<500).map { n in
            pixels[4 * n..<4 * (n + 1)].reduce(0) { $0 - log(weights[$1] / sum) }
        }
        let excess = Estimate(meanOf: zip(result.perSample, exact).map { $0 - $1 })
        #expect(
            abs(excess.value) < 0.02 + 3 * (excess.error ?? 1) && (excess.error ?? 1) < 0.06, "\(excess) \(result.ends)"
        )
        #expect(result.bitsPerDimension(Estimate(4 * log(2), error: nil)).value == 1)
    }

    @Test func figuresDoNotDependOnTheBatch() throws {
        let law = try PlainMixture.line.mixture
        let levels = schedule(9, -8, 20)
        let found = try [7, 100].map { try measure(law, levels, count: 60, draws: 3, isDraw: true, batch: $0) }
        #expect(found[0].perSample == found[1].perSample && found[0].chain == found[1].chain)
        #expect(found[0].levels == found[1].levels)
        #expect(throws: EvaluationError.self) {
            var settings = DenoisingLikelihood.Settings()
            settings.batch = 10
            _ = try DenoisingLikelihood.measure(
                points(law, 20), levels, times: [0, 19], settings, alone()
            ) { xt, _, _, _ in xt.map { _ in .nan } }
        }
    }
}
