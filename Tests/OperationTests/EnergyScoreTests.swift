import Foundation
import ReferenceBackend
import TensorGraph
import TestSupport
import Testing

/// The energy score against what it is in cases that can be worked out; the fast kernel is compared with the reference
/// elsewhere.
@Suite struct EnergyScoreTests {
    private func score(
        _ score: EnergyScore, draws: [[Double]], truth: [Double], energyWeight: Double = 1, errorWeight: Double = 0
    ) -> Double {
        evaluate(
            .energyScore(score),
            [
                ReferenceTensor([draws.count, 1, 1, truth.count], draws.flatMap { $0 }),
                ReferenceTensor([1, 1, 1, truth.count], truth), ReferenceTensor([1], [energyWeight]),
                ReferenceTensor([1], [errorWeight]),
            ], outputShapes: [[1]])[0].values[0]
    }

    @Test func equalDrawsGiveTheDistance() {
        // (3, 4) away from 0 in two numbers: root mean square √12.5.
        let setting = EnergyScore(draws: 3, exponent: 1, repulsion: 0.8, softening: 1e-4)
        let value = score(setting, draws: [[3, 4], [3, 4], [3, 4]], truth: [0, 0])
        #expect(abs(value - (12.5.squareRoot() - 0.8 / 2 * 1e-4)) < 1e-8)
    }

    @Test func twoDrawsByHand() {
        // |1 − 0| and |3 − 0|, half of |1 − 3|: (1 + 3)/2 − 2/2.
        let value = score(EnergyScore(draws: 2, softening: 1e-9), draws: [[1], [3]], truth: [0])
        #expect(abs(value - 1) < 1e-12)
        // The error beside it: (1 + 9)/2.
        let error = score(
            EnergyScore(draws: 2), draws: [[1], [3]], truth: [0], energyWeight: 0, errorWeight: 3)
        #expect(abs(error - 15) < 1e-12)
    }

    @Test func theOrderOfDrawsDoesNotMatter() {
        let setting = EnergyScore(draws: 3, exponent: 1.3)
        let draws: [[Double]] = [[0.2, -1], [1.5, 0.3], [-0.4, 2]]
        let value = score(setting, draws: draws, truth: [0.1, 0.2])
        #expect(abs(score(setting, draws: [draws[2], draws[0], draws[1]], truth: [0.1, 0.2]) - value) < 1e-14)
    }

    @Test func exponentTwoWithoutRepulsionIsTheSquaredError() {
        let setting = EnergyScore(draws: 2, exponent: 2, repulsion: 0, softening: 1e-9)
        let (draws, truth): ([[Double]], [Double]) = ([[0.2, -1], [1.5, 0.3]], [0.1, 0.2])
        let error = score(setting, draws: draws, truth: truth, energyWeight: 0, errorWeight: 1)
        #expect(abs(score(setting, draws: draws, truth: truth) - error) < 1e-12)
    }

    /// Where draws meet, the softening keeps the gradient finite.
    @Test func gradientsAreFiniteWhereDrawsMeet() {
        let setting = EnergyScore(draws: 3, exponent: 0.1)
        let gradient = evaluate(
            .energyScoreGradient(setting),
            [
                ReferenceTensor([1], [1]), ReferenceTensor([3, 1, 1, 2], [0, 1, 0, 1, 0, 1]),
                ReferenceTensor([1, 1, 1, 2], [0, 1]), ReferenceTensor([1], [1]), ReferenceTensor([1], [0]),
            ], outputShapes: [[3, 1, 1, 2]])[0].values
        #expect(gradient.allSatisfy { $0 == 0 })
    }

    /// Of draws N(0, s²) against N(0, 1) the expected score is √(2/π) (√(1 + s²) − s/√2): least at the true s = 1.
    @Test func trueDrawsHaveTheLeastScore() {
        var random = SplitMix64(seed: 5)
        let count = 40_000
        let truth = random.normals([count, 1, 1, 1])
        let draws = random.normals([2 * count, 1, 1, 1])
        func mean(_ deviation: Double) -> Double {
            let ones = ReferenceTensor([count], repeating: 1)
            let losses = evaluate(
                .energyScore(EnergyScore(draws: 2, softening: 1e-6)),
                [draws.map { $0 * deviation }, truth, ones, ReferenceTensor([count])], outputShapes: [[count]])[0]
            return losses.values.reduce(0, +) / Double(count)
        }
        let means = [0.5, 1, 2].map(mean)
        for (deviation, mean) in zip([0.5, 1, 2], means) {
            let expected =
                (2 / Double.pi).squareRoot() * ((1 + deviation * deviation).squareRoot() - deviation / 2.0.squareRoot())
            #expect(abs(mean - expected) < 0.02)
        }
        #expect(means[1] < means[0] && means[1] < means[2])
    }
}
