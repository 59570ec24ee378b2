import TensorGraph

/// Sizes of an ``Autoencoder``: the keys `autoencoder.…`.
public struct AutoencoderSizes: Equatable, Sendable {
    /// Which network.
    public var kind = FirstStageKind.kl
    /// Channels of each stage; between two of them sides are halved.
    public var channels = [32, 64, 64]
    /// Residual blocks of a stage of the encoder; the decoder has one more.
    public var blocks = 1
    /// Channels of a latent.
    public var latentChannels = 4
    /// Groups of every GroupNorm.
    public var groups = 32
    /// Whether the middles have attention.
    public var attention = true

    public init() {}

    /// By what the sides of an image are divided.
    public var factor: Int { 1 << (channels.count - 1) }

    /// Sides of the latent of an image of `size` × `size`.
    public func latentSize(_ size: Int) -> Int { size / factor }

    /// Numbers in it.
    public func latentElements(size: Int) -> Int { latentSize(size) * latentSize(size) * latentChannels }

    /// Why there can be no such network for images of `size` × `size`; nil where there can.
    public func fault(size: Int) -> String? {
        if groups < 1 || latentChannels < 1 || blocks < 1 {
            return "autoencoder: groups, channels and blocks are positive"
        }
        if channels.isEmpty { return "autoencoder.channels is empty: it needs a number a stage" }
        if kind == .tiny, Set(channels).count > 1 {
            return "autoencoder.channels is \(channels), but autoencoder.kind tiny has as many in each stage"
        }
        if kind == .kl, let odd = channels.first(where: { $0 % groups != 0 }) {
            return "autoencoder.channels has \(odd), which does not divide into autoencoder.groups = \(groups)"
        }
        if size % factor != 0 || size < factor {
            return
                "model.size is \(size), which \(channels.count - 1) halvings (autoencoder.channels) do not divide evenly"
        }
        return nil
    }
}

/// Which first stage: a file each.
public enum FirstStageKind: String, Codable, CaseIterable, Sendable {
    /// An ``Autoencoder``.
    case kl
    /// A `TinyAutoencoder`.
    case tiny
}

extension AutoencoderSizes {
    /// The network of these sizes, for images of so many channels.
    public func network(channels: Int) -> any FirstStageNetwork {
        switch kind {
        case .kl: Autoencoder(self, channels: channels)
        case .tiny: TinyAutoencoder(sizes: self, channels: channels)
        }
    }
}

/// Forward passes of a first stage.
public enum FirstStagePart: CaseIterable, Sendable {
    /// Images to the moments of their latents.
    case encoder
    /// Latents to images.
    case decoder
    /// Images to what the means of their latents are decoded to.
    case both
}

/// What makes latents of images, and images of latents.
public protocol FirstStageNetwork {
    var sizes: AutoencoderSizes { get }
    /// Channels of an image.
    var channels: Int { get }
    /// Images `[N, H, W, C]` to means and logarithms of variances `[N, h, w, 2Z]`.
    func encode(_ x: Tensor) -> Tensor
    /// Latents `[N, h, w, Z]` to images `[N, H, W, C]`.
    func decode(_ z: Tensor) -> Tensor
    /// What the network takes of a number of an image in −1 … 1.
    func input(_ image: Float) -> Float
    /// What it takes of a number of a latent.
    func latent(_ z: Float) -> Float
    /// The number of an image in −1 … 1 of what the network gives.
    func output(_ image: Float) -> Float
}

extension FirstStageNetwork {
    public func input(_ image: Float) -> Float { image }
    public func latent(_ z: Float) -> Float { z }
    public func output(_ image: Float) -> Float { image }

    /// The graph of a part over `batch` images of `size` × `size`, or their latents, to be run in `precision`: from `x_t` to
    /// `output`.
    public func inferenceGraph(
        _ part: FirstStagePart, size: Int, batch: Int, precision: Precision = .fp32
    ) -> Graph {
        let (graph, side) = (Graph(), sizes.latentSize(size))
        func input(_ shape: [Int]) -> Tensor { graph.input(NetworkInput.xt.rawValue, shape) }
        switch part {
        case .encoder: graph.keep(encode(input([batch, size, size, channels])), as: "output")
        case .decoder: graph.keep(decode(input([batch, side, side, sizes.latentChannels])), as: "output")
        case .both:
            let moments = encode(input([batch, size, size, channels]))
            let zeros = graph.constant(0, moments.shape.dropLast() + [sizes.latentChannels])
            graph.keep(decode(moments.gaussianDraw(noise: zeros)), as: "output")
        }
        graph.fuse(for: precision)
        return graph
    }
}

