import Diffusion
import Testing

/// Samples to the noises that make them, and back.
@Suite struct NoiseCodeTests {
    private static func oracle(_ sampler: Sampler, mean: Double, deviation: Double) -> Oracle {
        Oracle(
            schedule: NoiseSchedule(sampler.configuration), objective: sampler.configuration.objective, mean: mean,
            variance: deviation * deviation)
    }

    private static func run(
        _ sampler: Sampler, _ oracle: Oracle, from x: [Float], draw: @escaping (Int) -> [Float],
        reached: (Int, inout [Float]) -> Void = { _, _ in }
    ) throws -> [Float] {
        try sampler.sample(
            from: x, usesEta: false, selfCondition: false, predict: { x, t, _, _ in oracle(x, t) },
            draw: { step, _ in draw(step) }, reached: reached)
    }

    /// Start and noises, the last what the last step is off by.
    private static func code(
        _ sampler: Sampler, _ oracle: Oracle, _ x0: [Float], noise: (Int) -> [Float]
    ) throws -> [[Float]] {
        var xt = sampler.noised(x0, noise: noise(0))
        var code = [xt]
        _ = try run(sampler, oracle, from: xt, draw: { _ in x0.map { _ in 0 } }) { step, x in
            let (found, next) = sampler.encoded(step, from: xt, mean: x, x0: x0, noise: noise(step + 1))
            code.append(found)
            (xt, x) = (next, next)
        }
        return code
    }

    /// CycleDiffusion between N(0, 0.5²) and N(1, 0.25²) with the exact denoiser of each: the law of the second is met with as
    /// much noise as ancestral sampling has, with a tenth of it the result is too wide. All is affine in the sample and the
    /// noises: element 0 has none of them, each other one of them, so that the coefficients give the law. (Slope, correlation
    /// and deviation for comparison were computed with NumPy as a simulation.)
    @Test(arguments: [(1, 0.250, 0.463, 0.924), (0.1, 0.324, nil, nil)] as [(Double, Double, Double?, Double?)])
    func gaussiansBecomeEachOther(
        _ eta: Double, _ deviation: Double, _ slope: Double?, _ correlation: Double?
    ) throws {
        let sampler = Sampler(StartTests.configuration(.ddim, eta: eta))
        let (first, second) = (
            Self.oracle(sampler, mean: 0, deviation: 0.5), Self.oracle(sampler, mean: 1, deviation: 0.25)
        )
        func unit(_ k: Int) -> [Float] { (0..<1002).map { $0 == k + 1 ? 1 : 0 } }
        let code = try Self.code(sampler, first, unit(0)) { $0 < 1000 ? unit($0 + 1) : [] }
        let y = try Self.run(sampler, second, from: code[0]) { code[$0 + 1] }
        let gains = y.dropFirst().map { Double($0 - y[0]) }
        let ofNoise = gains.dropFirst().reduce(0) { $0 + $1 * $1 }
        let spread = (0.25 * gains[0] * gains[0] + ofNoise).squareRoot()
        #expect(abs(Double(y[0]) - 1) < 0.01 && abs(spread / deviation - 1) < 0.01, "\(y[0]), \(spread)")
        if let slope { #expect(abs(gains[0] / slope - 1) < 0.01, "\(gains[0])") }
        if let correlation { #expect(abs(gains[0] * 0.5 / spread / correlation - 1) < 0.01) }
        // Back in the first network only what the last step is off by is lost, and with it nothing.
        let back = try Self.run(sampler, first, from: code[0]) { code[$0 + 1] }
        let exact = zip(back, code[1000]).map { $0 + $1 }
        #expect(zip(exact, unit(0)).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    /// What a code is off by without its last part has the deviation of the noise that is left before the last step.
    @Test func theLastStepIsOffByItsNoise() throws {
        let sampler = Sampler(StartTests.configuration(.ddim, eta: 1))
        let oracle = Self.oracle(sampler, mean: 0, deviation: 0.5)
        let count = 4000
        let draw = Draw("noise", .noise, .normal, elements: count)
        let x0 = draw.values(seed: 1, at: [(0, 0)]).map { $0 / 2 }
        let code = try Self.code(sampler, oracle, x0) { draw.values(seed: 2, at: [($0, 0)]) }
        let error = code[1000].reduce(0) { $0 + Double($1) * Double($1) } / Double(count)
        #expect(abs(error.squareRoot() - 0.0100) < 0.0004, "\(error.squareRoot())")
    }

    /// The same bits come back from every sampler that has codes, from any start.
    @Test(arguments: [(SamplerKind.ddim, 0.3), (.ancestral, 0), (.sdeDPMSolver, 0)], [nil, 500])
    func samplesComeBack(_ kind: (sampler: SamplerKind, eta: Double), _ start: Int?) throws {
        let sampler = Sampler(StartTests.configuration(kind.sampler, steps: 20, eta: kind.eta), startingAt: start)
        #expect(sampler.codeFault == nil)
        let oracle = Self.oracle(sampler, mean: 0.2, deviation: 0.3)
        let draw = Draw("noise", .noise, .normal, elements: 5)
        let x0: [Float] = [0.5, -0.25, 0, 1, -1]
        let code = try Self.code(sampler, oracle, x0) { draw.values(seed: 3, at: [($0, 0)]) }
        #expect(code.count == sampler.times.count + 1)
        var path: [[Float]] = []
        let back = try Self.run(
            sampler, oracle, from: code[0], draw: { code[$0 + 1] }, reached: { path.append($1) })
        #expect(zip(zip(back, code[code.count - 1]).map { $0 + $1 }, x0).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(path.count == sampler.times.count)
    }

    @Test func samplersWithoutKnownNoiseHaveNoCodes() {
        var configuration = StartTests.configuration(.ddim, steps: 20)
        for kind in [SamplerKind.ddim, .heun, .dpmSolver, .uniPC] {
            configuration.sampler = kind
            #expect(Sampler(configuration).codeFault?.contains("diffusion.ddim_eta above 0") == true, "\(kind)")
        }
        (configuration.sampler, configuration.variance) = (.ancestral, .large)
        #expect(Sampler(configuration).codeFault != nil)
    }

    /// A code is x at the start, noises, η and the rest, side by side.
    @Test func placesOfACode() {
        let code = NoiseCode(elements: 3, steps: 4, etaElements: 2, evaluations: 4)
        let places = [code.start] + (0..<3).map { code.place($0, .noise) } + (0..<4).map { code.place($0, .eta) }
        #expect((places + [code.residual]).flatMap { $0 } == Array(0..<code.count) && code.count == 23)
    }
}
