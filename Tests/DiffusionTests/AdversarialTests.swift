import Diffusion
import NeuralNetwork
import Testing

@Suite struct AdversarialTests {
    private static func loss(_ objective: Objective, jump: Int = 25) -> Adversarial {
        var (model, diffusion) = (ModelConfiguration(), DiffusionConfiguration())
        (model.size, model.channels, model.smd) = (1, 1, false)
        (diffusion.timesteps, diffusion.jump, diffusion.schedule) = (100, jump, .cosine)
        diffusion.objective = objective
        return Adversarial(model, diffusion)
    }

    /// With an output that tells x_0 exactly, x' is distributed as x_s of the data, together with x_t: the moments of both
    /// pairs are those of the forward process at x_0 = 0.7, within 5 standard errors of 20 000 samples at each t.
    @Test(arguments: Objective.allCases) func theRightEstimateGivesTheRightPair(objective: Objective) {
        let (loss, count, x0) = (Self.loss(objective), 80_000, 0.7)
        let drawn = Drawn(loss.draws, seed: 4, at: (0..<count).map { (0, $0) })
        let inputs = loss.inputs(x0: [Float](repeating: Float(x0), count: count), drawn)
        func values(_ name: String) -> [Double] { (inputs[name] ?? []).map(Double.init) }
        let (xt, xs, rest, factors) = (values("x"), values("x_s"), values("step_rest"), values("step_factors"))
        let (target, weights) = (values("step_target"), values("conditional_weight"))
        let alphaBars = loss.process.schedule.alphaBars
        for t in [24, 49, 74, 99] {
            let own = drawn.timesteps.indices.filter { drawn.timesteps[$0] == t }
            #expect(abs(Double(own.count) - 20_000) < 5 * 122)  // √(80 000 · 1/4 · 3/4)
            let (now, before) = (alphaBars[t], t == 24 ? 1 : alphaBars[t - 25])
            let kept = now / before
            let step = own.map { n in
                let noise = (xt[n] - now.squareRoot() * x0) / (1 - now).squareRoot()
                let exact = objective.target(alphaBar: now)
                return (factors[2 * n] + 1) * (exact.x0 * x0 + exact.noise * noise) + rest[n]
            }
            for pair in [step, own.map { xs[$0] }] {
                let centred = pair.map { $0 - before.squareRoot() * x0 }
                let other = own.map { xt[$0] - now.squareRoot() * x0 }
                let (v, w) = (1 - before, 1 - now)
                let n = Double(own.count)
                func mean(_ values: [Double]) -> Double { values.reduce(0, +) / n }
                let covariance = kept.squareRoot() * v
                #expect(abs(mean(centred)) <= 5 * (v / n).squareRoot() + 1e-5)
                #expect(abs(mean(centred.map { $0 * $0 }) - v) <= 5 * v * (2 / n).squareRoot() + 1e-5)
                #expect(
                    abs(mean(zip(centred, other).map { $0 * $1 }) - covariance)
                        <= 5 * ((v * w + covariance * covariance) / n).squareRoot() + 1e-5)
            }
            // weight · (x' − target)² is (√(1 − β) x' − x_t)² with 1 − β = ᾱ_t/ᾱ_s.
            for n in own.prefix(100) {
                let wanted = (kept.squareRoot() * 0.3 - xt[n]) * (kept.squareRoot() * 0.3 - xt[n])
                let found = weights[n] * (0.3 - target[n]) * (0.3 - target[n])
                #expect(abs(found - wanted) <= 1e-5 * (1 + wanted))
            }
        }
        #expect(Set(drawn.timesteps) == [24, 49, 74, 99])
    }

    /// The sampler visits the times that are trained, in any number of steps.
    @Test(arguments: [1, 4, 20, 25, 50, 100]) func theSamplerVisitsWhatIsTrained(jump: Int) {
        var diffusion = DiffusionConfiguration()
        (diffusion.timesteps, diffusion.jump, diffusion.sampler) = (100, jump, .ancestral)
        diffusion.samplingSteps = 100 / jump
        #expect(Adversarial.samplerFault(diffusion) == nil)
        let loss = Self.loss(.v, jump: jump)
        let drawn = Drawn(loss.draws, seed: 1, at: (0..<2000).map { (0, $0) })
        #expect(Set(drawn.timesteps) == Set(Sampler(diffusion).times))
        diffusion.samplingSteps = 3
        #expect(Adversarial.samplerFault(diffusion) != nil)
    }
}
