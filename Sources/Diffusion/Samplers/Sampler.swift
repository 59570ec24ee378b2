import NeuralNetwork

/// How a trained network is turned into samples: a file each, listed here.
public enum SamplerKind: String, Codable, CaseIterable, Sendable {
    /// The Markov chain of Ho et al. 2020, algorithm 2.
    case ancestral
    /// Song, Meng, Ermon 2021; deterministic with `ddim_eta` 0.
    case ddim
    /// Heun's method on the probability flow, two evaluations a step (Karras et al. 2022, algorithm 1).
    case heun
    /// DPM-Solver++(2M) on the probability flow (Lu et al. 2022).
    case dpmSolver = "dpm_solver"
    /// The same for the stochastic equation, SDE-DPM-Solver++(2M).
    case sdeDPMSolver = "sde_dpm_solver"
    /// UniPC-2 with its corrector (Zhao et al. 2023).
    case uniPC = "unipc"
    /// Annealed Langevin dynamics (Song and Ermon 2019).
    case langevin

    private var method: any SamplingMethod.Type {
        switch self {
        case .ancestral: Ancestral.self
        case .ddim: DDIM.self
        case .heun: Heun.self
        case .dpmSolver: DPMSolver.self
        case .sdeDPMSolver: SDEDPMSolver.self
        case .uniPC: UniPC.self
        case .langevin: Langevin.self
        }
    }

    func method(_ chain: Chain, _ configuration: DiffusionConfiguration) -> any SamplingMethod {
        method.init(chain, configuration)
    }

    /// The variances that a step can have.
    var variances: [VarianceKind] { method.variances }
    /// Whether estimates may be draws of x_0 instead of its mean.
    public var takesDraws: Bool { method.takesDraws }
    /// Whether x may be changed between steps.
    public var takesProjections: Bool { method.takesProjections }
    /// Noise of its steps as a share of that of an ancestral one, of a kind that can run one scale of a multi-scale diffusion;
    /// nil of the others.
    func noiseShare(_ configuration: DiffusionConfiguration) -> Double? { method.noiseShare(configuration) }
}

/// A way from x_T to x_0. It owns its loop: when it evaluates the network, at which t, and what it draws.
protocol SamplingMethod: Sendable {
    init(_ chain: Chain, _ configuration: DiffusionConfiguration)
    /// The variances that a step can have. `small` and `learned` leave alone a method whose steps have noise of their own.
    static var variances: [VarianceKind] { get }
    /// Whether estimates may be draws of x_0, another one at each evaluation, instead of its mean.
    static var takesDraws: Bool { get }
    /// Whether x may be changed between steps: a step begins at the x that the one before it left, and nowhere else.
    static var takesProjections: Bool { get }
    /// Noise of a step as a share η of that of an ancestral one, where its steps are those of DDIM with η; nil of others.
    static func noiseShare(_ configuration: DiffusionConfiguration) -> Double?
    /// t of each evaluation of the network, in their order.
    var evaluatedTimes: [Int] { get }
    /// What multiplies the noise of the step from the `i`-th time, the same for every element; nil where it is none such, or
    /// 0. The last step, i = 0, adds none.
    func noiseDeviation(_ i: Int) -> Double?
    /// x_0 from `x` at the noisiest of the chain's times, a whole batch as a flat array.
    ///
    /// - Parameter reached: to be called with (step, x) after each step; goes on from what it makes of x.
    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (_ step: Int, _ x: inout [Float]) throws -> Void
    ) throws -> [Float]
}

extension SamplingMethod {
    static var variances: [VarianceKind] { [.small, .learned] }
    static var takesDraws: Bool { true }
    static var takesProjections: Bool { true }
    static func noiseShare(_: DiffusionConfiguration) -> Double? { nil }
    func noiseDeviation(_ i: Int) -> Double? { nil }
}

/// The random tensors that a sampler asks for.
public enum SamplerDraw: Sendable {
    /// η, the input that makes the latent of a step random.
    case eta
    /// The noise that a step adds.
    case noise
}

