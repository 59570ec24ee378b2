import Diffusion
import Evaluation
import Foundation
import HDF5
import LinearAlgebra
import TestSupport
import Testing
import Mixtures

/// What it costs to begin early, and the fits of what is begun with.
@Suite struct PriorTests {
    private let schedule = NoiseSchedule(kind: .linear, timesteps: 100)

    private func draws(_ law: GaussianMixture, _ count: Int, seed: UInt64 = 4) -> Matrix {
        let places = MixtureDraws(seed: seed, .data, dimension: law.dimension)
        return Matrix(
            (0..<count).flatMap { law.draw(places, round: 0, $0).x }, rows: count, columns: law.dimension)
    }

    /// KL to N(0, I) and to the matched Gaussian on the 7×7 grid, twice the integral over an axis: 400,001 points of the
    /// trapezoidal rule on −9 … 9 (numpy 2.4.6).
    @Test func costsOfHorizonsOnTheGrid() throws {
        let exact = [
            (9, 0.258196313297, 0.0637407103917), (19, 0.0958128440139, 0.00433348356907),
            (29, 0.0287471930237, 0.000187318034941), (39, 0.00608173410273, 5.45505900195e-06),
        ]
        let gap = try PriorGap(
            .law(PlainMixture.grid(), count: 160_000), schedule, prior: PlainMixture.grid(), seed: 1, alone())
        let rows = try gap.rows(exact.map(\.0))
        for (row, (t, normal, gaussian)) in zip(rows, exact) {
            #expect(row.timestep == t)
            #expect(agree(row.normal.value, normal, to: 0.02), "\(row)")
            // Of draws: within four of their deviations, which are small beside what is measured.
            let error = try #require(row.gaussian.error)
            #expect(abs(row.gaussian.value - gaussian) < 4 * error, "\(row)")
            #expect(error < gaussian / (t < 39 ? 30 : 10), "\(row)")
            // The mixture itself costs nothing.
            #expect(abs(row.prior?.value ?? 1) < 1e-9)
        }
        // By the same integrals: 0.00094 at t = 24 and 0.0010 or more before; 0.00087 at t = 49.
        #expect(try gap.shortest(below: 0.001, known: rows) { $0.gaussian }?.timestep == 24)
        #expect(try gap.shortest(below: 0.001, known: rows) { $0.normal } == nil)
        let more = rows + (try gap.rows([99]))
        #expect(try gap.shortest(below: 0.001, known: more) { $0.normal }?.timestep == 49)
    }

    /// Of samples costs are those of a mixture of as many Gaussians: from above, and right where noise is wide.
    @Test func costsOfSamples() throws {
        let law = try PlainMixture.plane.mixture
        let points = draws(law, 1500)
        let known = try PriorGap(.law(law, count: 20_000), schedule, prior: nil, seed: 1, alone()).rows([2, 30, 60])
        let found = try PriorGap(.samples(points), schedule, prior: nil, seed: 1, alone()).rows([2, 30, 60])
        #expect(found[0].gaussian.value > known[0].gaussian.value)
        for i in 1..<3 {
            #expect(abs(found[i].normal.value - known[i].normal.value) < 0.1 * known[i].normal.value + 1e-3, "\(i)")
        }
        // The same numbers by the plainest sum, of the mixture that the samples are.
        let some = draws(law, 40)
        let kernels = try GaussianMixture(
            weights: [Double](repeating: 1, count: 40), means: some.elements,
            covariances: [Double](repeating: 0, count: 160), dimension: 2)
        let alphaBar = schedule.alphaBars[20]
        let xt = draws(law, 7, seed: 8)
        let sums = NoisedData.samples(some).logDensities(xt, alphaBar: alphaBar)
        for i in 0..<7 {
            let x = Array(xt.elements[2 * i..<2 * i + 2])
            #expect(isClose(sums[i], kernels.noised(alphaBar).logDensity(x), 1e-9))
        }
    }

    /// Log densities by products of matrices are those of the formula, in two and in forty dimensions.
    @Test func densitiesOfRows() throws {
        let plane = try PlainMixture.plane.mixture
        let rows = draws(plane, 9)
        for (i, value) in plane.logDensities(rows: rows).enumerated() {
            #expect(isClose(value, plane.logDensity(Array(rows.elements[2 * i..<2 * i + 2])), 1e-12))
        }
        // A chain: Σ = 0.5^|i − j|, whose inverse has three diagonals and whose determinant is (1 − ¼)^(D − 1).
        let size = 40
        let covariance = (0..<size).flatMap { i in (0..<size).map { pow(0.5, Double(abs(i - $0))) } }
        let chain = try GaussianMixture(
            weights: [1], means: [Double](repeating: 0.2, count: size), covariances: covariance, dimension: size)
        let x = (0..<size).map { sin(Double($0)) }
        let moved = x.map { $0 - 0.2 }
        let form =
            moved[0] * moved[0]
            + (1..<size).reduce(0) { $0 + pow(moved[$1] - 0.5 * moved[$1 - 1], 2) / 0.75 }
        let exact = -0.5 * (form + Double(size) * log(2 * Double.pi) + Double(size - 1) * log(0.75))
        #expect(isClose(chain.logDensity(x), exact, 1e-10))
        #expect(isClose(chain.logDensities(rows: Matrix(x, rows: 1, columns: size))[0], exact, 1e-10))
        #expect(zip(chain.covariances, covariance).allSatisfy { abs($0 - $1) < 1e-12 })
    }

