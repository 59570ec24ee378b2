import NeuralNetwork
import TensorGraph

/// The cost of paths, `method: dds`: reverse mode starts at the network's output, from what the paths say of it
/// (``Paths/advantages``), not from a loss in the graph.
public struct PathLoss: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess
    private let configuration: PathConfiguration

    /// The loss of the drift of paths in `model.sampleElements` dimensions.
    public init(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration, _ configuration: PathConfiguration) {
        (self.model, self.configuration) = (model, configuration)
        process = ForwardProcess(diffusion)
    }

    /// The input that reverse mode starts from, `[N, 1, 1, D]`.
    public static let gradientInput = "output_gradient"

    public var readsLabels: Bool { false }
    public var draws: [Draw] { [] }
    public var weightInputs: [String] { [] }
    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] { [:] }

    /// The network.
    public var network: DriftNetwork {
        DriftNetwork(dimension: model.sampleElements, width: configuration.width, layers: configuration.layers)
    }

    /// - Returns: f `[batch, 1, 1, D]`, in the place of a loss.
    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor { network(graph, batch: batch) }

    /// The input ``gradientInput``; what is written there has `scale` in it.
    public func seed(of loss: Tensor, scale: Float) -> Tensor { loss.graph.input(Self.gradientInput, loss.shape) }
}
