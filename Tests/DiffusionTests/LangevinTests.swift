import Diffusion
import Foundation
import Testing

/// Annealed Langevin dynamics with the exact denoiser of Gaussian data N(0.4, 0.25).
@Suite struct LangevinTests {
    private static let (mean, variance) = (0.4, 0.25)

    private static func sampler(
        moves: Int, rate: Double, steps: Int, _ objective: Objective = .v, timesteps: Int = 1000
    ) -> Sampler {
        var configuration = DiffusionConfiguration()
        (configuration.schedule, configuration.timesteps) = (.linear, timesteps)
        (configuration.objective, configuration.clipDenoised) = (objective, false)
        (configuration.sampler, configuration.samplingSteps, configuration.spacing) = (.langevin, steps, .logSNR)
        (configuration.langevinMoves, configuration.langevinRate) = (moves, rate)
        return Sampler(configuration)
    }

    /// Mean and variance of x after each step, from what each draw adds to it; the start is N(0, 1).
    private static func laws(_ sampler: Sampler) throws -> [(mean: Double, variance: Double)] {
        let oracle = Oracle(
            schedule: NoiseSchedule(sampler.configuration), objective: sampler.configuration.objective, mean: mean,
            variance: variance)
        func unit(_ k: Int) -> [Float] { (0..<sampler.evaluations + 1).map { $0 == k ? 1 : 0 } }
        var laws: [(Double, Double)] = []
        _ = try sampler.sample(
            from: unit(1), usesEta: false, selfCondition: false, predict: { x, t, _, _ in oracle(x, t) },
            draw: { number, _ in unit(number + 2) },
            reached: { _, x in
                laws.append((Double(x[0]), x.dropFirst().reduce(0) { $0 + pow(Double($1 - x[0]), 2) }))
            })
        return laws
    }

    /// A move takes x − αm by 1 − rρ/2, ρ = σ²/(α²s² + σ²), and adds the variance rσ²; from one time to the next x/α stays.
    @Test(arguments: Objective.allCases, [1, 3]) func lawsAreThoseOfTheRecursion(objective: Objective, moves: Int)
        throws
    {
        let rate = 0.3
        let sampler = Self.sampler(moves: moves, rate: rate, steps: 12, objective)
        let bars = sampler.times.map { NoiseSchedule(sampler.configuration).alphaBars[$0] }
        let found = try Self.laws(sampler)
        var (distance, variance) = (-bars[11].squareRoot() * Self.mean, 1.0)
        for (step, i) in (0..<12).reversed().enumerated() {
            if i == 0 {
                let gain = bars[0].squareRoot() * Self.variance / (bars[0] * Self.variance + 1 - bars[0])
                distance *= gain
                variance *= gain * gain
                #expect(abs(found[step].mean - (Self.mean + distance)) < 2e-5)
            } else {
                let (a, scale) = (bars[i - 1], bars[i - 1] / bars[i])
                distance *= scale.squareRoot()
                variance *= scale
                for _ in 0..<moves {
                    let kept = 1 - rate / 2 * (1 - a) / (a * Self.variance + 1 - a)
                    distance *= kept
                    variance = kept * kept * variance + rate * (1 - a)
                }
                #expect(abs(found[step].mean - (a.squareRoot() * Self.mean + distance)) < 2e-5 * (1 + abs(distance)))
            }
            #expect(abs(found[step].variance / variance - 1) < 1e-4, "step \(step)")
        }
    }

    /// Many moves at one time forget the start; what they end at is wider than the truth, v, by 1/(1 − rρ/4).
    @Test(arguments: [1.0, 0.2]) func manyMovesForget(rate: Double) throws {
        let sampler = Self.sampler(moves: 400, rate: rate, steps: 3)
        let a = NoiseSchedule(sampler.configuration).alphaBars[sampler.times[1]]
        let v = a * Self.variance + 1 - a
        let first = try Self.laws(sampler)[0]
        #expect(abs(first.mean - a.squareRoot() * Self.mean) < 1e-4)
        #expect(abs(first.variance / (v / (1 - rate * (1 - a) / v / 4)) - 1) < 1e-3)
    }

    /// The law of the samples comes near to that of the data with the number of moves.
    @Test func movesAreWhatItTakes() throws {
        let errors = try [16, 64].map { moves in
            try Self.laws(Self.sampler(moves: moves, rate: 0.5, steps: 20))[19].variance / Self.variance - 1
        }
        #expect(0 < errors[1] && errors[1] < 0.05 && abs(errors[0] / errors[1] - 4.4) < 0.5, "\(errors)")
    }

    /// A step begins with the x that it is given, at the next time.
    @Test func aProjectionIsWhereTheNextStepBegins() throws {
        let sampler = Self.sampler(moves: 2, rate: 0.5, steps: 5)
        let bars = sampler.times.map { NoiseSchedule(sampler.configuration).alphaBars[$0] }
        var seen: [Float] = []
        let end = try sampler.sample(
            from: [1], usesEta: false, selfCondition: false,
            predict: { x, _, _, _ in
                seen.append(x[0])
                return x
            }, draw: { _, _ in [0.3] }, reached: { step, x in x[0] = 0.25 * Float(step + 1) })
        #expect(end == [1.25] && seen.count == 9)
        for step in 1...3 {
            let scale = (bars[3 - step] / bars[4 - step]).squareRoot()
            #expect(abs(Double(seen[2 * step]) - 0.25 * Double(step) * scale) < 1e-6)
        }
    }
}
