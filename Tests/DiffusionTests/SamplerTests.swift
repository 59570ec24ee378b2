import Diffusion
import Testing

/// A network that knows the answer: the exact E[x_0 | x_t] of data N(mean, variance), as any objective's output.
struct Oracle {
    let schedule: NoiseSchedule
    let objective: Objective
    var mean = 0.4
    var variance = 0.0

    func callAsFunction(_ xt: [Float], _ t: Int) -> [Float] {
        let a = schedule.alphaBars[t]
        let gain = a.squareRoot() * variance / (a * variance + 1 - a)
        let ofNoise = Objective.noise(alphaBar: a)
        let ofTarget = objective.target(alphaBar: a)
        return xt.map {
            let x = Double($0)
            let x0 = mean + gain * (x - a.squareRoot() * mean)
            return Float(ofTarget.x0 * x0 + ofTarget.noise * (ofNoise.xt * x + ofNoise.x0 * x0))
        }
    }
}

extension Sampler {
    fileprivate var schedule: NoiseSchedule {
        NoiseSchedule(kind: configuration.schedule, timesteps: configuration.timesteps)
    }
}

/// What a sampler does to an element is affine, `offset + Σ gains · (x_T, noise of step 0, of step 1, …)`: element 0
/// of a batch sees only zeros, element k + 1 a one in the k-th place, so that the batch reads the coefficients off.
private func law(_ sampler: Sampler, _ oracle: Oracle, after step: Int) throws -> (offset: Double, gains: [Double]) {
    let count = sampler.evaluations + 2
    func unit(_ k: Int) -> [Float] { (0..<count).map { $0 == k + 1 ? 1 : 0 } }
    var seen: [Float] = []
    _ = try sampler.sample(
        from: unit(0), usesEta: false, selfCondition: false,
        predict: { x, t, _, _ in oracle(x, t) },
        draw: { step, _ in unit(step + 1) },
        reached: { if $0 == step { seen = $1 } })
    return (Double(seen[0]), seen.dropFirst().map { Double($0 - seen[0]) })
}

@Suite struct SamplerTests {
    static func sampler(
        _ kind: SamplerKind, _ objective: Objective = .v, schedule: ScheduleKind = .cosine, timesteps: Int = 40,
        steps: Int, eta: Double = 0, clip: Bool = false
    ) -> Sampler {
        var configuration = DiffusionConfiguration()
        (configuration.schedule, configuration.timesteps) = (schedule, timesteps)
        (configuration.objective, configuration.clipDenoised) = (objective, clip)
        (configuration.sampler, configuration.samplingSteps, configuration.ddimEta) = (kind, steps, eta)
        return Sampler(configuration)
    }

    /// Data N(m, v) seen by a classifier with p(y | x_0) ∝ e^(c x_0) are N(m + v c, v): its gradient at x_t is c times that of
    /// E[x_0 | x_t], and moves what every sampler draws by v c.
    @Test(arguments: SamplerKind.allCases, Objective.allCases) func classifierMovesTheMean(
        kind: SamplerKind, objective: Objective
    ) throws {
        try expectMoved(kind, objective, shiftsMeans: true)
    }

    /// The same where a guide moves the estimates of all samplers.
    @Test(arguments: SamplerKind.allCases) func guideMovesTheMean(kind: SamplerKind) throws {
        try expectMoved(kind, .v, shiftsMeans: false)
    }

    private func expectMoved(_ kind: SamplerKind, _ objective: Objective, shiftsMeans: Bool) throws {
        let sampler = Self.sampler(kind, objective, timesteps: 1000, steps: 1000, eta: 0.5)
        let oracle = Oracle(schedule: sampler.schedule, objective: objective, mean: 0.4, variance: 0.25)
        let c = 2.0
        func mean(_ gradient: ((Evaluation) throws -> [Float])?) throws -> Double {
            let x = try sampler.sample(
                from: [0], usesEta: false, selfCondition: false, predict: { x, t, _, _ in oracle(x, t) },
                guide: gradient.map { SamplerGuide(shiftsMeans: shiftsMeans, gradient: $0) }, draw: { _, _ in [0] })
            return Double(x[0])
        }
        let moved = try mean { evaluation in
            let a = oracle.schedule.alphaBars[evaluation.timestep]
            return [Float(c * a.squareRoot() * 0.25 / (a * 0.25 + 1 - a))]
        }
        let found = (moved - (try mean(nil))) / (0.25 * c)
        #expect(abs(found - 1) < 0.02, "\(found)")
    }

