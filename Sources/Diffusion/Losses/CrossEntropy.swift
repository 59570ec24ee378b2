import NeuralNetwork
import TensorGraph

/// `−ln p(label | x)` with p the softmax of a ``Classifier``'s logits: the loss of `method: classifier`.
///
/// x is x_0 with t = 0; or with `noised` x_t with its t, drawn as for the diffusion, which is what guides a sampler
/// (Dhariwal and Nichol 2021, section 4).
public struct CrossEntropy: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess
    /// Whether the classifier sees x_t instead of x_0.
    public let noised: Bool

    /// The loss of a classifier, with the noise of `diffusion` where it is `noised`.
    public init(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration, noised: Bool) {
        self.model = model
        self.noised = noised
        process = ForwardProcess(diffusion)
    }

    public var readsLabels: Bool { true }

    public var draws: [Draw] {
        noised ? process.draws(for: model) : [Draw("timestep", .timestep, .zero, elements: 1)]
    }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        let timestep = drawn.timesteps.map(Float.init)
        return [
            NetworkInput.xt.rawValue: noised ? process.noised(x0, drawn).xt : x0,
            NetworkInput.timestep.rawValue: timestep, "weight": timestep.map { _ in 1 },
        ]
    }

    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor {
        let logits = Classifier(model)(graph, batch: batch).logits
        graph.keep(logits, as: "output")
        return logits.softmaxCrossEntropy(
            label: graph.input(labelInput, [batch]), weight: graph.input("weight", [batch]))
    }
}
