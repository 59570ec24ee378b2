import NeuralNetwork
import TensorGraph

/// What the adversarial loss is made of.
public struct AdversaryConfiguration: Equatable, Sendable {
    /// Factor of the discriminator's judgement in the generator's loss.
    public var weight = 1.0
    /// Factor of the term of the forward step there.
    public var conditionalWeight = 1.0
    /// Training steps between two updates of the discriminator.
    public var every = 1
    /// Adam's step size for the discriminator, where the generator's is the run's.
    public var learningRate = 4e-4
    /// Channels of the discriminator's first stage; 0: the network's.
    public var dim = 0
    /// Whether the discriminator is shown x_t, too (DDGAN, Xiao et al. 2022).
    public var joint = false
    /// Whether the term of the forward step has its entropy taken off, by a regressor that is trained beside.
    public var entropy = false
    /// Factor of the penalty on the discriminator's slope; 0: none.
    public var regularize = 0.0

    public init() {}
}

/// The loss of a few long steps (SIDDM, Xu et al. 2023), from x_t to x_s one jump before. The network and its η give a
/// draw x̂_0, the posterior a draw `x' = μ̃(x_t, x̂_0) + √β̃ n`, and a discriminator D holds x' against x_s of the data:
///
///     generator      weight · −ln D(x', t)  +  afd_weight · mean ((√(1 − β) x' − x_t)² − (C(x', t) − x_t)²)
///     discriminator  −ln D(x_s, t) − ln(1 − D(x', t)) + regularize · ½ (|∇D(x_s)|² + |∇D(x')|²)
///     regressor      mean (C(x', t) − x_t)²,   C = √(1 − β) x' + a network
///
/// β is that of the long step, `q(x_t|x_s) = N(√(1 − β) x_s, β I)`. D matches the distributions of x' and x_s; the other term,
/// 2β KL(p(x_t|x') ‖ q(x_t|x')) of Gaussians, says which x' belongs to which x_t: a cross entropy less an entropy, which the best
/// C estimates. With `entropy: false`, as in the authors' code, it is the cross entropy alone, which is least where x' is as
/// near x_t/√(1 − β) as it can be, and not where it is right. All networks learn at once, from the same draws: a step is one
/// pass. t is one of the times at the ends of jumps, each equally likely. |∇D|², the mean over its two logits l, is taken
/// of a difference, `((l(x + σ n) − l(x))/σ)²` (Lin et al. 2025); with `joint` D is shown x_t.
public struct Adversarial: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess
    private let adversary: AdversaryConfiguration
    /// The ends of the jumps, ascending.
    private let times: [Int]
    /// The forward process from one of them to the next.
    private let jumps: NoiseSchedule
    private let timesteps: Int

    /// The loss of a network, in the diffusion that `diffusion` describes.
    public init(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) {
        self.model = model
        process = ForwardProcess(diffusion)
        adversary = diffusion.adversary
        times = Array(stride(from: diffusion.jump - 1, to: diffusion.reach, by: diffusion.jump))
        jumps = NoiseSchedule(diffusion).respaced(to: times)
        timesteps = diffusion.reach
    }

    /// How far the discriminator's slope is measured.
    static let slopeStep: Float = 0.01

    private var noises: Int { adversary.regularize > 0 ? 4 : 3 }

    /// Of each sample `noise` holds these draws one after the other: of x_s, of x_t, of x', and of where the slope is measured.
    public var draws: [Draw] {
        let jump = times[0] + 1
        let cumulative = (1...timesteps).map { Double($0 / jump) / Double(times.count) }
        return [
            Draw("timestep", .timestep, .weighted(cumulative: cumulative), elements: 1),
            Draw("noise", .noise, .normal, elements: noises * model.sampleElements),
        ] + model.networkDraws()
    }

    private var takesEntropy: Bool { adversary.entropy && adversary.conditionalWeight > 0 }

    public var opponents: [String] { [Discriminator.name] + (takesEntropy ? [Regressor.name] : []) }
    public var parts: [String] { ["loss_adversarial", "loss_conditional", "loss_discriminator"] }
    public var weightInputs: [String] {
        ["adversarial_weight", "conditional_weight"] + (takesEntropy ? ["entropy_weight"] : [])
    }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        let (t, noise, size) = (drawn.timesteps, drawn["noise"], model.sampleElements)
        precondition(x0.count == t.count * size, "\(x0.count) elements are not \(t.count) samples of \(size)")
        var (xs, xt, rest, aside) = (x0, x0, x0, x0)
        var (factors, weights, keptFactors) = ([Float](), [Float](), [Float]())
        for (sample, t) in t.enumerated() {
            let i = t / (times[0] + 1)
            let (before, beta) = (jumps.alphaBarsBefore[i], jumps.betas[i])
            let x0Estimate = process.objective.x0(alphaBar: jumps.alphaBars[i])
            let ofX0 = jumps.posteriorMeanX0[i]
            let ofXt = Float(jumps.posteriorMeanXt[i] + ofX0 * x0Estimate.xt)
            let deviation = Float(jumps.posteriorVariance[i].squareRoot())
            let (signal, spread) = (Float(before.squareRoot()), Float((1 - before).squareRoot()))
            let (kept, added) = (Float((1 - beta).squareRoot()), Float(beta.squareRoot()))
            for element in 0..<size {
                let (place, first) = (sample * size + element, noises * sample * size + element)
                xs[place] = signal * x0[place] + spread * noise[first]
                xt[place] = kept * xs[place] + added * noise[first + size]
                rest[place] = ofXt * xt[place] + deviation * noise[first + 2 * size]
                if noises > 3 { aside[place] = Self.slopeStep * noise[first + 3 * size] }
            }
            factors += [Float](repeating: Float(ofX0 * x0Estimate.output - 1), count: model.channels)
            factors += [Float](repeating: 0, count: model.channels)
            keptFactors += [Float](repeating: kept - 1, count: model.channels)
            keptFactors += [Float](repeating: 0, count: model.channels)
            weights.append(Float(adversary.conditionalWeight * (1 - beta)))
        }
        let target = zip(xt.indices, xt).map { place, x in
            x / Float((1 - jumps.betas[t[place / size] / (times[0] + 1)]).squareRoot())
        }
        var own: [String: [Float]] = [:]
        if noises > 3 { own["slope_noise"] = aside }
        if adversary.joint || takesEntropy { own["judged_xt"] = xt }
        if takesEntropy {
            own["kept_factors"] = keptFactors
            own["entropy_weight"] = t.map { _ in Float(-adversary.conditionalWeight) }
        }
        return model.inputs(xt: xt, drawn).merging(own) { $1 }.merging([
            "x_s": xs, "step_factors": factors, "step_rest": rest, "step_target": target,
            "judged_timestep": t.map { Float($0) }, "conditional_weight": weights,
            "adversarial_weight": t.map { _ in Float(adversary.weight) },
        ]) { $1 }
    }

    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor {
        let output = Denoiser(model)(graph, batch: batch).output
        graph.keep(output, as: "output")
        // x' is linear in the output: (factor + 1) · output + rest.
        let factors = graph.input("step_factors", [batch, 2 * model.channels])
        let step = output.modulated(by: factors) + graph.input("step_rest", output.shape)
        let timestep = graph.input("judged_timestep", [batch])
        let xt = adversary.joint || takesEntropy ? graph.input("judged_xt", output.shape) : nil
        let judgement = judgement(of: step, beside: adversary.joint ? xt : nil, timestep: timestep)
        var conditional = step.weightedSquaredError(
            target: graph.input("step_target", output.shape), weight: graph.input("conditional_weight", [batch]))
        if takesEntropy, let xt {
            let kept = step.modulated(by: graph.input("kept_factors", [batch, 2 * model.channels]))
            let regressed = kept + Regressor(of: model, dim: adversary.dim)(step, timestep: timestep)
            graph.keep(
                regressed.weightedSquaredError(target: xt, weight: graph.constant(1, [batch])),
                as: "loss_\(Regressor.name)")
            conditional =
                conditional
                + regressed.weightedSquaredError(target: xt, weight: graph.input("entropy_weight", [batch]))
        }
        for (name, part) in zip(parts, [judgement.generator, conditional, judgement.discriminator]) {
            graph.keep(part, as: name)
        }
        return judgement.generator + conditional
    }

    /// What the discriminator makes of x' beside x_s, as losses of the generator and of itself, `[batch]`.
    private func judgement(
        of step: Tensor, beside xt: Tensor?, timestep: Tensor
    ) -> (generator: Tensor, discriminator: Tensor) {
        let (graph, batch) = (step.graph, step.shape[0])
        let discriminator = Discriminator(of: model, dim: adversary.dim)
        func judged(_ logits: Tensor, as kind: Float, weight: Tensor) -> Tensor {
            logits.softmaxCrossEntropy(label: graph.constant(kind, [batch]), weight: weight)
        }
        let data = graph.input("x_s", step.shape)
        let ofStep = discriminator(step, beside: xt, timestep: timestep)
        let ofData = discriminator(data, beside: xt, timestep: timestep)
        let one = graph.constant(1, [batch])
        var own =
            judged(ofData, as: Discriminator.real, weight: one)
            + judged(ofStep, as: Discriminator.generated, weight: one)
        if adversary.regularize > 0 {
            let aside = graph.input("slope_noise", step.shape)
            for (x, logits) in [(data, ofData), (step, ofStep)] {
                let other = discriminator(x + aside, beside: xt, timestep: timestep)
                own = own + slope(from: logits, to: other)
            }
        }
        let weight = graph.input("adversarial_weight", [batch])
        return (judged(ofStep, as: Discriminator.real, weight: weight), own)
    }

    /// Of each sample regularize · ½ ((b − a)/σ)² of logits `[N, 2]`, the mean over the two.
    private func slope(from a: Tensor, to b: Tensor) -> Tensor {
        let (graph, batch) = (a.graph, a.shape[0])
        // modulated by −2 is −b − 2: there is no difference of tensors.
        let difference = a + b.modulated(by: graph.constant(-2, [batch, 2 * b.channels]))
        let weight = Float(adversary.regularize) / (2 * Self.slopeStep * Self.slopeStep)
        return difference.weightedSquaredError(
            target: graph.constant(-2, difference.shape), weight: graph.constant(weight, [batch]))
    }

    static func fault(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) -> String? {
        func no(_ key: String, _ value: String, _ set: String) -> String {
            "diffusion.loss is adversarial, which does not go with \(key) \(value): set \(key)=\(set)"
        }
        if model.backbone != .ddpm { return no("model.backbone", model.backbone.rawValue, "ddpm") }
        if model.head != .single { return no("model.head", model.head.rawValue, "single") }
        if model.classes > 0 { return no("model.classes", "\(model.classes)", "0") }
        if model.augment > 0 { return no("model.augment", "\(model.augment)", "0") }
        if diffusion.scales > 1 { return no("diffusion.scales", "\(diffusion.scales)", "1") }
        if diffusion.shift != .none { return no("diffusion.shift", diffusion.shift.rawValue, "none") }
        if diffusion.offsetNoise > 0 { return no("diffusion.offset_noise", "\(diffusion.offsetNoise)", "0") }
        if diffusion.minSNR { return no("diffusion.min_snr", "true", "false") }
        if diffusion.dataDeviation > 0 { return no("diffusion.sigma_data", "\(diffusion.dataDeviation)", "0") }
        if diffusion.timestepSampling != .uniform {
            return no("diffusion.timestep_sampling", diffusion.timestepSampling.rawValue, "uniform")
        }
        if diffusion.adversary.weight == 0, diffusion.adversary.conditionalWeight == 0 {
            return "adversary.weight and adversary.afd_weight are both 0: set one of them above 0"
        }
        if !diffusion.reach.isMultiple(of: diffusion.jump) {
            return "diffusion.jump is \(diffusion.jump), which does not divide the \(diffusion.reach) timesteps: set "
                + "diffusion.jump to a divisor"
        }
        return Discriminator.fault(model, dim: diffusion.adversary.dim)
    }

    /// Why a sampler cannot take the steps that are trained; nil where it can.
    public static func samplerFault(_ diffusion: DiffusionConfiguration) -> String? {
        guard diffusion.reach.isMultiple(of: diffusion.jump) else { return nil }  // which ``fault(_:_:)`` tells of
        let steps = diffusion.reach / diffusion.jump
        let trained = (1...steps).map { $0 * diffusion.jump - 1 }
        if diffusion.sampler == .ancestral, diffusion.variance == .small, Chain(diffusion).times == trained {
            return nil
        }
        return "diffusion.loss is adversarial, which trains \(steps) steps of the ancestral sampler and no others: set "
            + "diffusion.sampler=ancestral, diffusion.variance=small, diffusion.sampling_steps=\(steps), "
            + "diffusion.spacing=linear and diffusion.respacing=none"
    }
}