/// An evaluation of the network by a sampler.
public struct Evaluation: Sendable {
    public let xt: [Float]
    public let timestep: Int
    public let eta: [Float]?
    /// The estimate of x_0 that was fed back.
    public let estimate: [Float]?
    /// What the network said; without v of a learned variance.
    public let output: [Float]

    public init(xt: [Float], timestep: Int, eta: [Float]?, estimate: [Float]?, output: [Float]) {
        (self.xt, self.timestep, self.eta, self.estimate, self.output) = (xt, timestep, eta, estimate, output)
    }
}

/// What leads a sampler to something y: ∇_x ln p(y | x_t), with which x̂_0 becomes `x̂_0 + (1 − ᾱ)/√ᾱ ∇ ln p`, its mean given y,
/// too, by Tweedie's formula.
public struct SamplerGuide {
    /// Whether steps with noise of their own have σ² times the gradient added to their mean instead, as classifiers are used.
    public let shiftsMeans: Bool
    /// The gradient, of the size of x_t.
    public let gradient: (Evaluation) throws -> [Float]

    public init(shiftsMeans: Bool, gradient: @escaping (Evaluation) throws -> [Float]) {
        (self.shiftsMeans, self.gradient) = (shiftsMeans, gradient)
    }
}

/// From x_T, or from a less noisy start, to x_0 with a trained network (SMD, section 4: a fresh η at every evaluation).
///
/// Works on a whole batch as a flat array, elements in any order: `[N, H, W, C]` elsewhere.
public struct Sampler: Sendable {
    /// Schedule, objective, and the sampler's settings.
    public let configuration: DiffusionConfiguration
    let chain: Chain
    let method: any SamplingMethod

    /// The sampler that `configuration` describes.
    ///
    /// - Parameters:
    ///   - x0Variance: of the network's estimates; needed for the optimal variance.
    ///   - start: the noisiest timestep that is visited; nil for all of the way from x_T. What is sampled from is then x at
    ///     the last of ``times``, such as ``noised(_:noise:)`` makes.
    public init(_ configuration: DiffusionConfiguration, _ x0Variance: X0Variance? = nil, startingAt start: Int? = nil)
    {
        self.configuration = configuration
        chain = Chain(configuration, x0Variance, startingAt: start)
        method = configuration.sampler.method(chain, configuration)
    }

    /// The part of the sampler that is run by the network `model` of one scale of a multi-scale diffusion, from its last timestep
    /// to the last one of the next finer scale; or where there is one scale, all of it.
    ///
    /// - Parameter alone: whether it ends with the scale's last estimate of x_0 instead.
    public init(_ configuration: DiffusionConfiguration, of model: ModelConfiguration, alone: Bool = false) {
        self.configuration = configuration
        if let scales = HaarScales(configuration, model) {
            chain = Chain(configuration, scales, alone: alone)
            method = ScaleSteps(chain, configuration)
        } else {
            chain = Chain(configuration)
            method = configuration.sampler.method(chain, configuration)
        }
    }

    /// The timesteps that are visited, ascending.
    public var times: [Int] { chain.times }

    /// ᾱ where it begins.
    public var alphaBarAtStart: Double { chain.schedule.alphaBars[times.count - 1] }

    /// ᾱ of what a step leaves; 1 after the last. Steps count from 0, the noisiest.
    public func alphaBar(after step: Int) -> Double {
        precondition(times.indices ~= step, "step \(step) of \(times.count)")
        return chain.schedule.alphaBarsBefore[times.count - 1 - step]
    }

    /// A draw of q(x_t | x_0) at the noisiest visited timestep: `√ᾱ x_0 + √(1 − ᾱ) noise`.
    public func noised(_ x0: [Float], noise: [Float]) -> [Float] {
        let (alpha, sigma, _) = chain.level(times.count - 1)
        return combine((Float(alpha), x0), (Float(sigma), noise))
    }

    /// Evaluations of the network a sample.
    public var evaluations: Int { method.evaluatedTimes.count }

