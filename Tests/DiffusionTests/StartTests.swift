import Diffusion
import Testing

/// Samplers that begin at a given x, and x that is changed between steps.
@Suite struct StartTests {
    static func configuration(_ kind: SamplerKind, steps: Int = 1000, eta: Double = 0) -> DiffusionConfiguration {
        var configuration = DiffusionConfiguration()
        (configuration.schedule, configuration.clipDenoised) = (.linear, false)
        (configuration.sampler, configuration.samplingSteps, configuration.ddimEta) = (kind, steps, eta)
        return configuration
    }

    /// Come-Closer-Diffuse-Faster with the exact denoiser of N(m, s²) from a guess x̃ noised to t: samples have the mean
    /// m + ρ (x̃ − m), ρ = ᾱs²/(ᾱs² + 1 − ᾱ), and the variance s²(1 − ᾱ)/(ᾱs² + 1 − ᾱ) + ρ²(1 − ᾱ)/ᾱ, where the reverse
    /// process is the stochastic one, of which steps with the optimal variance are exact; the probability flow contracts by
    /// √ρ, and adds no variance but the start's.
    @Test(arguments: [99, 199, 399], [(SamplerKind.ancestral, 0.0), (.ddim, 1), (.ddim, 0), (.sdeDPMSolver, 0)])
    func aStartContractsTheGuess(_ start: Int, _ kind: (sampler: SamplerKind, eta: Double)) throws {
        let (m, variance) = (0.4, 0.25)
        var configuration = Self.configuration(kind.sampler, eta: kind.eta)
        let oracle = Oracle(
            schedule: NoiseSchedule(configuration), objective: configuration.objective, mean: m, variance: variance)
        let isFlow = kind.sampler == .ddim && kind.eta == 0
        if kind.sampler != .sdeDPMSolver && !isFlow { configuration.variance = .optimal }
        let errors = oracle.schedule.alphaBars.map { variance * (1 - $0) / (variance * $0 + 1 - $0) }
        let sampler = Sampler(
            configuration, X0Variance(timesteps: Array(0..<1000), values: errors), startingAt: start)
        #expect(sampler.times.last == start && sampler.evaluations == start + 1)
        // The map is affine: 0 and 1 as guesses without noise, then 0 with one of the noises each.
        let count = start + 4
        func unit(_ k: Int) -> [Float] { (0..<count).map { $0 == k + 2 ? 1 : 0 } }
        let guess: [Float] = (0..<count).map { $0 == 1 ? 1 : 0 }
        let x = try sampler.sample(
            from: sampler.noised(guess, noise: unit(0)), usesEta: false, selfCondition: false,
            predict: { x, t, _, _ in oracle(x, t) }, draw: { step, _ in unit(step + 1) })
        let a = oracle.schedule.alphaBars[start]
        let noised = a * variance + 1 - a
        let rho = isFlow ? (a * variance / noised).squareRoot() : a * variance / noised
        let expected = rho * rho * (1 - a) / a + (isFlow ? 0 : variance * (1 - a) / noised)
        #expect(abs(Double(x[1] - x[0]) / rho - 1) < 0.01)
        #expect(abs(Double(x[0]) - (1 - rho) * m) < 0.004)
        let found = x.dropFirst(2).reduce(0) { $0 + Double($1 - x[0]) * Double($1 - x[0]) }
        #expect(abs(found / expected - 1) < 0.01, "\(found) for \(expected)")
    }

    /// What is left of a way is the way from there: the same bits from the x that half of the steps reached.
    @Test(arguments: [SamplerKind.ancestral, .ddim, .heun]) func aStartGoesOnWithTheSameBits(_ kind: SamplerKind) throws
    {
        let configuration = Self.configuration(kind, steps: 10, eta: 0.5)
        let oracle = Oracle(schedule: NoiseSchedule(configuration), objective: .v, variance: 0.25)
        func run(_ sampler: Sampler, from x: [Float], done: Int) throws -> [[Float]] {
            var path: [[Float]] = []
            let end = try sampler.sample(
                from: x, usesEta: false, selfCondition: false, predict: { x, t, _, _ in oracle(x, t) },
                draw: { step, _ in [Float(step + done) / 10 - 0.3, 0.2] }, reached: { path.append($1) })
            #expect(end == path.last)
            return path
        }
        let whole = try run(Sampler(configuration), from: [1, -0.5], done: 0)
        let rest = Sampler(configuration, startingAt: 650)
        #expect(rest.times == [99, 199, 299, 399, 499, 599])
        #expect(try run(rest, from: whole[3], done: 4) == Array(whole.dropFirst(4)))
        #expect(rest.alphaBar(after: 0) == oracle.schedule.alphaBars[499] && rest.alphaBar(after: 5) == 1)
    }

    /// A change of x after a step is where the next one begins, and the last one the result; none changes no bit.
    @Test(arguments: SamplerKind.allCases.filter { $0.takesProjections && $0 != .langevin })
    func aProjectionIsWhereTheNextStepBegins(_ kind: SamplerKind) throws {
        let sampler = Sampler(Self.configuration(kind, steps: 5, eta: 0.5), startingAt: 700)
        let oracle = Oracle(schedule: NoiseSchedule(sampler.configuration), objective: .v, variance: 0.25)
        func run(_ project: (Int, inout [Float]) -> Void) throws -> (x: [Float], seen: [[Float]]) {
            var seen: [[Float]] = []
            let x = try sampler.sample(
                from: [1, -0.5], usesEta: false, selfCondition: false,
                predict: { x, t, _, _ in
                    seen.append(x)
                    return oracle(x, t)
                }, draw: { _, _ in [0.3, -0.1] }, reached: project)
            return (x, seen)
        }
        let (left, free) = try (run { _, _ in }, run { $1 = $1.map { $0 + 0 } })
        #expect(left.x == free.x && left.seen == free.seen)
        let fixed = try run { $1[0] = 0.25 * Float($0 + 1) }
        #expect(fixed.x[0] == 0.75 && fixed.x[1] == left.x[1])
        #expect([0.25, 0.5].allSatisfy { value in fixed.seen.contains { $0[0] == value } })
    }

    @Test func correctedStepsTakeNoProjection() {
        #expect(SamplerKind.allCases.filter { !$0.takesProjections } == [.uniPC])
    }
}
