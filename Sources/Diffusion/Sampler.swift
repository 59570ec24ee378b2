import Foundation

/// The random tensors that a sampler asks for.
public enum SamplerDraw: Sendable {
    /// η, the input that makes the latent of a step random.
    case eta
    /// The noise that a step adds.
    case noise
}

/// From x_T to x_0 with a trained network (SMD, section 4: a fresh η at every step).
///
/// Works on a whole batch as a flat array, elements in any order: `[N, H, W, C]` elsewhere.
public struct Sampler: Sendable {
    /// The forward process that the network was trained on.
    public let schedule: NoiseSchedule
    /// What the network's output estimates.
    public let objective: Objective
    /// Ancestral or DDIM.
    public let kind: SamplerKind
    /// DDIM's η: the share of step noise.
    public let ddimEta: Double
    /// Whether estimates of x_0 are clamped to [−1, 1].
    public let clip: Bool
    /// The timesteps that are visited, ascending.
    public let times: [Int]
    /// The forward process between the visited times only.
    private let chain: NoiseSchedule

    /// A sampler of `steps` network evaluations, 1 … T.
    public init(
        schedule: NoiseSchedule, objective: Objective, kind: SamplerKind, steps: Int, ddimEta: Double, clip: Bool
    ) {
        precondition(1...schedule.timesteps ~= steps, "\(steps) steps of \(schedule.timesteps)")
        self.schedule = schedule
        self.objective = objective
        self.kind = kind
        self.ddimEta = ddimEta
        self.clip = clip
        times = Self.times(steps: steps, of: schedule.timesteps)
        chain = schedule.respaced(to: times)
    }

    /// The sampler that `configuration` describes.
    public init(_ configuration: DiffusionConfiguration) {
        self.init(
            schedule: NoiseSchedule(kind: configuration.schedule, timesteps: configuration.timesteps),
            objective: configuration.objective, kind: configuration.sampler, steps: configuration.samplingSteps,
            ddimEta: configuration.ddimEta, clip: configuration.clipDenoised)
    }

    /// Number of network evaluations.
    public var steps: Int { times.count }

    /// linspace(−1, T−1, S+1) without its first, truncated: S ascending times of which the last is T−1.
    ///
    /// From both ends inwards in double precision, as the reference does it: where S divides a product exactly, the
    /// rounding decides which of two neighbours is taken.
    static func times(steps: Int, of timesteps: Int) -> [Int] {
        let (last, step) = (Double(timesteps - 1), Double(timesteps) / Double(steps))
        return (1...steps).map { Int($0 < (steps + 1) / 2 ? -1 + step * Double($0) : last - step * Double(steps - $0)) }
    }

    /// Samples, from the noisiest step to the clean end.
    ///
    /// - Parameters:
    ///   - xT: draws of N(0, 1).
    ///   - usesEta: whether the network takes η; it is drawn at every step, before the step's noise.
    ///   - selfCondition: whether the network takes the last estimate of x_0; zeros at the first step.
    ///   - predict: the network: (x_t, t, η, estimate of x_0) → output, all of the size of `xT`.
    ///   - draw: (step, which) → draws of N(0, 1) of the size of `xT`; steps count from 0. The last step draws no noise.
    ///   - onStep: called with (step, x) after each step.
    /// - Returns: x_0, of the size of `xT`.
    /// - Throws: what the closures throw.
    public func sample(
        from xT: [Float], usesEta: Bool, selfCondition: Bool,
        predict: (_ xt: [Float], _ timestep: Int, _ eta: [Float]?, _ selfCondition: [Float]?) throws -> [Float],
        draw: (_ step: Int, _ which: SamplerDraw) throws -> [Float],
        onStep: (_ step: Int, _ x: [Float]) throws -> Void
    ) rethrows -> [Float] {
        var x = xT
        var x0 = [Float](repeating: 0, count: xT.count)
        for (step, i) in times.indices.reversed().enumerated() {
            let eta = usesEta ? try draw(step, .eta) : nil
            let output = try predict(x, times[i], eta, selfCondition ? x0 : nil)
            x0 = estimate(output: output, xt: x, i)
            let noise = i > 0 ? try draw(step, .noise) : nil
            switch kind {
            case .ancestral: x = ancestral(x0: x0, xt: x, noise: noise, i)
            case .ddim: x = ddim(x0: x0, xt: x, output: output, noise: noise, i)
            }
            try onStep(step, x)
        }
        return x
    }

    /// x̂_0 from the output at the i-th visited time, clamped to [−1, 1] where asked for.
    private func estimate(output: [Float], xt: [Float], _ i: Int) -> [Float] {
        let x0 = objective.x0(alphaBar: chain.alphaBars[i])
        let estimate = combine((Float(x0.xt), xt), (Float(x0.output), output))
        // Not min and max, whose result for a NaN depends on the order of their arguments: it must stay a NaN.
        return clip ? estimate.map { $0 < -1 ? -1 : $0 > 1 ? 1 : $0 } : estimate
    }

    /// `x_{t−1} = μ̃(x_t, x̂_0) + √β̃ · noise`, without noise at the last step (Ho et al. 2020, algorithm 2).
    private func ancestral(x0: [Float], xt: [Float], noise: [Float]?, _ i: Int) -> [Float] {
        let mean = combine((Float(chain.posteriorMeanX0[i]), x0), (Float(chain.posteriorMeanXt[i]), xt))
        guard let noise else { return mean }
        return combine((1, mean), (Float(exp(chain.posteriorLogVariance[i] / 2)), noise))
    }

    /// `x' = √ᾱ' x̂_0 + √(1 − ᾱ' − σ²) ε̂ + σ · noise`,
    /// `σ = η √((1 − ᾱ/ᾱ')(1 − ᾱ')/(1 − ᾱ))`; x̂_0 itself at the last step (Song et al. 2021, equations 12 and 16).
    ///
    /// ε̂ follows from x̂_0, except for an unclamped estimate of ε, which is taken as it is.
    private func ddim(x0: [Float], xt: [Float], output: [Float], noise: [Float]?, _ i: Int) -> [Float] {
        guard let noise else { return x0 }
        let (a, b) = (chain.alphaBars[i], chain.alphaBarsBefore[i])  // ᾱ, ᾱ'
        let sigma = ddimEta * ((1 - a / b) * (1 - b) / (1 - a)).squareRoot()
        let c = (1 - b - sigma * sigma).squareRoot()
        let epsilon: [Float]
        if objective == .noise && !clip {
            epsilon = output
        } else {
            let coefficients = Objective.noise(alphaBar: a)
            epsilon = combine((Float(coefficients.xt), xt), (Float(coefficients.x0), x0))
        }
        let mean = combine((Float(b.squareRoot()), x0), (Float(c), epsilon))
        return combine((1, mean), (Float(sigma), noise))
    }

    /// `a·x + b·y`, element by element.
    private func combine(_ x: (Float, [Float]), _ y: (Float, [Float])) -> [Float] {
        precondition(x.1.count == y.1.count, "\(x.1.count) and \(y.1.count) elements")
        return zip(x.1, y.1).map { x.0 * $0 + y.0 * $1 }
    }
}
