import NeuralNetwork
import TensorGraph

/// `T · b`, b the ``VariationalBound``'s term in bits an element: its mean over t is the variational bound itself, but for
/// the prior's (Nichol and Dhariwal 2021, section 3.1, "L_vlb").
public struct Variational: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess
    private let bound: BoundInputs

    /// The loss of a network, in the diffusion that `diffusion` describes.
    public init(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) {
        self.model = model
        process = ForwardProcess(diffusion, model)
        bound = BoundInputs(model, process, weight: Double(diffusion.timesteps))
    }

    public var draws: [Draw] { bound.draws }
    public var weightInputs: [String] { BoundInputs.weights }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        bound.inputs(x0: x0, drawn, errorWeight: drawn.timesteps.map { _ in 0 })
    }

    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor { bound.loss(graph, batch: batch, held: false) }

    static func fault(_ model: ModelConfiguration, _: DiffusionConfiguration) -> String? {
        BoundInputs.fault(model, loss: "variational")
    }
}
