/// Sizes of one U-Net: the identifier's, and the part of the denoiser's that both share.
public struct IdentifierConfiguration: Codable, Equatable, Sendable {
    /// Channels of the first stage.
    public var dim = 32
    /// Channels of stage i as a multiple of `dim`; one entry a stage.
    public var dimMults = [1, 2]
    /// Groups of every GroupNorm.
    public var groups = 1
    /// Attention heads.
    public var heads = 1
    /// Channels of one attention head.
    public var headDim = 8

    public init() {}

    enum CodingKeys: String, CodingKey {
        case dim, groups, heads
        case dimMults = "dim_mults"
        case headDim = "head_dim"
    }
}

/// What η, the input that makes the latent a random variable, is drawn from.
public enum EtaDistribution: String, Codable, CaseIterable, Sendable {
    /// N(0, I), as published.
    case normal
    /// Always 0: the control with the same network and no mixture.
    case zero
}

/// The denoising network of SMD, or with `smd = false` the vanilla DDPM U-Net. The defaults are the published sizes.
public struct ModelConfiguration: Equatable, Sendable {
    /// Rows and columns of an image; 1 for points.
    public var size = 32
    /// Channels of an image; the dimension of a point.
    public var channels = 3
    /// Channels of the first stage.
    public var dim = 128
    /// Channels of stage i as a multiple of `dim`; one entry a stage.
    public var dimMults = [1, 2, 2, 2]
    /// Full instead of linear attention, stage by stage; empty means linear everywhere. The middle is always full.
    public var fullAttention: [Bool] = []
    /// Groups of every GroupNorm.
    public var groups = 4
    /// Attention heads.
    public var heads = 4
    /// Channels of one attention head.
    public var headDim = 32
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
    /// The U-Net that maps (x_t, η, t) to z.
    public var identifier = IdentifierConfiguration()

    public init() {}

    /// Whether samples are points: of one pixel.
    public var isPoints: Bool { size == 1 }
    /// Elements of one sample.
    public var sampleElements: Int { size * size * channels }
    /// Whether the network takes η.
    public var usesEta: Bool { smd }
    /// Whether η is random, so that the network's output is.
    public var drawsEta: Bool { usesEta && eta == .normal }
}
