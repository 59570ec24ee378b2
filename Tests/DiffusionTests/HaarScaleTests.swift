import Diffusion
import Foundation
import NeuralNetwork
import Philox
import Testing

/// Multi-scale diffusion: noising group by group, and samples of a Gaussian with the exact denoiser through all scales.
@Suite struct HaarScaleTests {
    private static func configuration(_ scale: Int, of scales: Int = 3, timesteps: Int = 30) -> DiffusionConfiguration {
        var configuration = DiffusionConfiguration()
        (configuration.scales, configuration.scale, configuration.timesteps) = (scales, scale, timesteps)
        (configuration.schedule, configuration.logSNRMax, configuration.logSNRMin) = (.logSNR, 9, -8)
        (configuration.clipDenoised, configuration.samplingSteps) = (false, timesteps)
        return configuration
    }

    /// The network of a scale of images of 8×8.
    private static func model(_ scale: Int, channels: Int = 1) -> ModelConfiguration {
        var model = ModelConfiguration()
        (model.size, model.channels) = (8 >> (scale - 1), channels)
        return model
    }

    private static func transform(_ scale: Int, of scales: Int = 3, channels: Int = 1) -> HaarTransform {
        HaarTransform(side: 8 >> (scale - 1), channels: channels, levels: scales - scale)
    }

    /// ᾱ of d_j at t: λ from 9 to −8 over the timesteps that it has.
    private static func alphaBar(_ j: Int, _ t: Int, of scales: Int = 3, timesteps: Int = 30) -> Double {
        let lambda = 9 - 17 * Double(t) / Double(timesteps * j / scales - 1)
        return 1 / (1 + exp(-lambda))
    }

    private static func normals(_ count: Int, seed: UInt64) -> [Float] {
        RandomStream(seed: seed, purpose: .noise).normals(count: count, epoch: 0, position: 0)
    }