    /// The lists that linspace(−1, T−1, S+1) gives in double precision, truncated.
    @Test func visitedTimesAreThoseOfTheReference() {
        func times(_ steps: Int, of timesteps: Int) -> [Int] {
            Self.sampler(.ddim, timesteps: timesteps, steps: steps).times
        }
        #expect(times(10, of: 10) == Array(0..<10))
        #expect(times(1, of: 10) == [9])
        #expect(times(3, of: 10) == [2, 5, 9])
        #expect(times(7, of: 50) == [6, 13, 20, 27, 34, 41, 49])
        #expect(times(50, of: 1000) == (1...50).map { 20 * $0 - 1 })
        // 24 by exact arithmetic; the reference's rounding falls just below.
        #expect(times(22, of: 50)[10] == 23)
    }

    /// For a single point as data, the posterior is exact: after every step x has exactly the marginal law
    /// N(√ᾱ' x_0, 1 − ᾱ'), whatever the sampler, the number of steps and the noise.
    @Test(arguments: [
        (SamplerKind.ancestral, 40, 0.0), (.ancestral, 7, 0), (.ancestral, 1, 0), (.ddim, 40, 0), (.ddim, 7, 0),
        (.ddim, 7, 0.5), (.ddim, 40, 1), (.ddim, 1, 1),
    ])
    func marginalsAreExactForASinglePoint(kind: SamplerKind, steps: Int, eta: Double) throws {
        for objective in Objective.allCases {
            let sampler = Self.sampler(kind, objective, steps: steps, eta: eta)
            let oracle = Oracle(schedule: sampler.schedule, objective: objective)
            for step in 0..<steps {
                var (offset, gains) = try law(sampler, oracle, after: step)
                let last = sampler.schedule.alphaBars[39]
                // x_T = √ᾱ_T x_0 + √(1 − ᾱ_T) ε
                offset += gains[0] * last.squareRoot() * oracle.mean
                gains[0] *= (1 - last).squareRoot()
                let time = steps - 2 - step
                let alphaBar = time >= 0 ? sampler.schedule.alphaBars[sampler.times[time]] : 1
                #expect(abs(offset - alphaBar.squareRoot() * oracle.mean) < 1e-4)
                #expect(abs(gains.map { $0 * $0 }.reduce(0, +) - (1 - alphaBar)) < 1e-4)
            }
        }
    }

    /// T = 8: the only noise of the step from t to t − 1 has the posterior variance.
    @Test func ancestralStepsAddThePosteriorVariance() throws {
        let sampler = Self.sampler(.ancestral, timesteps: 8, steps: 8)
        let oracle = Oracle(schedule: sampler.schedule, objective: .v)
        for step in 0..<8 {
            let t = 7 - step
            let gains = try law(sampler, oracle, after: step).gains
            #expect(abs(gains[step + 1] * gains[step + 1] - sampler.schedule.posteriorVariance[t]) < 1e-6)
            #expect(gains.dropFirst(step + 2).allSatisfy { $0 == 0 })
        }
    }

    /// With η = 1 and every step visited, DDIM is the ancestral sampler; η scales the deviation of its noise.
    @Test(arguments: [1.0, 0.5]) func ddimNoiseIsAShareOfThePosteriors(eta: Double) throws {
        let sampler = Self.sampler(.ddim, timesteps: 12, steps: 12, eta: eta)
        let oracle = Oracle(schedule: sampler.schedule, objective: .v)
        for step in 0..<11 {
            let gain = try law(sampler, oracle, after: step).gains[step + 1]
            let variance = eta * eta * sampler.schedule.posteriorVariance[11 - step]
            #expect(abs(gain * gain - variance) < 1e-6)
        }
    }

