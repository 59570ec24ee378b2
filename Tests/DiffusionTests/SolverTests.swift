import Diffusion
import Foundation
import Testing

/// Solvers of the probability flow and of the stochastic equation, with the exact denoiser of Gaussian data N(0.4, 0.25): every
/// sampler is affine in what it draws, and the truth is known at every time.
@Suite struct SolverTests {
    private static let mean = 0.4
    private static let deviation = 0.5

    private static func configuration(
        _ kind: SamplerKind, steps: Int, _ spacing: Spacing = .logSNR, _ objective: Objective = .v,
        timesteps: Int = 100_000, schedule: ScheduleKind = .linear
    ) -> DiffusionConfiguration {
        var configuration = DiffusionConfiguration()
        (configuration.schedule, configuration.timesteps) = (schedule, timesteps)
        (configuration.objective, configuration.clipDenoised) = (objective, false)
        (configuration.sampler, configuration.samplingSteps, configuration.spacing) = (kind, steps, spacing)
        return configuration
    }

    /// Ends of a batch whose element k begins at `starts[k]` and sees `noise(k, step)`.
    private static func ends(
        _ configuration: DiffusionConfiguration, _ starts: [Double],
        noise: @escaping (Int, Int) -> Float = { _, _ in 0 }
    ) throws -> [Double] {
        let schedule = NoiseSchedule(kind: configuration.schedule, timesteps: configuration.timesteps)
        let variance = deviation * deviation
        return try Sampler(configuration).sample(
            from: starts.map { Float($0) }, usesEta: false, selfCondition: false,
            predict: { xt, t, _, _ in
                let a = schedule.alphaBars[t]
                let (target, ofNoise) = (configuration.objective.target(alphaBar: a), Objective.noise(alphaBar: a))
                let gain = a.squareRoot() * variance / (a * variance + 1 - a)
                return xt.map {
                    let x0 = mean + gain * (Double($0) - a.squareRoot() * mean)
                    return Float(target.x0 * x0 + target.noise * (ofNoise.xt * Double($0) + ofNoise.x0 * x0))
                }
            },
            draw: { step, _ in starts.indices.map { noise($0, step) } }
        ).map { Double($0) }
    }

    /// The flow's error: it carries the quantile u of the noisiest time to the quantile u of the data.
    private static func flowError(_ configuration: DiffusionConfiguration, u: Double = 1.3) throws -> Double {
        let schedule = NoiseSchedule(kind: configuration.schedule, timesteps: configuration.timesteps)
        let a = schedule.alphaBars[Chain(configuration).times.last ?? 0]
        let start = a.squareRoot() * mean + (a * deviation * deviation + 1 - a).squareRoot() * u
        return try abs(ends(configuration, [start])[0] - (mean + deviation * u))
    }

    /// Errors fall by 2^order where steps double.
    private static func slope(_ steps: Int, _ error: (Int) throws -> Double) rethrows -> Double {
        log2(try error(steps) / error(2 * steps))
    }

    @Test(arguments: [
        (SamplerKind.ddim, 1.0, 40), (.heun, 2, 40), (.dpmSolver, 2, 40), (.uniPC, 3, 20),
    ])
    func flowSolversHaveTheirOrder(kind: SamplerKind, order: Double, steps: Int) throws {
        let slope = try Self.slope(steps) { try Self.flowError(Self.configuration(kind, steps: $0)) }
        #expect(abs(slope - order) < 0.2, "\(slope)")
    }

    /// Where the estimate of x_0 is a parabola in λ, the corrected x moves as the flow does, from the second step on: x' = (σ'/σ) x +
    /// σ' ∫ e^λ x_0(λ) dλ. What was corrected is read off the next prediction.
    @Test func theCorrectorIsExactForParabolas() throws {
        let configuration = Self.configuration(.uniPC, steps: 7, .logSNR, .x0, timesteps: 1000)
        let schedule = NoiseSchedule(kind: configuration.schedule, timesteps: configuration.timesteps)
        let levels = Chain(configuration).times.reversed().map { t in
            let a = schedule.alphaBars[t]
            return (alpha: a.squareRoot(), sigma: (1 - a).squareRoot(), lambda: log(a / (1 - a)) / 2)
        }
        func estimate(_ lambda: Double) -> Double { 0.3 + 0.2 * lambda + 0.05 * lambda * lambda }
        func integral(_ lambda: Double) -> Double {
            exp(lambda) * (0.3 + 0.2 * (lambda - 1) + 0.05 * (lambda * lambda - 2 * lambda + 2))
        }
        var predicted: [Double] = []
        _ = try Sampler(configuration).sample(
            from: [0.7], usesEta: false, selfCondition: false,
            predict: { _, t, _, _ in
                let a = schedule.alphaBars[t]
                return [Float(estimate(log(a / (1 - a)) / 2))]
            }, draw: { _, _ in [0] }, reached: { predicted.append(Double($1[0])) })
        let corrected = levels.indices.dropLast(2).map { s -> Double in
            let (here, there) = (levels[s], levels[s + 1])
            let h = there.lambda - here.lambda
            let m = estimate(here.lambda)
            let d = s == 0 ? 0 : (m - estimate(levels[s - 1].lambda)) * h / (here.lambda - levels[s - 1].lambda)
            return (predicted[s] + there.alpha * expm1(-h) * (m + d / 2)) * here.sigma / there.sigma
        }
        for s in 1..<corrected.count - 1 {
            let (here, there) = (levels[s], levels[s + 1])
            let exact =
                there.sigma / here.sigma * corrected[s]
                + there.sigma * (integral(there.lambda) - integral(here.lambda))
            #expect(abs(corrected[s + 1] - exact) < 2e-5, "\(corrected[s + 1]), \(exact)")
        }
    }