    /// x_t and target of every group, by the formula; the estimate takes both back; the weight is the mean over coefficients.
    @Test(arguments: Objective.allCases, [1, 2, 3]) func noising(objective: Objective, scale: Int) {
        var configuration = Self.configuration(scale)
        configuration.objective = objective
        let model = Self.model(scale, channels: 2)
        let process = ForwardProcess(configuration, model)
        let transform = Self.transform(scale, channels: 2)
        let size = model.sampleElements
        let (x0, noise) = (Self.normals(2 * size, seed: 1), Self.normals(2 * size, seed: 2))
        let timesteps = [10 * (scale - 1), 10 * scale - 1]
        #expect(process.scales?.timesteps == timesteps[0]..<timesteps[1] + 1)
        let (xt, target) = process.noised(x0: x0, noise: noise, timesteps: timesteps)
        let groups = transform.groups
        let (h0, hNoise, ht, hTarget) = (transform(x0), transform(noise), transform(xt), transform(target))
        for (n, t) in timesteps.enumerated() {
            var weights = 0.0
            for i in 0..<size {
                let a = Self.alphaBar(scale + groups[i], t)
                let (x, e) = (Double(h0[n * size + i]), Double(hNoise[n * size + i]))
                #expect(abs(Double(ht[n * size + i]) - (a.squareRoot() * x + (1 - a).squareRoot() * e)) < 1e-5)
                let wanted =
                    switch objective {
                    case .noise: e
                    case .x0: x
                    case .v: a.squareRoot() * e - (1 - a).squareRoot() * x
                    }
                #expect(abs(Double(hTarget[n * size + i]) - wanted) < 1e-5)
                weights += objective == .noise ? 1 : objective == .v ? a : a / (1 - a)
            }
            #expect(abs(process.weight(t) / (weights / Double(size)) - 1) < 1e-9)
        }
        let estimate = process.x0Estimate(output: target, xt: xt, timesteps: timesteps)
        // A noise estimate is divided by √ᾱ, 0.018 at the end.
        for (found, wanted) in zip(estimate, x0) { #expect(abs(found - wanted) < 1e-3) }
    }

    /// The coarsest scale has the approximation alone, which is noised as a plain diffusion with the same schedule noises images.
    @Test(arguments: Objective.allCases) func theCoarsestIsPlain(objective: Objective) {
        var (scaled, plain) = (Self.configuration(3), Self.configuration(1, of: 1))
        (scaled.objective, plain.objective) = (objective, objective)
        (scaled.minSNR, plain.minSNR) = (true, true)
        let (x0, noise) = (Self.normals(8, seed: 1), Self.normals(8, seed: 2))
        let (one, other) = (ForwardProcess(scaled, Self.model(3)), ForwardProcess(plain))
        for t in 20..<30 {
            let (a, b) = (
                one.noised(x0: x0, noise: noise, timesteps: [t, t]),
                other.noised(x0: x0, noise: noise, timesteps: [t, t])
            )
            #expect(a.xt == b.xt && a.target == b.target && one.weight(t) == other.weight(t))
            let estimates = [one, other].map { $0.x0Estimate(output: a.target, xt: a.xt, timesteps: [t, t]) }
            #expect(estimates[0] == estimates[1])
        }
    }

    /// Timesteps are drawn of the scale's own, each as often.
    @Test(arguments: [1, 2, 3]) func timesteps(scale: Int) throws {
        let process = ForwardProcess(Self.configuration(scale), Self.model(scale))
        let draw = try #require(process.draws(for: Self.model(scale)).first)
        let times = draw.values(seed: 4, at: (0..<5000).map { (0, $0) }).map { Int($0) }
        for t in 10 * (scale - 1)..<10 * scale {
            #expect(abs(times.filter { $0 == t }.count - 500) < 110, "\(t)")
        }
    }

    /// Where one scale ends the next begins: of what a scale makes of an image there, the approximation is what the coarser
    /// one makes of its approximation; details are noise, but for the rest of the signal, √ᾱ = 0.018.
    @Test(arguments: [2, 3]) func scalesMeet(coarse: Int) {
        let (model, t) = (Self.model(coarse - 1), 10 * (coarse - 1) - 1)
        let (x0, noise) = (
            Self.normals(model.sampleElements, seed: 1), Self.normals(model.sampleElements, seed: 2)
        )
        let transform = HaarTransform(side: model.size, channels: 1, levels: 1)
        let fine = ForwardProcess(Self.configuration(coarse - 1), model)
            .noised(x0: x0, noise: noise, timesteps: [t]).xt
        let below = ForwardProcess(Self.configuration(coarse), Self.model(coarse)).noised(
            x0: transform.approximation(x0), noise: transform.approximation(noise), timesteps: [t]
        ).xt
        for (a, b) in zip(transform.approximation(fine), below) { #expect(abs(a - b) < 1e-5) }
        for i in transform.groups.indices where transform.groups[i] == 0 {
            #expect(abs(transform(fine)[i] - transform(noise)[i]) < 0.02 * abs(transform(x0)[i]) + 1e-3)
        }
    }

    /// What each draw alone, of size 1 in every coefficient, does to the coefficients of samples: chain 0 has none.
    private struct Chains {
        /// Coefficients of a Gaussian: mean and variance of d_1, d_2, d_3.
        static let means = [0.1, -0.4, 1.5]
        static let variances = [0.02, 0.3, 2.5]
        let count: Int
        let objective: Objective

        /// The values of the draw of a chain, at a scale.
        func draw(_ chain: Int, _ scale: Int, levels: Int? = nil) -> [Float] {
            let full = HaarScaleTests.transform(scale)
            let transform = HaarTransform(side: full.side, channels: 1, levels: levels ?? full.levels)
            return (0..<count).flatMap {
                transform.inverse([Float](repeating: $0 == chain ? 1 : 0, count: transform.elements))
            }
        }

        /// The output whose estimate of x_0 is the mean of x_0 given x_t, for each coefficient by itself.
        func output(_ xt: [Float], _ t: Int, _ scale: Int, timesteps: Int) -> [Float] {
            let transform = HaarScaleTests.transform(scale)
            let (coefficients, groups) = (transform(xt), transform.groups)
            return transform.inverse(
                coefficients.enumerated().map { i, x in
                    let j = scale + groups[i % transform.elements]
                    let a = HaarScaleTests.alphaBar(j, t, timesteps: timesteps)
                    let (m, s) = (Self.means[j - 1], Self.variances[j - 1])
                    let x0 = (s * a.squareRoot() * Double(x) + (1 - a) * m) / (a * s + 1 - a)
                    let noise = (Double(x) - a.squareRoot() * x0) / (1 - a).squareRoot()
                    let target = objective.target(alphaBar: a)
                    return Float(target.x0 * x0 + target.noise * noise)
                })
        }

        /// Mean and variance of d_j in values of a scale, all its coefficients alike.
        func law(_ values: [Float], _ scale: Int, _ j: Int) -> (mean: Double, variance: Double) {
            let transform = HaarScaleTests.transform(scale)
            let (coefficients, groups) = (transform(values), transform.groups)
            let all = groups.indices.filter { groups[$0] == j - scale }.map { i in
                let ofChains = (0..<count).map { Double(coefficients[$0 * transform.elements + i]) }
                return (
                    mean: ofChains[0], variance: ofChains.reduce(0) { $0 + ($1 - ofChains[0]) * ($1 - ofChains[0]) }
                )
            }
            for law in all { #expect(abs(law.mean - all[0].mean) < 1e-3) }
            return all[0]
        }
    }

    /// Samples by all scales in turn; `left` sees what each leaves.
    private func sampled(
        _ configure: (Int) -> DiffusionConfiguration, _ objective: Objective, draws: Int,
        left: (_ scale: Int, _ x: [Float], Chains) -> Void
    ) throws -> (chains: Chains, samples: [Float]) {
        let chains = Chains(count: 1 + draws, objective: objective)
        var (x, drawn) = ([Float](), 0)
        func next(_ scale: Int, levels: Int? = nil) -> [Float] {
            drawn += 1
            return chains.draw(drawn, scale, levels: levels)
        }
        for scale in [3, 2, 1] {
            let configuration = configure(scale)
            let sampler = Sampler(configuration, of: Self.model(scale))
            if scale == 3 {
                x = next(scale)
            } else {
                let scales = try #require(HaarScales(configuration, Self.model(scale)))
                x = scales.start(approximation: x, noise: next(scale, levels: 1))
            }
            x = try sampler.sample(
                from: x, usesEta: false, selfCondition: false,
                predict: { xt, t, _, _ in chains.output(xt, t, scale, timesteps: configuration.timesteps) },
                draw: { _, _ in next(scale) })
            left(scale, x, chains)
        }
        #expect(drawn == draws)
        return (chains, x)
    }

    /// The probability flow in many steps, with x̂_0 the mean, carries N(0, 1) at λ = −8, where the data are N(√ᾱ m, ᾱs + 1 − ᾱ), to
    /// what is as many deviations from the mean of noised data, of every group and through all scales: between two of
    /// them x has the law of noised data there, and at the end that of the data, but for these ᾱ = 0.0003.
    @Test(arguments: Objective.allCases) func theFlowEndsAtTheLaw(objective: Objective) throws {
        let configure = { (scale: Int) in
            var configuration = Self.configuration(scale, timesteps: 3000)
            (configuration.sampler, configuration.objective) = (.ddim, objective)
            return configuration
        }
        // Every scale has one draw, at its start.
        let (chains, samples) = try sampled(configure, objective, draws: 3) { scale, x, chains in
            for j in scale...3 {
                let a = scale > 1 ? Self.alphaBar(j, 1000 * (scale - 1) - 1, timesteps: 3000) : 1
                let first = Self.alphaBar(j, 1000 * j - 1, timesteps: 3000)
                let (m, s) = (Chains.means[j - 1], Chains.variances[j - 1])
                let stretch = (a * s + 1 - a) / (first * s + 1 - first)
                let mean = m * (a.squareRoot() - (first * stretch).squareRoot())
                let law = chains.law(x, scale, j)
                #expect(abs(law.mean - mean) < 0.003, "\(scale) \(j) \(law) \(mean)")
                #expect(abs(law.variance / stretch - 1) < 0.015, "\(scale) \(j) \(law) \(stretch)")
            }
        }
        #expect(samples.count == chains.count * 64)
    }

    /// Ancestral steps, and DDIM's with noise: a few of each scale. Wanted is the recursion of mean and variance of each
    /// group by itself, over the times that all scales visit, with the posterior of Ho et al. 2020, equation 7, or its
    /// form with less noise.
    @Test(arguments: [(SamplerKind.ancestral, 1.0), (.ddim, 1), (.ddim, 0.4)])
    func stepsAreThoseOfEachGroup(sampler: (kind: SamplerKind, eta: Double)) throws {
        let configure = { (scale: Int) in
            var configuration = Self.configuration(scale)
            (configuration.sampler, configuration.ddimEta) = (sampler.kind, sampler.eta)
            configuration.samplingSteps = 16
            return configuration
        }
        let visited = [3, 2, 1].flatMap { Sampler(configure($0), of: Self.model($0)).times.reversed() }
        #expect(visited.count == 16 && [9, 19, 29].allSatisfy(visited.contains))
        // Three starts, and noise in all steps but the last.
        let (chains, samples) = try sampled(configure, .v, draws: 18) { _, _, _ in }
        for j in 1...3 {
            let times = visited.filter { $0 < 10 * j }
            var (mean, variance) = (0.0, 1.0)
            for (t, next) in zip(times, times.dropFirst() + [-1]) {
                let (a, b) = (Self.alphaBar(j, t), next < 0 ? 1 : Self.alphaBar(j, next))
                let (m, s) = (Chains.means[j - 1], Chains.variances[j - 1])
                // x̂_0 = known x + rest, x' = ofX0 x̂_0 + ofX x + noise.
                let (known, rest) = (s * a.squareRoot() / (a * s + 1 - a), (1 - a) * m / (a * s + 1 - a))
                let noise = sampler.eta * sampler.eta * (1 - a / b) * (1 - b) / (1 - a)
                let ofX = ((1 - b - noise) / (1 - a)).squareRoot()
                let ofX0 =
                    sampler.eta == 1
                    ? (1 - a / b) * b.squareRoot() / (1 - a) : b.squareRoot() - ofX * a.squareRoot()
                if sampler.eta == 1 { #expect(abs(ofX - (1 - b) * (a / b).squareRoot() / (1 - a)) < 1e-12) }
                mean = (ofX0 * known + ofX) * mean + ofX0 * rest
                variance = pow(ofX0 * known + ofX, 2) * variance + noise
            }
            let law = chains.law(samples, 1, j)
            #expect(abs(law.mean - mean) < 1e-4, "\(j) \(law) \(mean)")
            #expect(abs(law.variance / variance - 1) < 1e-3, "\(j) \(law) \(variance)")
        }
    }

    /// Estimates are clamped to what approximations of images in [−1, 1] can be; alone, a scale ends with one.
    @Test(arguments: [1, 2, 3]) func estimatesAreBounded(scale: Int) throws {
        var configuration = Self.configuration(scale)
        (configuration.clipDenoised, configuration.objective) = (true, .x0)
        let model = Self.model(scale)
        let sampler = Sampler(configuration, of: model, alone: true)
        let noise = (0..<model.sampleElements).map { Float($0 % 2 == 0 ? 1 : -1) }
        let samples = try sampler.sample(
            from: noise, usesEta: false, selfCondition: false, predict: { x, _, _, _ in x.map { 100 * $0 } },
            draw: { _, _ in noise })
        let bound = Float(1 << (scale - 1))
        #expect(samples.allSatisfy { abs($0) <= bound } && samples.contains(bound) && samples.contains(-bound))
    }

    @Test func faults() {
        func fault(_ change: (inout DiffusionConfiguration) -> Void) -> String {
            var configuration = Self.configuration(2)
            change(&configuration)
            return configuration.scalesFault ?? "none"
        }
        #expect(fault { _ in } == "none")
        #expect(fault { $0.scale = 4 } == "diffusion.scale is 4, wanted 1 ... 3, the number of diffusion.scales")
        #expect(fault { $0.timesteps = 1000 }.hasSuffix("a multiple of diffusion.scales, 3: 999 or 1002"))
        #expect(fault { $0.timesteps = 3 }.hasSuffix("3: 6 or 9"))
        #expect(fault { $0.samplingSteps = 2 }.contains("fewer than one for each of the 3"))
        #expect(fault { $0.schedule = .cosine }.hasSuffix("set it to logsnr"))
        #expect(fault { $0.sampler = .heun }.hasSuffix("set it to ddim or ancestral"))
        let others: [((inout DiffusionConfiguration) -> Void, String)] = [
            ({ $0.horizon = 20 }, "horizon"), ({ $0.prior = "a.h5" }, "prior"), ({ $0.shift = .prior }, "shift"),
            ({ $0.offsetNoise = 0.1 }, "offset_noise"), ({ $0.timestepSampling = .logistic }, "timestep_sampling"),
            ({ $0.energyHandover = 1 }, "energy_handover"), ({ $0.variance = .large }, "variance"),
            ({ $0.spacing = .karras }, "spacing"), ({ $0.respacing = "ddim10" }, "respacing"),
        ]
        for (change, key) in others { #expect(fault(change).hasPrefix("diffusion.\(key) is "), "\(key)") }
        let configuration = Self.configuration(1)
        var model = Self.model(1)
        #expect(configuration.scalesFault(model) == nil)
        model.size = 6
        #expect(configuration.scalesFault(model)?.contains("which 4 does not divide") == true)
        model.size = 1
        #expect(configuration.scalesFault(model)?.contains("for images") == true)
        model = Self.model(1)
        model.conditionChannels = 1
        #expect(configuration.scalesFault(model)?.contains("model.condition_channels=0") == true)
        model.conditionChannels = 0
        model.learnedVariance = true
        #expect(configuration.scalesFault(model)?.contains("model.learned_variance=false") == true)
    }
}
