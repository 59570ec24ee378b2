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
    /// Classes that a ``Classifier`` tells apart; 0: not known yet.
    public var classes = 0
    /// The U-Net that maps (x_t, η, t) to z.
    public var identifier = UNetSizes(dim: 32, dimMults: [1, 2], groups: 1, heads: 1, headDim: 8)

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
    /// Whether the network takes η.
    public var usesEta: Bool { smd }
    /// Whether η is random, so that the network's output is.
    public var drawsEta: Bool { usesEta && eta == .normal }

    /// Why there can be no such network; nil where there can. The identifier counts only where `smd` is true.
    public var fault: String? {
        backbone.network(self).fault
            ?? (smd ? identifier.fault(section: "model.identifier", size: size) : nil)
    }
}