    /// Of mean and variance of what comes out, which are sums over what each draw adds.
    @Test func theStochasticSolverHasItsOrder() throws {
        func variance(_ steps: Int) throws -> Double {
            let configuration = Self.configuration(.sdeDPMSolver, steps: steps)
            let a = NoiseSchedule(kind: .linear, timesteps: 100_000).alphaBars[99_999]
            let first = (a * Self.deviation * Self.deviation + 1 - a).squareRoot()
            // Element 0 sees nothing, 1 the start, k + 2 the noise of step k.
            let ends = try Self.ends(configuration, [0, first] + [Double](repeating: 0, count: steps)) {
                element, step in
                element == step + 2 ? 1 : 0
            }
            return ends.dropFirst().reduce(0) { $0 + ($1 - ends[0]) * ($1 - ends[0]) }
        }
        let exact = Self.deviation * Self.deviation
        let slope = try Self.slope(40) { abs(try variance($0) - exact) }
        #expect(abs(slope - 2) < 0.2, "\(slope)")
        #expect(abs(try variance(80) - exact) < 2e-3)
    }

    /// Whatever the network estimates, and however times are spaced: better than DDIM, which is Euler's method.
    @Test(arguments: Spacing.allCases, [SamplerKind.heun, .dpmSolver, .uniPC])
    func solversWorkWithEveryObjectiveAndSpacing(spacing: Spacing, kind: SamplerKind) throws {
        for objective in Objective.allCases {
            let (error, euler) = try (
                Self.flowError(Self.configuration(kind, steps: 40, spacing, objective, timesteps: 1000)),
                Self.flowError(Self.configuration(.ddim, steps: 40, spacing, objective, timesteps: 1000))
            )
            #expect(error < euler / 4, "\(objective): \(error), \(euler)")
        }
    }

    /// With one step all of them give the estimate of x_0 at the noisiest time.
    @Test(arguments: [SamplerKind.heun, .dpmSolver, .sdeDPMSolver, .uniPC, .langevin])
    func oneStepIsTheEstimate(kind: SamplerKind) throws {
        let a = NoiseSchedule(kind: .linear, timesteps: 1000).alphaBars[999]
        let gain = a.squareRoot() * 0.25 / (a * 0.25 + 1 - a)
        let end = try Self.ends(Self.configuration(kind, steps: 1, .linear, timesteps: 1000), [0.7])[0]
        #expect(abs(end - (0.4 + gain * (0.7 - a.squareRoot() * 0.4))) < 1e-6)
    }

    @Test func evaluationsAreCounted() {
        for (kind, count) in [
            (SamplerKind.heun, 19), (.dpmSolver, 10), (.sdeDPMSolver, 10), (.uniPC, 10), (.langevin, 10),
        ] {
            #expect(Sampler(Self.configuration(kind, steps: 10)).evaluations == count)
        }
    }

    /// Times are distinct, and their λ or σ̃^(1/7) at equal distances but for rounding to a time.
    @Test(arguments: [2, 7, 50, 1000]) func spacings(steps: Int) {
        let schedule = NoiseSchedule(kind: .cosine, timesteps: 1000)
        let ratios = schedule.alphaBars.map { ((1 - $0) / $0).squareRoot() }
        for spacing in Spacing.allCases {
            let times = Chain(Self.configuration(.heun, steps: steps, spacing, timesteps: 1000, schedule: .cosine))
                .times
            #expect(times.count == steps && Set(times).count == steps && times == times.sorted())
            #expect(spacing == .linear || times[0] == 0)
            #expect(spacing == .karras || times[steps - 1] == 999)
        }
        let karras = Chain(Self.configuration(.heun, steps: 7, .karras, timesteps: 1000, schedule: .cosine)).times
        #expect(abs(ratios[karras[6]] - 80) < 5)
        let scaled = karras.map { pow(ratios[$0], 1 / 7) }
        for (before, after) in zip(scaled, scaled.dropFirst()) {
            #expect(abs((after - before) / ((scaled[6] - scaled[0]) / 6) - 1) < 0.12)
        }
    }

    /// Networks that draw x_0 are refused by what averages evaluations, and by nothing else.
    @Test func drawsAreNotAveraged() {
        for kind in SamplerKind.allCases {
            var configuration = Self.configuration(kind, steps: 4)
            for loss in LossKind.allCases {
                configuration.loss = loss
                let refused = configuration.samplerFault?.contains("another draw of x0") == true
                #expect(
                    refused
                        == ([.heun, .langevin].contains(kind)
                            && [.energyScore, .likelihood, .adversarial].contains(loss)))
            }
        }
    }

    /// What has no place for a variance refuses it.
    @Test(arguments: [SamplerKind.heun, .dpmSolver, .sdeDPMSolver, .uniPC, .langevin])
    func variancesAreRefused(kind: SamplerKind) {
        for variance in [VarianceKind.large, .optimal] {
            var configuration = Self.configuration(kind, steps: 4)
            configuration.variance = variance
            #expect(configuration.samplerFault?.contains("which \(kind.rawValue) has no place for") == true)
        }
    }
}