    /// Of a Gaussian the moments, over n; of rank 1 in the plane the larger variance and what is left, which keeps the trace.
    @Test func gaussianOfSamples() throws {
        let points = Matrix([0, 0, 2, 2, 4, 1, 2, 5], rows: 4, columns: 2)
        let fitted = try GaussianMixture(matching: points, alone())
        #expect(zip(fitted.means, [2, 2]).allSatisfy { isClose($0, $1, 1e-12) })
        // Deviations (−2, −2), (0, 0), (2, −1), (0, 3): sums of products 8, 2, 14.
        #expect(zip(fitted.covariances, [2, 0.5, 0.5, 3.5]).allSatisfy { isClose($0, $1, 1e-12) })
        let wide = try GaussianMixture(matching: points, widening: 0.1, alone())
        #expect(isClose(wide.covariances[0], 2 + 0.1 * 2.75, 1e-12) && isClose(wide.covariances[1], 0.5, 1e-12))
        let flat = fitted.reduced(toRank: 0)
        #expect(zip(flat.covariances, [2.75, 0, 0, 2.75]).allSatisfy { isClose($0, $1, 1e-12) })
        #expect(zip(fitted.reduced(toRank: 2).covariances, fitted.covariances).allSatisfy { isClose($0, $1, 1e-12) })
    }

