import Diffusion
import Evaluation
import Testing

/// Samples of the oracle on the 7×7 grid. Expected values were computed apart in numpy (exact posteriors, n = 10,000, 64
/// directions, mean of 3 runs): SW1 between true samples of that size is 0.0099 ± 0.0018, at most 0.0143 in 30 comparisons.
@Suite struct OracleSamplerTests {
    private static func sampler(_ steps: Int, _ kind: SamplerKind = .ancestral, _ objective: Objective = .v) -> Sampler
    {
        var settings = DiffusionConfiguration()
        (settings.timesteps, settings.samplingSteps) = (steps, steps)
        (settings.sampler, settings.objective, settings.clipDenoised) = (kind, objective, false)
        return Sampler(settings)
    }

    private static func figures(
        _ sampler: Sampler, _ estimate: OracleEstimate
    ) throws -> (sw1: Double, inside: Double, variation: Double) {
        let grid = try PlainMixture.grid()
        let samples = try OracleSampler(grid, sampler, estimate).samples(0..<10_000, seed: 5)
        let points = PointSet(samples.map(Double.init), dimension: 2)
        let metric = SlicedWasserstein(
            power: 1, directions: SlicedWasserstein.directions(64, dimension: 2, seed: 0))
        let shares = ModeShares(points, grid)
        return (metric(points, grid.samples(10_000, seed: 1, round: 0)), shares.inside.value, shares.totalVariation)
    }

    /// An exact posterior makes ancestral sampling exact at any number of steps.
    @Test(arguments: [1, 2, 5]) func posteriorDrawsAreExact(steps: Int) throws {
        let found = try Self.figures(Self.sampler(steps), .posterior)
        #expect(found.sw1 < 0.0162, "\(found)")  // mean + 3.5 deviations
        #expect(found.inside > 0.999 && found.variation < 0.04, "\(found)")
    }

    /// DDIM without noise, too, in any step: the law of x_s given a draw of x_0 and x_t.
    @Test func posteriorDrawsAreExactWithDDIM() throws {
        let found = try Self.figures(Self.sampler(5, .ddim), .posterior)
        #expect(found.sw1 < 0.0162 && found.inside > 0.999, "\(found)")
    }

    /// The best single Gaussian of a step: as the table says, within three times the noise of a run and of the table.
    @Test(arguments: [
        (1, SamplerKind.ancestral, OracleEstimate.mean, 0.553), (2, .ancestral, .mean, 0.296),
        (5, .ancestral, .mean, 0.143), (5, .ddim, .mean, 0.112), (1, .ancestral, .gaussian, 0.071),
        (5, .ancestral, .gaussian, 0.043),
    ]) func singleGaussians(steps: Int, kind: SamplerKind, estimate: OracleEstimate, expected: Double) throws {
        let found = try Self.figures(Self.sampler(steps, kind), estimate)
        // A run and the mean of three: 0.0025·√(1 + 1/3).
        #expect(abs(found.sw1 - expected) < 0.009, "\(found)")
        if steps == 5 && kind == .ancestral {
            #expect(abs(found.inside - (estimate == .mean ? 0.39 : 0.37)) < 0.015, "\(found)")
        }
    }

    /// Known facts of the same grid at T = 5: what a step decides, and what is left before the last.
    @Test func informationOfTheGrid() throws {
        let schedule = NoiseSchedule(kind: .sigmoid, timesteps: 5)
        let oracle = MixtureOracle(try PlainMixture.grid(), schedule)
        for (t, expected) in [(4, 0.05), (3, 0.16), (2, 0.40), (1, 0.91)] {
            let found = try #require(oracle.stepInformation(t, count: 8192, seed: 0))
            // The table has two digits.
            #expect(abs(found.value - expected) < 0.005 + 4 * (found.error ?? 0), "\(t): \(found)")
        }
        #expect(abs(oracle.componentEntropy(0, count: 4096, seed: 0).value - 2.40) < 0.03)
        #expect(abs(oracle.leastSquaredError(0, count: 4096, seed: 0).value.squareRoot() - 0.29) < 0.006)
    }

    @Test(arguments: Objective.allCases) func samplesBelongToTheirNumbers(objective: Objective) throws {
        let sampler = Self.sampler(4, .ancestral, objective)
        let oracle = try OracleSampler(PlainMixture.grid(), sampler, .posterior)
        let whole = try oracle.samples(0..<50, seed: 9)
        let parts = try oracle.samples(0..<17, seed: 9, batch: 5) + oracle.samples(17..<50, seed: 9, batch: 16)
        #expect(whole == parts && whole.allSatisfy(\.isFinite))
        #expect(try oracle.samples(0..<50, seed: 8) != whole)
    }
}
