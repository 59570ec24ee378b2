import Diffusion
import Evaluation
import Foundation
import Testing
import Mixtures

/// A network's draws against the truth, where the answer is known.
@Suite struct StepJudgeTests {
    private let schedule = NoiseSchedule(kind: .sigmoid, timesteps: 5)

    /// The summary of `count` points at time `t`, with `draws` of each point.
    private func summary(
        _ oracle: MixtureOracle, _ t: Int, count: Int, draws: (_ xt: [Double], _ place: Int) -> [[Double]]
    ) throws -> StepSummary {
        let judge = StepJudge(oracle, t, seed: 1)
        let records = try oracle.noisySamples(t, 0..<count, seed: 1).enumerated().map { place, xt in
            let record = try judge.record(xt, draws: draws(xt, place), number: place)
            let copy = StepRecord(numbers: record.numbers[...])
            #expect(t == 0 || copy == record)
            return record
        }
        return StepSummary(records, dimension: oracle.data.dimension)
    }

    /// Draws of the truth: their variance is right, their mean has no error, and the step that they make is the true one but
    /// for the finite number of draws.
    @Test(arguments: [1, 3]) func trueDraws(t: Int) throws {
        let oracle = MixtureOracle(try PlainMixture.plane.mixture, schedule)
        let (posterior, numbers) = (oracle.posterior(t), MixtureDraws(seed: 6, .headNoise, dimension: 2))
        func found(_ draws: Int) throws -> StepSummary {
            try summary(oracle, t, count: 300) { xt, place in
                (0..<draws).map { posterior.draw(xt, numbers, round: t, place * draws + $0) }
            }
        }
        let (few, many) = (try found(8), try found(200))
        for summary in [few, many] {
            #expect(abs(summary.varianceShare.value - 1) < 4 * (summary.varianceShare.error ?? 0), "\(summary)")
            #expect(abs(summary.meanError.value) < 4 * (summary.meanError.error ?? 0), "\(summary)")
        }
        // From above, and less so with more draws.
        let (first, second) = (try #require(few.divergence), try #require(many.divergence))
        #expect(first.value > second.value && second.value > -3 * (second.error ?? 0) && second.value < 0.05)
        #expect(abs(many.deviation - oracle.leastSquaredError(t, count: 300, seed: 1).value.squareRoot()) < 1e-9)
    }

    /// A collapsed network on Gaussian data: p is N(mean, β̃), q is N(mean, v): KL = ½ (v/β̃ − 1 − ln v/β̃).
    @Test(arguments: [1, 2, 4]) func collapsedDraws(t: Int) throws {
        let single = try GaussianMixture(weights: [1], means: [0.3], covariances: [0.5], dimension: 1)
        let oracle = MixtureOracle(single, schedule)
        let found = try summary(oracle, t, count: 2000) { xt, _ in
            [[Double]](repeating: oracle.posterior(t).mean(xt), count: 2)
        }
        let ratio = oracle.step(t).variance([0]) / schedule.posteriorVariance[t]
        let divergence = try #require(found.divergence)
        #expect(found.varianceShare.value == 0 && abs(found.meanError.value) < 1e-20)
        #expect(
            abs(divergence.value - 0.5 * (ratio - 1 - log(ratio))) < 4 * (divergence.error ?? 0),
            "\(divergence) \(ratio)")
        #expect(abs(found.gaussianDivergence.value) < 1e-9)
        #expect(found.componentEntropy.value == 0)
    }

    /// Draws that are all beside the mean by 0.2: its square, over the true variance.
    @Test func shiftedDraws() throws {
        let oracle = MixtureOracle(try PlainMixture.plane.mixture, schedule)
        let found = try summary(oracle, 0, count: 200) { xt, _ in
            let mean = oracle.posterior(0).mean(xt)
            return [[Double]](repeating: [mean[0] + 0.2, mean[1]], count: 3)
        }
        #expect(isClose(found.meanError.value, 0.04 / (2 * found.deviation * found.deviation), 1e-9))
        // At the last step x_{t−1} is the sample itself, and β̃ = 0.
        #expect(found.divergence == nil)
        #expect(found.gaussianDivergence.value > 3 * (found.gaussianDivergence.error ?? 0))
    }
}