/// The KL first stage of latent diffusion (Rombach et al. 2022): an encoder to Gaussians of a smaller image, and a decoder.
/// Parameters have the names of diffusers' `AutoencoderKL`.
public struct Autoencoder: FirstStageNetwork {
    public let sizes: AutoencoderSizes
    /// Channels of an image.
    public let channels: Int

    public init(_ sizes: AutoencoderSizes, channels: Int) { (self.sizes, self.channels) = (sizes, channels) }

    /// Images `[N, H, W, C]` in −1 … 1 to means and logarithms of variances `[N, h, w, 2Z]`.
    public func encode(_ x: Tensor) -> Tensor {
        let scope = Scope(x.graph, "encoder")
        var h = Convolution(scope / "conv_in", channels, sizes.channels[0], kernel: 3)(x)
        for (stage, width) in sizes.channels.enumerated() {
            let part = scope / "down_blocks" / stage
            for block in 0..<sizes.blocks { h = residual(part / "resnets" / block, h, to: width) }
            if stage < sizes.channels.count - 1 { h = halved(part / "downsamplers.0.conv", h) }
        }
        h = middle(scope / "mid_block", h)
        h = end(scope, h, to: 2 * sizes.latentChannels)
        return Convolution(Scope(x.graph, "quant_conv"), h.channels, h.channels, kernel: 1)(h)
    }

    /// Latents `[N, h, w, Z]` to images `[N, H, W, C]`.
    public func decode(_ z: Tensor) -> Tensor {
        let scope = Scope(z.graph, "decoder")
        var h = Convolution(Scope(z.graph, "post_quant_conv"), z.channels, z.channels, kernel: 1)(z)
        h = Convolution(scope / "conv_in", z.channels, sizes.channels[sizes.channels.count - 1], kernel: 3)(h)
        h = middle(scope / "mid_block", h)
        for (stage, width) in sizes.channels.reversed().enumerated() {
            let part = scope / "up_blocks" / stage
            for block in 0...sizes.blocks { h = residual(part / "resnets" / block, h, to: width) }
            guard stage < sizes.channels.count - 1 else { continue }
            h = Convolution(part / "upsamplers.0.conv", width, width, kernel: 3)(h.upsampledNearest())
        }
        return end(scope, h, to: channels)
    }

    /// GroupNorm with ε = 1e-6, and SiLU.
    private func activated(_ scope: Scope, _ x: Tensor) -> Tensor {
        GroupNorm(scope, groups: sizes.groups, channels: x.channels, epsilon: 1e-6)(x).silu()
    }

    private func residual(_ scope: Scope, _ x: Tensor, to width: Int) -> Tensor {
        let h = Convolution(scope / "conv1", x.channels, width, kernel: 3)(activated(scope / "norm1", x))
        let y = Convolution(scope / "conv2", width, width, kernel: 3)(activated(scope / "norm2", h))
        let skip = x.channels == width ? x : Convolution(scope / "conv_shortcut", x.channels, width, kernel: 1)(x)
        return y + skip
    }

    private func middle(_ scope: Scope, _ x: Tensor) -> Tensor {
        let h = residual(scope / "resnets.0", x, to: x.channels)
        return residual(
            scope / "resnets.1", sizes.attention ? h + attention(scope / "attentions.0", h) : h, to: x.channels)
    }

    /// One head of all channels.
    private func attention(_ scope: Scope, _ x: Tensor) -> Tensor {
        let c = x.channels
        let h = GroupNorm(scope / "group_norm", groups: sizes.groups, channels: c, epsilon: 1e-6)(x)
        let (q, k, v) = (
            Linear(scope / "to_q", c, c)(h), Linear(scope / "to_k", c, c)(h), Linear(scope / "to_v", c, c)(h)
        )
        let heads = q.concatenated(with: k).concatenated(with: v).fullAttention(heads: 1, headDim: c)
        return Linear(scope / "to_out.0", c, c)(heads)
    }

    /// A 3×3 convolution at every other pixel, with zeros below and at the right only.
    private func halved(_ scope: Scope, _ x: Tensor) -> Tensor {
        let convolution = Convolution(scope, x.channels, x.channels, kernel: 3)
        return x.convolution(
            convolution.weight, bias: convolution.bias, ConvolutionGeometry(kernel: 3, stride: 2, paddingAfter: 1))
    }

    private func end(_ scope: Scope, _ x: Tensor, to width: Int) -> Tensor {
        Convolution(scope / "conv_out", x.channels, width, kernel: 3)(activated(scope / "conv_norm_out", x))
    }
}