    /// For Gaussian data one Gaussian a step is enough, if it is the best: with the exact mean and σ²(t) = Var[x_0|x_t]
    /// samples have the data's law after any number of steps, by any sampler; with β̃ they are too narrow.
    @Test(arguments: [(SamplerKind.ancestral, 0.0), (.ddim, 0), (.ddim, 0.5), (.ddim, 1)], [1, 2, 5, 40])
    func theOptimalVarianceIsExactForAGaussian(_ sampler: (kind: SamplerKind, eta: Double), steps: Int) throws {
        func variance(_ kind: VarianceKind) throws -> Double {
            var configuration = Self.sampler(sampler.kind, steps: steps, eta: sampler.eta).configuration
            configuration.variance = kind
            let schedule = NoiseSchedule(kind: .cosine, timesteps: 40)
            let measured = X0Variance(
                timesteps: Array(0..<40), values: schedule.alphaBars.map { 0.25 * (1 - $0) / (0.25 * $0 + 1 - $0) })
            let sampler = Sampler(configuration, measured)
            let oracle = Oracle(schedule: schedule, objective: .v, variance: 0.25)
            let last = schedule.alphaBars[39]
            var (offset, gains) = try law(sampler, oracle, after: steps - 1)
            // x_T as it is: N(√ᾱ_T · 0.4, 0.25 ᾱ_T + 1 − ᾱ_T).
            offset += gains[0] * last.squareRoot() * 0.4
            gains[0] *= (0.25 * last + 1 - last).squareRoot()
            #expect(abs(offset - 0.4) < 1e-4)
            return gains.map { $0 * $0 }.reduce(0, +)
        }
        #expect(abs(try variance(.optimal) - 0.25) < 1e-4)
        if steps < 40 { #expect(try variance(.small) < 0.24) }
    }

    /// T = 8: β is the variance of each step but the last.
    @Test func theLargeVarianceIsThatOfTheForwardStep() throws {
        var configuration = Self.sampler(.ancestral, timesteps: 8, steps: 8).configuration
        configuration.variance = .large
        let sampler = Sampler(configuration)
        let oracle = Oracle(schedule: sampler.schedule, objective: .v)
        for step in 0..<8 {
            let gain = try law(sampler, oracle, after: step).gains[step + 1]
            #expect(abs(gain * gain - (step < 7 ? sampler.schedule.betas[7 - step] : 0)) < 1e-6)
        }
        configuration.sampler = .ddim
        #expect(configuration.samplerFault?.contains("set diffusion.variance=small") == true)
    }

    /// What was measured at some timesteps is a straight line between them, and constant beyond.
    @Test func measuredVariancesAreInterpolated() {
        let measured = X0Variance(timesteps: [10, 20], values: [1, 3])
        #expect([0, 10, 15, 20, 99].map { measured[$0] } == [1, 1, 2, 3, 3])
        #expect(X0Variance.timesteps(of: 5) == [0, 1, 2, 3, 4] && X0Variance.timesteps(of: 1) == [0])
        let many = X0Variance.timesteps(of: 1000)
        #expect(many.count == 100 && many.first == 0 && many.last == 999)
    }

    /// A clamped estimate of x_0 changes the estimate of ε that belongs to it.
    @Test(arguments: Objective.allCases) func ddimDerivesTheNoiseFromTheClampedEstimate(objective: Objective) throws {
        let sampler = Self.sampler(.ddim, objective, steps: 2, clip: true)
        var oracle = Oracle(schedule: sampler.schedule, objective: objective)
        oracle.mean = 1.5
        var first: [Float] = []
        _ = try sampler.sample(
            from: [0.25], usesEta: false, selfCondition: false,
            predict: { x, t, _, _ in oracle(x, t) }, draw: { _, _ in [0] },
            reached: { if $0 == 0 { first = $1 } })
        let (a, b) = (sampler.schedule.alphaBars[39], sampler.schedule.alphaBars[19])
        let epsilon = (0.25 - a.squareRoot()) / (1 - a).squareRoot()
        #expect(abs(Double(first[0]) - (b.squareRoot() + (1 - b).squareRoot() * epsilon)) < 1e-5)
    }

    /// Deterministic DDIM solves a differential equation whose flow carries N(0, 1) to the data: with the exact
    /// denoiser of N(0.4, 0.25) the samples have that mean and variance, up to the step size.
    @Test(arguments: Objective.allCases) func ddimReproducesAGaussian(objective: Objective) throws {
        func moments(steps: Int) throws -> (mean: Double, variance: Double) {
            let sampler = Self.sampler(.ddim, objective, timesteps: 1000, steps: steps)
            let oracle = Oracle(schedule: sampler.schedule, objective: objective, variance: 0.25)
            let (offset, gains) = try law(sampler, oracle, after: steps - 1)
            return (offset, gains.map { $0 * $0 }.reduce(0, +))
        }
        let (fine, coarse) = try (moments(steps: 500), moments(steps: 5))
        #expect(abs(fine.mean - 0.4) < 0.004)
        #expect(abs(fine.variance - 0.25) < 0.005)
        // Five steps must be worse, or the test sees nothing.
        #expect(abs(coarse.variance - 0.25) > 0.01)
    }

    /// The noise that DDIM's η adds to every step keeps the law of the samples (and is really added).
    @Test func ancestralReproducesAGaussian() throws {
        for (kind, eta) in [(SamplerKind.ancestral, 0.0), (.ddim, 1.0)] {
            let sampler = Self.sampler(kind, timesteps: 400, steps: 400, eta: eta)
            let oracle = Oracle(schedule: sampler.schedule, objective: .v, variance: 0.25)
            let (offset, gains) = try law(sampler, oracle, after: 399)
            #expect(abs(offset - 0.4) < 0.004)
            #expect(abs(gains.map { $0 * $0 }.reduce(0, +) - 0.25) < 0.01)
            #expect(abs(gains[0]) < 0.1)
        }
    }

    @Test func estimatesAreClampedOnlyWhenAskedFor() throws {
        for kind in SamplerKind.allCases {
            for objective in Objective.allCases {
                func end(clip: Bool) throws -> [Float] {
                    let sampler = Self.sampler(kind, objective, steps: 3, clip: clip)
                    var oracle = Oracle(schedule: sampler.schedule, objective: objective)
                    oracle.mean = 1.5
                    return try sampler.sample(
                        from: [0.5, -0.5], usesEta: false, selfCondition: false,
                        predict: { x, t, _, _ in oracle(x, t) }, draw: { _, _ in [0, 0] }, reached: { _, _ in })
                }
                #expect(try end(clip: true).allSatisfy { abs($0 - 1) < 1e-6 })
                #expect(try end(clip: false).allSatisfy { abs($0 - 1.5) < 1e-3 })
            }
        }
    }

    /// η first at each step, then the step's noise; none at the last step.
    @Test(arguments: SamplerKind.allCases) func drawsComeInTheOrderOfTheReference(kind: SamplerKind) throws {
        var order: [String] = []
        let sampler = Self.sampler(kind, steps: 3)
        _ = try sampler.sample(
            from: [0], usesEta: true, selfCondition: false,
            predict: { x, t, eta, estimate in
                order.append("predict \(t)")
                #expect(eta == [7] && estimate == nil)
                return x
            },
            draw: { step, which in
                order.append("\(which) \(step)")
                return which == .eta ? [7] : [0]
            }, reached: { _, _ in })
        let predictions = order.indices.filter { order[$0].hasPrefix("predict") }
        #expect(predictions.count == sampler.evaluations)
        for (number, index) in predictions.enumerated() { #expect(order[index - 1] == "eta \(number)") }
        #expect(order.first == "eta 0" && order.last == "predict 12")
        let noise = order.filter { $0.hasPrefix("noise") }
        #expect(noise.isEmpty || noise == ["noise 0", "noise 1"])
        guard [.ancestral, .ddim].contains(kind) else { return }
        #expect(
            order == [
                "eta 0", "predict 39", "noise 0", "eta 1", "predict 25", "noise 1", "eta 2", "predict 12",
            ])
    }

    /// The network sees zeros, then the (clamped) estimate of the step before.
    @Test(arguments: SamplerKind.allCases) func selfConditioningFeedsBackTheLastEstimate(kind: SamplerKind) throws {
        var (fed, times): ([[Float]?], [Int]) = ([], [])
        let sampler = Self.sampler(kind, .x0, steps: 4, clip: true)
        _ = try sampler.sample(
            from: [0.1, 0.2], usesEta: false, selfCondition: true,
            predict: { _, t, eta, estimate in
                #expect(eta == nil)
                fed.append(estimate)
                times.append(t)
                return [Float(t) / 100, 3]
            },
            draw: { _, _ in [0, 0] }, reached: { _, _ in })
        #expect(fed == [[0, 0]] + times.dropLast().map { [Float($0) / 100, 1] })
        #expect(
            fed.count == sampler.evaluations && Set(times) == Set(kind == .langevin ? [29, 19, 9] : [39, 29, 19, 9]))
    }

    @Test func notANumberStaysVisible() throws {
        for kind in SamplerKind.allCases {
            let end = try Self.sampler(kind, .x0, steps: 2, clip: true).sample(
                from: [0, 0], usesEta: false, selfCondition: false, predict: { _, _, _, _ in [.nan, 0] },
                draw: { _, _ in [0, 0] }, reached: { _, _ in })
            #expect(end[0].isNaN && !end[1].isNaN)
        }
    }

    @Test func failuresOfTheNetworkReachTheCaller() {
        struct Failure: Error {}
        #expect(throws: Failure.self) {
            try Self.sampler(.ddim, steps: 2).sample(
                from: [0], usesEta: false, selfCondition: false, predict: { _, _, _, _ in throw Failure() },
                draw: { _, _ in [0] }, reached: { _, _ in })
        }
    }
}
