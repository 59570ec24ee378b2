import Diffusion

extension RunConfiguration {
    /// What the network is trained by.
    public var trainingLoss: any Loss {
        switch method {
        case .diffusion: diffusion.loss.of(model, diffusion)
        case .classifier: CrossEntropy(model, diffusion, noised: classifier.noised)
        }
    }

    /// What is trained, in words: "SMD", "vanilla DDPM", "classifier".
    public var networkName: String {
        switch method {
        case .diffusion: model.name
        case .classifier: "classifier"
        }
    }

    /// Steps between two sample grids; 0 where there are none: a classifier draws no samples.
    public var previewDistance: Int { method == .diffusion ? previewEvery : 0 }
}