    /// Three Gaussians are found again to the accuracy of 6,000 points, likelihood only rises, and the same comes out twice.
    @Test func mixtureIsFoundAgain() throws {
        let law = try PlainMixture.plane.mixture
        let points = draws(law, 6000)
        var settings = PriorFit.Settings(components: 3)
        (settings.tries, settings.seed, settings.tolerance) = (2, 5, 1e-8)
        let fit = try PriorFit(points, settings)
        #expect(zip(fit.logLikelihoods, fit.logLikelihoods.dropFirst()).allSatisfy { $1 > $0 - 1e-9 })
        let held = draws(law, 6000, seed: 77)
        let (own, truth) = (fit.mixture.logDensities(rows: held), law.logDensities(rows: held))
        let loss = Estimate(meanOf: zip(truth, own).map { $0 - $1 })
        // 17 parameters of 6,000 points cost about 17/12,000 nats.
        #expect(loss.value < 0.005, "\(loss)")
        for k in 0..<3 {
            let mean = Array(law.means[2 * k..<2 * k + 2])
            let nearest = (0..<3).min { a, b in
                func far(_ j: Int) -> Double {
                    pow(fit.mixture.means[2 * j] - mean[0], 2) + pow(fit.mixture.means[2 * j + 1] - mean[1], 2)
                }
                return far(a) < far(b)
            }
            let found = try #require(nearest)
            #expect(abs(fit.mixture.weights[found] - law.weights[k]) < 0.03)
            for axis in 0..<2 { #expect(abs(fit.mixture.means[2 * found + axis] - mean[axis]) < 0.05) }
        }
        #expect(try PriorFit(points, settings).mixture == fit.mixture)
        let copies = Matrix([Double](repeating: 1, count: 20), rows: 10, columns: 2)
        #expect(throws: EvaluationError.self) { try PriorFit(copies, settings) }
        #expect(throws: EvaluationError.self) { try PriorFit(Matrix([1, 2], rows: 1, columns: 2), settings) }
    }

    /// All modes of the grid are found.
    @Test func gridIsFoundAgain() throws {
        let law = try PlainMixture.grid()
        var settings = PriorFit.Settings(components: 49)
        settings.tries = 2
        let fit = try PriorFit(draws(law, 4000), settings)
        let held = draws(law, 4000, seed: 77)
        let loss = Estimate(
            meanOf: zip(law.logDensities(rows: held), fit.mixture.logDensities(rows: held)).map { $0 - $1 })
        // 293 parameters of 4,000 points: about 0.037 nats where all modes are found.
        #expect(loss.value < 0.08, "\(loss)")
    }

    /// 30 of 100 steps that begin with the matched Gaussian are as good as all of them, and 10 that begin with N(0, I) are not.
    @Test func samplingFromAHorizon() throws {
        let law = try PlainMixture.grid()
        var settings = DiffusionConfiguration()
        (settings.schedule, settings.timesteps, settings.samplingSteps) = (.linear, 100, 100)
        (settings.sampler, settings.clipDenoised) = (.ancestral, false)
        let count = 4000
        func distance(horizon: Int, prior: GaussianMixture?) throws -> Double {
            var own = settings
            if horizon > 0 { (own.horizon, own.samplingSteps) = (horizon, horizon) }
            let sampler = try OracleSampler(law, Sampler(own), .posterior)
            let points = try sampler.samples(0..<count, seed: 3, prior: prior).map(Double.init)
            let comparison = try PointComparison(
                PointSet(points, dimension: 2), with: .truth(law), PointComparison.Settings())
            return try #require(comparison.figures.first?.samples?.value)
        }
        let matched = try GaussianMixture(matching: draws(law, 4000), alone())
        let (whole, early) = (try distance(horizon: 0, prior: nil), try distance(horizon: 30, prior: matched))
        // Of 4,000 true points against others the sliced distance is about 0.015 ± 0.004.
        #expect(whole < 0.03 && early < 0.03, "\(whole) \(early)")
        let (tooEarly, mixture) = (try distance(horizon: 10, prior: nil), try distance(horizon: 10, prior: law))
        #expect(tooEarly > 0.05 && mixture < 0.03, "\(tooEarly) \(mixture)")
    }

    /// A checkpoint keeps a small prior, and of a large one its digest.
    @Test func attributesOfACheckpoint() throws {
        let prior = PriorFile(try PlainMixture.grid())
        let back = try #require(try PriorFile(attributes: prior.attributes))
        #expect(back.digest == prior.digest && back.mixture.means == prior.mixture.means)
        #expect(zip(back.mixture.covariances, prior.mixture.covariances).allSatisfy { abs($0 - $1) < 1e-15 })
        let identity = Matrix(diagonal: [Double](repeating: 1, count: 90))
        let wide = PriorFile(
            try GaussianMixture(
                weights: [1], means: [Double](repeating: 0, count: 90), covariances: identity.elements, dimension: 90))
        #expect(Array(wide.attributes.keys) == ["prior_sha256"])
        #expect(try PriorFile(attributes: wide.attributes)?.digest == nil)
    }

    /// What a checkpoint keeps of a file is what is stored there, not what is computed of it.
    @Test func aCheckpointKeepsTheBitsOfTheFile() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/prior.h5"
            let covariances = (0..<200).flatMap { k -> [Double] in
                let (angle, wide, narrow) = (0.03 * Double(k) + 0.01, 1 + 0.01 * Double(k), 0.1 + 0.003 * Double(k))
                let (c, s) = (cos(angle), sin(angle))
                let across = (wide - narrow) * c * s
                return [wide * c * c + narrow * s * s, across, across, wide * s * s + narrow * c * c]
            }
            let file = try HDF5File.create(path)
            try file.root.write((0..<200).map { Double($0 + 1) / 3 }, shape: [200], to: "prior/weights")
            try file.root.write((0..<400).map(Double.init), shape: [200, 2], to: "prior/means")
            try file.root.write(covariances, shape: [200, 2, 2], to: "prior/covariances")
            try file.close()
            let prior = try PriorFile(path: path)
            #expect(try PriorFile(attributes: prior.attributes)?.digest == prior.digest)
            #expect(prior.attributes["prior_covariances"] == .doubles(covariances))
            try prior.write(to: folder + "/again.h5", replacing: false, attributes: [:])
            #expect(try PriorFile(path: folder + "/again.h5").digest == prior.digest)
        }
    }

    @Test func fileKeepsEveryBit() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/prior.h5"
            let prior = PriorFile(try PlainMixture.plane.mixture)
            try prior.write(to: path, replacing: false, attributes: ["kind": .string("mixture")])
            let back = try PriorFile(path: path)
            #expect(back.mixture.weights == prior.mixture.weights && back.mixture.means == prior.mixture.means)
            #expect(zip(back.mixture.covariances, prior.mixture.covariances).allSatisfy { abs($0 - $1) < 1e-15 })
            #expect(prior.digest.count == 64 && back.digest == prior.digest)
            let bad = folder + "/bad.h5"
            let file = try HDF5File.create(bad)
            try file.root.write([0.5, 0.5], shape: [2], to: "prior/weights")
            try file.root.write([0.0, 1], shape: [2, 1], to: "prior/means")
            try file.root.write([1.0, -1], shape: [2, 1, 1], to: "prior/covariances")
            try file.close()
            #expect { try PriorFile(path: bad) } throws: { "\($0)".contains("covariance 1 is none") }
        }
    }
}
