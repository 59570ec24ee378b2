import NeuralNetwork
import TensorGraph

/// `−ln p(target | x_t, t, η)` under the mixture that the network's head gives, in nats a number (GMFlow, Chen et al. 2025,
/// with the whole step back to x_0): least where the mixture is q(x_0|x_t), seen as the distribution of the
/// ``Objective``'s target. For images a pixel at a time: the head knows each pixel's distribution, not how they hang
/// together.
public struct Likelihood: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess

    /// The loss of a network, in the diffusion that `diffusion` describes.
    public init(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) {
        self.model = model
        process = ForwardProcess(diffusion, model)
    }

    public var draws: [Draw] { process.draws(for: model) + model.networkDraws() }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        let (xt, target) = process.noised(x0, drawn)
        let t = drawn.timesteps
        let network = model.inputs(xt: xt, drawn)
        return network.merging(["target": target, "weight": t.map { _ in 1 }]) { $1 }
    }

    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor {
        let output = Denoiser(model)(graph, batch: batch).output
        graph.keep(output, as: "output")
        return output.mixtureLikelihood(
            components: model.components,
            target: graph.input("target", [batch, model.size, model.size, model.channels]),
            weight: graph.input("weight", [batch]))
    }

    static func fault(_ model: ModelConfiguration, _: DiffusionConfiguration) -> String? {
        if model.head != .mixture {
            return
                "diffusion.loss is likelihood, which trains the mixture of model.head=mixture: set that, or another loss"
        }
        return model.selfCondition
            ? "model.self_condition is true, but a model.head of mixture has no one estimate of x0 to feed back: set it to false"
            : nil
    }
}
