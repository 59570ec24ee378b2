import Diffusion
import Evaluation
import Testing

/// Draws whose spread is known, in the place of a network's.
@Suite struct SpreadSkillTests {
    /// x_0 ~ N(0, 1) in every coordinate, so x_0 | x_t is N(√ᾱ x_t, 1 − ᾱ).
    private let process = ForwardProcess(DiffusionConfiguration())
    private let samples = SpreadSkill.Samples(
        Draw("x0", .data, .normal, elements: 12).values(seed: 7, at: (0..<400).map { (0, $0) }),
        places: Array(0..<400), elements: 12, channels: 3)

    /// With draws whose deviation is `factor` times the true one.
    private func measure(_ factor: Double, draws: Int = 8, batch: Int = 32, shift: Double = 0) throws -> [SpreadSkill] {
        let settings = SpreadSkill.Settings(draws: draws, batch: batch, seed: 3)
        return try SpreadSkill.measure(samples, process, timesteps: [20, 500], settings, alone()) {
            xt, t, places, draw in
            let alphaBar = process.schedule.alphaBars[t]
            let noise = Draw("noise", .samplingEta, .normal, elements: 12).values(
                seed: 5, at: places.map { (draw, $0) })
            return zip(xt, noise).map { x, n in
                Float(alphaBar.squareRoot() * Double(x) + factor * (1 - alphaBar).squareRoot() * Double(n) + shift)
            }
        }
    }

    @Test(arguments: [2, 8])
    func trueDrawsHaveTheSpreadOfTheError(draws: Int) throws {
        for row in try measure(1, draws: draws) {
            let error = try #require(row.ratio.error)
            #expect(abs(row.ratio.value - 1) < 4 * error && error < 0.05, "\(row)")
            // E ‖x_0 − x̄‖² = (1 + 1/m) (1 − ᾱ), and the data have the variance 1.
            let unknown = (1 + 1 / Double(draws)) * (1 - process.schedule.alphaBars[row.timestep])
            #expect(agree(row.meanError.value, unknown, to: 0.1))
        }
    }

    /// With m draws of half the deviation, Var = σ²/4 and ‖x_0 − x̄‖² = σ² (1 + 1/(4m)).
    @Test func drawsThatAreTooMuchAlike() throws {
        for row in try measure(0.5) {
            let expected = (1.125 / 4 / (1 + 1 / 32.0)).squareRoot()
            #expect(abs(row.ratio.value - expected) < 4 * (row.ratio.error ?? 0), "\(row)")
        }
        for row in try measure(0) { #expect(row.ratio == Estimate(0) && row.variance.value == 0) }
    }

    @Test func figuresDoNotDependOnTheBatch() throws {
        #expect(try measure(1, batch: 7) == measure(1, batch: 400))
    }

    @Test func anErrorOfTheMeanCounts() throws {
        for row in try measure(1, shift: 1) { #expect(row.ratio.value < 0.75 && row.meanError.value > 1) }
    }
}
