import NeuralNetwork
import TensorGraph

/// How far a decoded image is from the original.
public enum Reconstruction: String, Codable, CaseIterable, Sendable {
    /// Σ |x − x̂|.
    case l1
    /// Σ (x − x̂)².
    case l2
}

/// `Σ |x − x̂| + w KL(N(μ, σ²) ‖ N(0, I))` (or the sum of squares) with `x̂ = D(μ + σ ε)`, `(μ, ln σ²) = E(x)`: the loss of
/// `method: autoencoder` (Kingma and Welling 2014; the first stage of Rombach et al. 2022 without its perceptual and
/// adversarial parts). Both are sums over an image's elements.
public struct AutoencoderLoss: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess
    private let configuration: AutoencoderConfiguration

    /// The loss of the first stage that `configuration` describes, of images as `model` takes them.
    public init(
        _ model: ModelConfiguration, _ diffusion: DiffusionConfiguration, _ configuration: AutoencoderConfiguration
    ) {
        self.model = model
        self.configuration = configuration
        process = ForwardProcess(diffusion)
    }

    public var readsLabels: Bool { false }

    public var draws: [Draw] {
        [
            Draw("timestep", .timestep, .zero, elements: 1),
            Draw("noise", .noise, .normal, elements: configuration.sizes.latentElements(size: model.size)),
        ]
    }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        let samples = drawn.timesteps.map { _ in Float(1) }
        return [
            NetworkInput.xt.rawValue: x0, "noise": drawn["noise"],
            "weight": samples.map { $0 * Float(model.sampleElements) },
            "klWeight": samples.map { $0 * Float(configuration.klWeight) },
        ]
    }

    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor {
        let network = Autoencoder(configuration.sizes, channels: model.channels)
        let x = graph.input(NetworkInput.xt.rawValue, [batch, model.size, model.size, model.channels])
        let moments = network.encode(x)
        graph.keep(moments, as: "moments")
        let noise = graph.input("noise", moments.shape.dropLast() + [configuration.sizes.latentChannels])
        let output = network.decode(moments.gaussianDraw(noise: noise))
        graph.keep(output, as: "output")
        let weight = graph.input("weight", [batch])
        let error =
            switch configuration.reconstruction {
            case .l1: output.weightedAbsoluteError(target: x, weight: weight)
            case .l2: output.weightedSquaredError(target: x, weight: weight)
            }
        return error + moments.gaussianDivergence(weight: graph.input("klWeight", [batch]))
    }
}

/// The first stage of latent diffusion. The defaults are for images of 32 pixels.
public struct AutoencoderConfiguration: Equatable, Sendable {
    public var sizes = AutoencoderSizes()
    /// How reconstructions are judged.
    public var reconstruction = Reconstruction.l1
    /// Weight w of the divergence; both are sums over the elements of an image.
    public var klWeight = 1e-6

    public init() {}
}
