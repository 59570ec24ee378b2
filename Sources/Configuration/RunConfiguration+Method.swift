import Diffusion
import NeuralNetwork

extension RunConfiguration {
    /// What the network is trained by.
    public var trainingLoss: any Loss {
        switch method {
        case .diffusion: diffusion.loss.of(model, diffusion)
        case .classifier: CrossEntropy(model, diffusion, noised: classifier.noised)
        case .autoencoder: AutoencoderLoss(model, diffusion, autoencoder)
        case .dds: PathLoss(model, diffusion, paths)
        }
    }

    /// What is trained, in words: "SMD", "vanilla DDPM", "classifier", "autoencoder", "diffusion sampler".
    public var networkName: String {
        switch method {
        case .diffusion: model.name
        case .classifier: "classifier"
        case .autoencoder: "autoencoder"
        case .dds: "diffusion sampler"
        }
    }

    /// The network of ``TrainingMethod/dds``.
    public var driftNetwork: DriftNetwork { PathLoss(model, diffusion, paths).network }

    /// Whether the forward process moves towards the means of the data's classes.
    public var isShifted: Bool { method == .diffusion && diffusion.shift != .none }

    /// Steps between two previews, of samples or of what an autoencoder makes of images; 0 where there are none.
    public var previewDistance: Int { method == .classifier || method == .dds ? 0 : previewEvery }
}