    /// Passes through the network a sample: one an evaluation, and a second where it is guided.
    public var passes: Int {
        method.evaluatedTimes.reduce(0) { $0 + (guidanceWeight(at: $1) == nil ? 1 : 2) }
    }

    /// The weight of the class at t; nil where the network is not guided.
    public func guidanceWeight(at t: Int) -> Double? {
        configuration.guidance.weight(at: t, of: configuration.timesteps)
    }

    /// Samples, from the noisiest step to the clean end.
    ///
    /// - Parameters:
    ///   - xT: draws of N(0, 1); with a start, x at that time.
    ///   - usesEta: whether the network takes η; it is drawn at every evaluation, before the step's noise.
    ///   - selfCondition: whether the network takes the last estimate of x_0; zeros at the first evaluation.
    ///   - predict: the network: (x_t, t, η, estimate of x_0) → output, all of the size of `xT`; where the network has a
    ///     learned variance v of the same size follows the output.
    ///   - guide: what leads x to something; nil without.
    ///   - draw: (number, which) → draws of N(0, 1) of the size of `xT`; evaluations (for η) and steps (for noise) count
    ///     from 0.
    ///   - reached: called with (step, x) after each step, which may change x: only of a kind that takes projections.
    /// - Returns: x_0, of the size of `xT`.
    /// - Throws: what the closures throw.
    public func sample(
        from xT: [Float], usesEta: Bool, selfCondition: Bool,
        predict: @escaping (_ xt: [Float], _ timestep: Int, _ eta: [Float]?, _ estimate: [Float]?) throws -> [Float],
        guide: SamplerGuide? = nil,
        draw: @escaping (_ number: Int, _ which: SamplerDraw) throws -> [Float],
        reached: (_ step: Int, _ x: inout [Float]) throws -> Void = { _, _ in }
    ) throws -> [Float] {
        var network = SampledNetwork(
            usesEta: usesEta, lastEstimate: selfCondition ? [Float](repeating: 0, count: xT.count) : nil,
            predict: predict, guide: guide, draw: draw)
        return try method.sample(from: xT, &network, reached: reached)
    }
}

/// The network as samplers see it: it gets a fresh η at each evaluation, and its last estimate of x_0 where it takes that.
struct SampledNetwork {
    let usesEta: Bool
    /// What self-conditioning feeds back; nil without.
    var lastEstimate: [Float]?
    let predict: ([Float], Int, [Float]?, [Float]?) throws -> [Float]
    let guide: SamplerGuide?
    let draw: (Int, SamplerDraw) throws -> [Float]
    /// What the last evaluation said of the variance; empty where it says nothing.
    private(set) var v: [Float] = []
    fileprivate var evaluations = 0

    /// Output and estimate of x_0 at the `i`-th time of `chain`, both as a guide would have them, if there is one.
    ///
    /// - Parameter meanShift: given by a method that can add a gradient to its mean itself: is handed that of a guide that is
    ///   meant so.
    mutating func evaluate(
        _ x: [Float], _ chain: Chain, _ i: Int, meanShift: (([Float]) -> Void)? = nil
    ) throws -> (output: [Float], x0: [Float]) {
        let eta = usesEta ? try draw(evaluations, .eta) : nil
        var output = try predict(x, chain.times[i], eta, lastEstimate)
        evaluations += 1
        v = Array(output.dropFirst(x.count))
        output.removeLast(v.count)
        var x0 = chain.x0Estimate(output: output, xt: x, i)
        if let guide {
            let gradient = try guide.gradient(
                Evaluation(xt: x, timestep: chain.times[i], eta: eta, estimate: lastEstimate, output: output))
            if guide.shiftsMeans, let meanShift {
                meanShift(gradient)
            } else {
                (output, x0) = chain.shifted(output: output, x0: x0, by: gradient, i)
            }
        }
        if lastEstimate != nil { lastEstimate = x0 }
        return (output, x0)
    }

    /// The noise of a step.
    func noise(_ step: Int) throws -> [Float] { try draw(step, .noise) }
}
