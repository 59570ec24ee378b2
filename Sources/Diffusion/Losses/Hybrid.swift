import NeuralNetwork
import TensorGraph

/// `weight(t) · mean (o − target)² + bound_weight · b`, o the estimate and b the ``VariationalBound``'s term in bits an
/// element, in which o is held fixed: b trains v, the learned variance, alone (Nichol and Dhariwal 2021, equation 16).
public struct Hybrid: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess
    private let bound: BoundInputs

    /// The loss of a network, in the diffusion that `diffusion` describes.
    public init(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) {
        self.model = model
        process = ForwardProcess(diffusion, model)
        bound = BoundInputs(model, process, weight: diffusion.boundWeight)
    }

    public var draws: [Draw] { bound.draws }
    public var weightInputs: [String] { BoundInputs.weights }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        bound.inputs(x0: x0, drawn, errorWeight: drawn.timesteps.map { Float(process.weight($0)) })
    }

    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor { bound.loss(graph, batch: batch, held: true) }

    static func fault(_ model: ModelConfiguration, _: DiffusionConfiguration) -> String? {
        BoundInputs.fault(model, loss: "hybrid")
    }
}

/// What losses with a ``VariationalBound`` have in common.
struct BoundInputs: Sendable {
    static let weights = ["weight", "bound_weight"]

    private let model: ModelConfiguration
    private let process: ForwardProcess
    private let bound: VariationalBound
    /// The factor of the bound.
    private let weight: Double

    init(_ model: ModelConfiguration, _ process: ForwardProcess, weight: Double) {
        (self.model, self.process, self.weight) = (model, process, weight)
        bound = VariationalBound(process)
    }

    var draws: [Draw] { process.draws(for: model) + model.networkDraws() }

    func inputs(x0: [Float], _ drawn: Drawn, errorWeight: [Float]) -> [String: [Float]] {
        let (xt, target) = process.noised(x0, drawn)
        let t = drawn.timesteps
        let network = model.inputs(xt: xt, drawn)
        return network.merging([
            "target": target, "x0": x0, "terms": t.flatMap { bound.terms($0).map { Float($0) } }, "weight": errorWeight,
            "bound_weight": t.map { _ in Float(weight) },
        ]) { $1 }
    }

    func loss(_ graph: Graph, batch: Int, held: Bool) -> Tensor {
        let output = Denoiser(model)(graph, batch: batch).output
        graph.keep(output, as: "output")
        let image = [batch, model.size, model.size, model.channels]
        return output.variationalBound(
            target: graph.input("target", image), x0: graph.input("x0", image),
            terms: graph.input("terms", [batch, 4]),
            errorWeight: graph.input("weight", [batch]), boundWeight: graph.input("bound_weight", [batch]), held: held)
    }

    static func fault(_ model: ModelConfiguration, loss: String) -> String? {
        if model.isPoints { return "diffusion.loss is \(loss), which is for the pixels of images: set squared_error" }
        if model.head == .mixture {
            return "diffusion.loss is \(loss), but model.head is mixture, which is trained by likelihood: set "
                + "model.head=single or diffusion.loss=likelihood"
        }
        return model.learnedVariance
            ? nil
            : "diffusion.loss is \(loss), which trains the variance of a step: set model.learned_variance=true, or "
                + "diffusion.loss=squared_error"
    }
}
