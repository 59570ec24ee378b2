import Evaluation
import Foundation
import Testing
import Mixtures

/// Distances of samples against public implementations: scipy 1.17.1, POT 0.9.7 (`emd2_1d`, `sliced_wasserstein_distance`)
/// and, for energy distance and MMD in the plane, numpy over all pairs, with the points of ``points(_:_:_:_:)``.
@Suite struct PointMetricTests {
    private static func points(_ count: Int, _ a: Double, _ b: Double, _ c: Double) -> PointSet {
        var values: [Double] = []
        for i in (0..<count).map(Double.init) {
            let (height, shift) = (1 + 0.1 * c, 0.2 * c)
            values += [sin(a * i + c), cos(b * i) * height + shift]
        }
        return PointSet(values, dimension: 2)
    }

    private let x = points(150, 1.3, 0.7, 0)
    private let y = points(150, 0.9, 1.1, 1)
    /// Fewer than `x`.
    private let z = points(120, 0.9, 1.1, 1)

    private func line(_ points: PointSet) -> PointSet {
        PointSet((0..<points.count).map { points[$0][0] }, dimension: 1)
    }

    @Test func transportOnTheLine() {
        func cost(_ a: PointSet, _ b: PointSet, _ power: Int) -> Double {
            transportCost(line(a).values.sorted(), line(b).values.sorted(), power: power)
        }
        #expect(isClose(cost(x, y, 1), 0.081692104852112, 1e-12))
        #expect(isClose(cost(x, z, 1), 0.0979249820690782, 1e-12))
        #expect(isClose(cost(x, y, 2), 0.010542457173856386, 1e-12))
        #expect(isClose(cost(x, z, 2), 0.015612379538988306, 1e-12))
        #expect(isClose(transportCost([0], [1, 2, 6], power: 1), 3, 1e-12))
        #expect(cost(x, x, 2) == 0)
    }

    @Test func slicedWasserstein() {
        let directions = (0..<8).map { [cos(Double($0) * Double.pi / 8), sin(Double($0) * Double.pi / 8)] }
        for (power, other, expected) in [
            (1, y, 0.14647439045806618), (2, y, 0.16876116418551745), (1, z, 0.14379654406218503),
            (2, z, 0.16616552646424507),
        ] {
            let found = SlicedWasserstein(power: power, directions: directions)(x, other)
            #expect(isClose(found, expected, 1e-12), "\(power): \(found)")
        }
        // On the line a direction is a sign.
        let signs = SlicedWasserstein.directions(5, dimension: 1, seed: 3)
        #expect(signs.allSatisfy { abs($0[0]) == 1 })
        #expect(isClose(SlicedWasserstein(power: 1, directions: signs)(line(x), line(z)), 0.0979249820690782, 1e-12))
        let many = SlicedWasserstein.directions(500, dimension: 3, seed: 3)
        for axis in 0..<3 {
            #expect(abs(Estimate(meanOf: many.map { $0[axis] * $0[axis] }).value - 1.0 / 3) < 0.05)
        }
    }

    @Test func energyDistances() {
        #expect(isClose(energyDistance(line(x), line(y)), 0.09356225645867675, 1e-10))
        #expect(isClose(energyDistance(line(x), line(z)), 0.11307571086756689, 1e-10))
        #expect(isClose(energyDistance(x, y), 0.18564937891998726, 1e-10))
        #expect(isClose(energyDistance(x, z), 0.1807096111414673, 1e-10))
        #expect(energyDistance(x, x) < 1e-7)
    }

    @Test func maximumMeanDiscrepancy() {
        let metric = MaximumMeanDiscrepancy(medianOf: y)
        #expect(isClose(metric.bandwidth, 1.3881049379019013, 1e-12))
        #expect(isClose(metric(x, y).value, 0.005090722271743564, 1e-12))
        #expect(isClose(metric(x, z).value, 0.0034238591865951573, 1e-12))
        #expect(MaximumMeanDiscrepancy(medianOf: PointSet([2, 2, 2], dimension: 1)).bandwidth == 1)
    }

    /// The error against the spread of 60 comparisons, for laws that differ and for one law (where it is too large).
    @Test(arguments: [0.0, 0.3]) func errorOfMMD(shift: Double) throws {
        let truth = try PlainMixture.plane.mixture
        let metric = MaximumMeanDiscrepancy(medianOf: truth.samples(300, seed: 0, round: 1000))
        let all = (0..<60).map { round in
            let moved = truth.samples(100, seed: 1, round: 2 * round).values.map { $0 + shift }
            return metric(PointSet(moved, dimension: 2), truth.samples(150, seed: 1, round: 2 * round + 1))
        }
        let spread = try #require(Estimate(meanOf: all.map(\.value)).error) * Double(60).squareRoot()
        let stated = Estimate(meanOf: all.map { $0.error ?? 0 }).value
        #expect(stated / spread > 0.75 && stated / spread < (shift == 0 ? 1.8 : 1.3), "\(stated) \(spread)")
        if shift == 0 {
            #expect(abs(Estimate(meanOf: all.map(\.value)).value) < 3.5 * spread / Double(60).squareRoot())
        }
    }

    @Test func sharesOfModes() throws {
        // Standard deviations 1 and 0.1, means 0 and 10; w = ¼, ¾.
        let truth = try GaussianMixture(weights: [1, 3], means: [0, 10], covariances: [1, 0.01], dimension: 1)
        // Inside: 3.9 of the first, 10.3 and 9.7 of the second. Not: −4.1, 9 (ten deviations from the second, nine from the
        // first), 11.
        let shares = ModeShares(PointSet([3.9, -4.1, 10.3, 9.7, 9, 11, 10, 10], dimension: 1), truth)
        #expect(shares.inside.value == 5.0 / 8 && shares.hit == 2)
        // Three of eight (3.9, −4.1, 9) are rather of the first.
        #expect(isClose(shares.totalVariation, 3.0 / 8 - 0.25, 1e-12))
        #expect(ModeShares(PointSet([0, 0.1], dimension: 1), truth).hit == 1)
    }

    /// Of true samples the negative log-likelihood is the entropy: of one Gaussian known.
    @Test func likelihood() throws {
        let single = try GaussianMixture(weights: [1], means: [1, 2], covariances: [0.2, 0.1, 0.1, 0.3], dimension: 2)
        let found = try #require(negativeLogLikelihood(single.samples(20_000, seed: 4, round: 0), single))
        let entropy = 1 + log(2 * Double.pi) + 0.5 * log(0.2 * 0.3 - 0.01)
        #expect(abs(found.value - entropy) < 4 * (found.error ?? 0), "\(found) \(entropy)")
    }

    @Test func rectangles() {
        let board = UniformRectangles(corners: [[0, 0], [2, 2]], sides: [1, 2])
        let samples = board.samples(4000, seed: 1, round: 0)
        let shares = ModeShares(samples, board)
        #expect(shares.inside.value == 1 && shares.hit == 2 && shares.totalVariation < 0.03)
        #expect(isClose(negativeLogLikelihood(samples, board)?.value ?? 0, log(4), 1e-12))
        #expect(negativeLogLikelihood(PointSet([5, 5], dimension: 2), board) == nil)
        // Uniform along an axis: mean ½, variance 1/12.
        let along = (0..<samples.count).map { samples[$0][0] - board.corners[board.component(of: samples[$0])][0] }
        #expect(abs(Estimate(meanOf: along).value - 0.5) < 0.02)
        #expect(abs(Estimate(meanOf: along.map { ($0 - 0.5) * ($0 - 0.5) }).value - 1.0 / 12) < 0.004)
    }
}
