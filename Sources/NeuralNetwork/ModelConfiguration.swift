import TensorGraph

/// What η, the input that makes the latent a random variable, is drawn from.
public enum EtaDistribution: String, Codable, CaseIterable, Sendable {
    /// N(0, I), as published.
    case normal
    /// Always 0: the control with the same network and no mixture.
    case zero
}

/// Where the latent map reaches the U-Net.
public enum LatentPlacement: String, Codable, CaseIterable, Sendable {
    /// The first and the last activations at full resolution, as published.
    case both
    /// The last only: several draws of the latent share all of the U-Net but its end.
    case output
}

/// The denoising network of SMD, or with `smd = false` the vanilla one. The defaults are the published sizes.
public struct ModelConfiguration: Equatable, Sendable {
    /// Rows and columns of an image; 1 for points.
    public var size = 32
    /// Channels of an image; the dimension of a point.
    public var channels = 3
    /// The network from (x_t, t) to the output.
    public var backbone = Backbone.ddpm
    /// Sizes of the backbone's U-Net: the keys `model.dim` and so on.
    public var unet = UNetSizes()
    /// Feed the network its own estimate of x0 as further input channels.
    public var selfCondition = false
    /// Soft Mixture Denoising: identifier and hypernetworks. False gives the vanilla network.
    public var smd = true
    /// Channels of the latent map z.
    public var latentDim = 100
    /// Layers of each hypernetwork.
    public var hypernetLayers = 2
    /// Distribution of η.
    public var eta = EtaDistribution.normal
    /// Numbers of η that all pixels share, beside those of each pixel.
    public var etaChannels = 0
    /// Where the latent map reaches the U-Net.
    public var latentAt = LatentPlacement.both
    /// Classes that a ``Classifier`` tells apart (0: not known yet), or that a denoiser is told (0: none).
    public var classes = 0
    /// Share of training samples of which the network is told no class, so that it can be guided; 0: it always is.
    public var labelDropout = 0.0
    /// Probability of each augmentation of a training image, of which the network is told; 0: none.
    public var augment = 0.0
    /// Numbers that say what was done to an image.
    public static let augmentationNumbers = 9
    /// Channels of an image that each sample is drawn from, beside x_t at the input; 0: none.
    public var conditionChannels = 0
    /// Whether the noise of that image is estimated, too, after that of the sample.
    public var conditionScore = false
    /// Whether the output is followed by v, which places the variance of a step between its two bounds.
    public var learnedVariance = false
    /// The network is told t times this.
    public var timeScale = 1.0
    /// The U-Net that maps (x_t, η, t) to z.
    public var identifier = UNetSizes(
        dim: 32, dimMults: [1, 2], groups: 1, heads: 1, headDim: 8, adm: .identifier)

    /// What the last layer gives.
    public var head = Head.single
    /// Gaussians of a mixture head.
    public var components = 64

    public init() {}

    /// "SMD" or "vanilla DDPM".
    public var name: String { smd ? "SMD" : "vanilla DDPM" }
    /// Whether samples are points: of one pixel.
    public var isPoints: Bool { size == 1 }
    /// Elements of one sample.
    public var sampleElements: Int { size * size * channels }
    /// Elements of one sample in the first stage, at full resolution: what a micro-batch is chosen by.
    public var firstStageElements: Int { size * size * unet.dim }
    /// Numbers of η a sample: those of each pixel, then those that pixels share.
    public var etaElements: Int { sampleElements + etaChannels }
    /// The last layer, where it gives a mixture.
    public var mixtureHead: MixtureHead? {
        head == .mixture ? MixtureHead(components: components, channels: channels) : nil
    }
    /// Elements of the condition of a sample.
    public var conditionElements: Int { size * size * conditionChannels }
    /// Channels of the output, where it is no mixture: the estimate, with a learned variance v, and the estimate for the
    /// condition where that is made.
    public var outputChannels: Int {
        (learnedVariance ? 2 * channels : channels) + (conditionScore ? conditionChannels : 0)
    }
    /// Whether a denoiser takes the class of each sample.
    public var takesLabels: Bool { classes > 0 }
    /// What stands for no class, in a network that learns to do without: the number behind the last.
    public var nullClass: Int? { labelDropout > 0 ? classes : nil }
    /// Rows of the table of classes: one each, and one for none where that is learned.
    var classRows: Int { classes + (nullClass == nil ? 0 : 1) }
    /// Whether numbers are dropped in training.
    public var drops: Bool { backbone == .adm && unet.adm.dropout > 0 }
    /// The sizes of an identifier that is an ``ADM``: what has no keys of its own is the denoiser's.
    var admIdentifier: UNetSizes {
        var sizes = identifier
        sizes.adm = unet.adm
        (sizes.adm.headsUp, sizes.adm.dropout) = (0, 0)
        (sizes.adm.blocks, sizes.adm.attentionSizes) = (identifier.adm.blocks, identifier.adm.attentionSizes)
        return sizes
    }
    /// The last layer of a denoiser, a 1×1 convolution called `name` or a mixture head.
    func lastLayer(_ name: String, _ scope: Scope, _ x: Tensor) -> Tensor {
        mixtureHead?(scope, x) ?? Convolution(scope / name, x.channels, outputChannels, kernel: 1)(x)
    }
    /// Whether the network takes η.
    public var usesEta: Bool { smd }
    /// Whether η is random, so that the network's output is.
    public var drawsEta: Bool { usesEta && eta == .normal }

    /// Why there can be no such network; nil where there can. The identifier counts only where `smd` is true.
    public var fault: String? {
        let fault = backbone.parts(self).fault
        return self.fault(fault(unet, "model")) ?? (smd ? fault(identifier, "model.identifier") : nil)
    }

    private func fault(_ ofSizes: String?) -> String? {
        if let ofSizes { return ofSizes }
        if labelDropout > 0 && classes == 0 {
            return
                "model.label_dropout is \(labelDropout), but the network is told no classes to leave out: set model.classes to "
                + "as many as the data's labels have, or model.label_dropout=0"
        }
        if augment > 0 && (isPoints || selfCondition) {
            return
                "model.augment is \(augment), which is for images, and for networks without an estimate of their own: "
                + (isPoints ? "model.augment=0" : "set one of model.augment=0, model.self_condition=false")
        }
        if conditionChannels > 0 && (isPoints || augment > 0) {
            return
                "model.condition_channels is \(conditionChannels), "
                + (isPoints
                    ? "but points have no conditions, which are images: model.condition_channels=0"
                    : "and model.augment \(augment), which would change the images alone: model.augment=0")
        }
        if conditionScore && conditionChannels == 0 {
            return
                "condition.score is true, but the network has no condition: set model.condition_channels to the channels of "
                + "the data's /conditions, or condition.score=false"
        }
        if learnedVariance && head == .mixture {
            return
                "model.learned_variance is true, but model.head is mixture, which has a variance of its own: set one of "
                + "model.learned_variance=false, model.head=single"
        }
        return nil
    }
}
