import NeuralNetwork
import TensorGraph

/// What a network is trained by: a file each, listed here.
public enum LossKind: String, Codable, CaseIterable, Sendable {
    /// The published loss.
    case squaredError = "squared_error"
    /// A scoring rule of several draws of the latent.
    case energyScore = "energy_score"
    /// The likelihood of a mixture head.
    case likelihood
    /// The squared error, and the variational bound for a learned variance.
    case hybrid
    /// The variational bound.
    case variational
    /// A discriminator's judgement, for a few long steps.
    case adversarial

    /// The loss that trains `model`.
    public func of(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) -> any Loss {
        switch self {
        case .squaredError: SquaredError(model, diffusion)
        case .energyScore: EnergyScoreLoss(model, diffusion)
        case .likelihood: Likelihood(model, diffusion)
        case .hybrid: Hybrid(model, diffusion)
        case .variational: Variational(model, diffusion)
        case .adversarial: Adversarial(model, diffusion)
        }
    }

    /// Why `model` cannot be trained so, and what to set; nil where it can.
    public func fault(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) -> String? {
        if model.learnedVariance, self != .hybrid, self != .variational {
            return "model.learned_variance is true, but diffusion.loss is \(rawValue), which does not train it: set "
                + "diffusion.loss=hybrid, or model.learned_variance=false"
        }
        return switch self {
        case .squaredError: SquaredError.fault(model, diffusion)
        case .energyScore: EnergyScoreLoss.fault(model, diffusion)
        case .likelihood: Likelihood.fault(model, diffusion)
        case .hybrid: Hybrid.fault(model, diffusion)
        case .variational: Variational.fault(model, diffusion)
        case .adversarial: Adversarial.fault(model, diffusion)
        }
    }

    /// Whether an estimate of x_0 is its mean given x_t, and no draw of it.
    public var estimatesMeans: Bool {
        switch self {
        case .squaredError, .hybrid, .variational: true
        case .energyScore, .likelihood, .adversarial: false
        }
    }

    /// Times that the network is run for a sample, at most.
    public func draws(_ diffusion: DiffusionConfiguration) -> Int { self == .energyScore ? diffusion.draws : 1 }
}

/// A training loss, from random draws to one number a sample.
public protocol Loss: Sendable {
    /// The network that it trains.
    var model: ModelConfiguration { get }
    /// The forward process, and what the network estimates.
    var process: ForwardProcess { get }
    /// What has to be drawn for each sample.
    var draws: [Draw] { get }
    /// Whether the graph has an input ``labelInput``.
    var readsLabels: Bool { get }
    /// What trains the shift of the forward process beside the network; the graph then has its inputs, too.
    var shiftTable: ShiftTable? { get }
    /// Values of the inputs that ``callAsFunction(_:batch:)`` declares, but for self-conditioning and labels: from clean samples
    /// `x0 [N, H, W, C]` and what was drawn for them.
    func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]]
    /// The inputs that are factors of each sample's loss, `[N]`: all of it is a sum of terms with one of them each.
    var weightInputs: [String] { get }
    /// Networks that are trained against the first, each by a loss of its own: the names of their parameters begin with the
    /// network's and a dot, and the graph keeps the loss of each sample as `loss_NETWORK`.
    var opponents: [String] { get }
    /// Parts of the losses that metrics have a column for: names of what the graph keeps of each sample, `[N]`.
    var parts: [String] { get }
    /// Adds network and loss for `batch` samples to a graph, and keeps the network's output as `output`.
    ///
    /// - Returns: the loss of each sample, `[batch]`.
    func callAsFunction(_ graph: Graph, batch: Int) -> Tensor
    /// What reverse mode starts from, of the shape of `loss`.
    func seed(of loss: Tensor, scale: Float) -> Tensor
}

/// The input of a loss's graph that is the class of each sample, `[N]`.
public let labelInput = NetworkInput.label.rawValue

extension Loss {
    public var weightInputs: [String] { ["weight"] }

    public var readsLabels: Bool { model.takesLabels }

    /// Whether it wants the class of each sample, for the graph or for the shift.
    public var usesLabels: Bool { readsLabels || shiftTable != nil }

    public var shiftTable: ShiftTable? { nil }

    public var opponents: [String] { [] }

    public var parts: [String] { [] }

    public func seed(of loss: Tensor, scale: Float) -> Tensor { loss.graph.constant(scale, loss.shape) }

    /// A forward and backward pass over `batch` samples, to be run in `precision`; `loss [batch]` and `output` are kept. The
    /// gradients of each network are those of its own loss, with the parameters of the others held.
    ///
    /// - Parameter scale: the loss that is differentiated is `scale · Σ_n loss[n]`; 1 / (global batch) makes the gradients
    ///   of all micro-batches and ranks add up to that of the mean. `recomputed` and `fused` are turned off only to
    ///   compare with.
    public func graph(
        batch: Int, scale: Float, precision: Precision = .fp32, fused: Bool = true, recomputed: Bool = true
    ) -> Graph {
        let graph = Graph()
        let loss = self(graph, batch: batch)
        graph.keep(loss, as: "loss")
        if fused { graph.fuse(for: precision) }
        let seed = seed(of: loss, scale: scale)
        for network in opponents {
            graph.differentiate([(graph.kept("loss_\(network)"), seed)], freezing: { !$0.belongs(to: network) })
        }
        graph.differentiate([(loss, seed)], freezing: { opponents.contains(where: $0.belongs) })
        if recomputed { graph.recomputeNorms() }
        return graph
    }
}

extension Parameter {
    /// Whether its name begins with that of a network and a dot.
    public func belongs(to network: String) -> Bool { name.hasPrefix(network + ".") }
}
