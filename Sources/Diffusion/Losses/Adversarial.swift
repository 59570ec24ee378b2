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

    public init() {}
}

/// The loss of a few long steps (SIDDM, Xu et al. 2023), from x_t to x_s one jump before. The network and its η give a
/// draw x̂_0, the posterior a draw `x' = μ̃(x_t, x̂_0) + √β̃ n`, and a discriminator D holds x' against x_s of the data:
///
///     generator      weight · −ln D(x', t)  +  afd_weight · mean (√(1 − β) x' − x_t)²
///     discriminator  −ln D(x_s, t) − ln(1 − D(x', t))
///
/// β is that of the long step, `q(x_t|x_s) = N(√(1 − β) x_s, β I)`. D matches the distributions of x' and x_s; the other term,
/// −2β ln q(x_t|x') but for a constant as in the authors' code, says which x' belongs to which x_t. Both networks learn at
/// once, from the same draws: a step is one pass. t is one of the times at the ends of jumps, each equally likely.
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

    /// Of each sample `noise` holds three draws one after the other: of x_s, of x_t and of x'.
    public var draws: [Draw] {
        let jump = times[0] + 1
        let cumulative = (1...timesteps).map { Double($0 / jump) / Double(times.count) }
        return [
            Draw("timestep", .timestep, .weighted(cumulative: cumulative), elements: 1),
            Draw("noise", .noise, .normal, elements: 3 * model.sampleElements),
        ] + model.networkDraws()
    }

    public var opponents: [String] { [Discriminator.name] }
    public var parts: [String] { ["loss_adversarial", "loss_conditional", "loss_discriminator"] }
    public var weightInputs: [String] { ["adversarial_weight", "conditional_weight"] }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        let (t, noise, size) = (drawn.timesteps, drawn["noise"], model.sampleElements)
        precondition(x0.count == t.count * size, "\(x0.count) elements are not \(t.count) samples of \(size)")
        var (xs, xt, rest, factors, weights) = (x0, x0, x0, [Float](), [Float]())
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
                let (place, first) = (sample * size + element, 3 * sample * size + element)
                xs[place] = signal * x0[place] + spread * noise[first]
                xt[place] = kept * xs[place] + added * noise[first + size]
                rest[place] = ofXt * xt[place] + deviation * noise[first + 2 * size]
            }
            factors += [Float](repeating: Float(ofX0 * x0Estimate.output - 1), count: model.channels)
            factors += [Float](repeating: 0, count: model.channels)
            weights.append(Float(adversary.conditionalWeight * (1 - beta)))
        }
        let target = zip(xt.indices, xt).map { place, x in
            x / Float((1 - jumps.betas[t[place / size] / (times[0] + 1)]).squareRoot())
        }
        return model.inputs(xt: xt, drawn).merging([
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
        let discriminator = Discriminator(of: model, dim: adversary.dim)
        let timestep = graph.input("judged_timestep", [batch])
        func judged(_ logits: Tensor, as kind: Float, weight: Tensor) -> Tensor {
            logits.softmaxCrossEntropy(label: graph.constant(kind, [batch]), weight: weight)
        }
        let ofStep = discriminator(step, timestep: timestep)
        let ofData = discriminator(graph.input("x_s", output.shape), timestep: timestep)
        let one = graph.constant(1, [batch])
        let parts = [
            judged(ofStep, as: Discriminator.real, weight: graph.input("adversarial_weight", [batch])),
            step.weightedSquaredError(
                target: graph.input("step_target", output.shape), weight: graph.input("conditional_weight", [batch])),
            judged(ofData, as: Discriminator.real, weight: one)
                + judged(ofStep, as: Discriminator.generated, weight: one),
        ]
        for (name, part) in zip(self.parts, parts) { graph.keep(part, as: name) }
        return parts[0] + parts[1]
    }

    static func fault(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) -> String? {
        func no(_ key: String, _ value: String, _ set: String) -> String {
            "diffusion.loss is adversarial, which does not go with \(key) \(value): set \(key)=\(set)"
        }
        if model.backbone != .ddpm { return no("model.backbone", model.backbone.rawValue, "ddpm") }
        if model.head != .single { return no("model.head", model.head.rawValue, "single") }
        if model.classes > 0 { return no("model.classes", "\(model.classes)", "0") }
        if model.augment > 0 { return no("model.augment", "\(model.augment)", "0") }
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
