import TensorGraph

/// How ``ADM`` halves and doubles the image.
public enum Resampling: String, Codable, CaseIterable, Sendable {
    /// A residual block with 2×2 means or copies inside (`resblock_updown`).
    case block
    /// A 3×3 convolution of stride 2; copies to 2×2 squares and a 3×3 convolution.
    case convolution
    /// 2×2 means; copies.
    case plain
}

/// What ``ADM`` has beside the sizes that all U-Nets have. The defaults are those of its published LSUN models.
public struct ADMSettings: Equatable, Sendable {
    /// Residual blocks a stage on the way down; one more on the way up.
    public var blocks = 2
    /// Image sides at which attention follows each residual block; the middle always has it.
    public var attentionSizes = [32, 16, 8]
    /// Attention heads on the way up, where heads are given by their number; 0: as many as on the way down.
    public var headsUp = 0
    /// The time scales and shifts the second norm's result; else it is added before that norm.
    public var scaleShift = true
    public var resampling = Resampling.block
    /// Rows of `qkv` are head by head, each q, k, v (improved-diffusion, and guided-diffusion by default); else q, k, v,
    /// each head by head (`use_new_attention_order`).
    public var headsFirst = false
    /// Share of numbers that are dropped before the last convolution of a residual block, in training.
    public var dropout = 0.0

    public init() {}

    /// Of an identifier: one block a stage, and attention in the middle only.
    static var identifier: ADMSettings {
        var settings = ADMSettings()
        (settings.blocks, settings.attentionSizes) = (1, [])
        return settings
    }
}

/// The U-Net of ADM (Dhariwal and Nichol 2021, appendix) and of improved diffusion (Nichol and Dhariwal 2021), with the
/// names and shapes of guided-diffusion: `[N, H, W, I] → [N·m, H, W, O]`, d = `sizes.dim`.
///
/// Stage i works on `d·dimMults[i]` channels at H/2ⁱ. With a latent map z, hypernetworks add to the first and the last
/// activations at full resolution, or to the last only.
struct ADM {
    let scope: Scope
    let sizes: UNetSizes
    /// Layers of each hypernetwork, where there is a latent map.
    var hypernetLayers = 0
    /// Rows of the table of classes; 0 without.
    var classRows = 0
    /// The last layer, from `d·dimMults[0]` to O channels.
    let last: (Scope, Tensor) -> Tensor

    private var settings: ADMSettings { sizes.adm }

    /// What each residual block is told.
    private struct Embedding {
        /// SiLU of the embedding of time and class, `[N, 4·d]`.
        let vector: Tensor
        /// Where numbers are dropped: what decides which, `[N, 4]`.
        let dropoutKey: Tensor?
    }

    /// - Parameter x: `[N, H, W, I]`, H = W divisible by 2^(stages − 1).
    func callAsFunction(_ x: Tensor, _ condition: Condition, latent: Latent? = nil) -> Tensor {
        let widths = sizes.dimMults.map { $0 * sizes.dim }
        let e = Embedding(vector: embedding(condition).silu(), dropoutKey: condition.dropoutKey)

        var h = Convolution(scope / "input_blocks.0.0", x.channels, widths[0], kernel: 3)(x)
        if let latent, latent.entersAtInput { h = h + hypernet("in_hypernet", latent.z, widths[0])(h, z: latent.z) }
        var skips = [h]

        for (i, width) in widths.enumerated() {
            for _ in 0..<settings.blocks {
                let block = scope / "input_blocks" / skips.count
                h = residual(block / 0, h, e, to: width)
                if attends(h) { h = attention(block / 1, h, heads: sizes.heads) }
                skips.append(h)
            }
            if i < widths.count - 1 {
                h = down(scope / "input_blocks" / skips.count / 0, h, e)
                skips.append(h)
            }
        }

        h = residual(scope / "middle_block.0", h, e, to: h.channels)
        h = attention(scope / "middle_block.1", h, heads: sizes.heads)
        h = residual(scope / "middle_block.2", h, e, to: h.channels)

        var number = 0
        for (i, width) in widths.enumerated().reversed() {
            for j in 0...settings.blocks {
                let block = scope / "output_blocks" / number
                h = residual(block / 0, h.concatenated(with: skips.removeLast()), e, to: width)
                let isAttended = attends(h)
                if isAttended {
                    h = attention(block / 1, h, heads: settings.headsUp > 0 ? settings.headsUp : sizes.heads)
                }
                if i > 0 && j == settings.blocks { h = up(block / (isAttended ? 2 : 1), h, e) }
                number += 1
            }
        }

        h = GroupNorm(scope / "out.0", groups: sizes.groups, channels: h.channels)(h).silu()
        if let latent {
            h = h.repeatedSamples(latent.draws)
            h = h + hypernet("out_hypernet", latent.z, h.channels)(h, z: latent.z)
        }
        return last(scope, h)
    }

    /// Time, class, numbers that all pixels share, and what was done to the image: `[N, 4·d]`.
    private func embedding(_ condition: Condition) -> Tensor {
        let (d, width) = (sizes.dim, 4 * sizes.dim)
        let hidden = Linear(scope / "time_embed.0", d, width)(condition.timestep.cosineEmbedding(dimension: d)).silu()
        var e = Linear(scope / "time_embed.2", width, width)(hidden)
        if classRows > 0 { e = e + ClassEmbedding(scope / "label_emb", rows: classRows, width: width)(condition.label) }
        if let shared = condition.shared { e = e + Linear(scope / "eta_mlp", shared.channels, width)(shared) }
        if let augmentation = condition.augmentation {
            e = e + AugmentationEmbedding(scope / "map_augment", width: width)(augmentation)
        }
        return e
    }

    /// `skip(x) + conv(dropout(SiLU(norm(conv(resample(SiLU(norm(x))))))))`, the second norm modulated by the time, or the
    /// time added before it; the last convolution starts at zero.
    private func residual(
        _ scope: Scope, _ x: Tensor, _ e: Embedding, to outputs: Int, resample: (Tensor) -> Tensor = { $0 }
    ) -> Tensor {
        let h = resample(norm(scope / "in_layers.0", x).silu())
        let x = resample(x)
        let inner = Convolution(scope / "in_layers.2", x.channels, outputs, kernel: 3)(h)
        let second = GroupNorm(scope / "out_layers.0", groups: sizes.groups, channels: outputs)
        let modulation = Linear(
            scope / "emb_layers.1", e.vector.channels, settings.scaleShift ? 2 * outputs : outputs)(e.vector)
        let modulated =
            settings.scaleShift
            ? second(inner).modulated(by: modulation)
            : second(inner.modulated(by: x.graph.constant(0, modulation.shape).concatenated(with: modulation)))
        let last = Convolution(scope / "out_layers.3", outputs, outputs, kernel: 3, startsAtZero: true)
        let skip =
            x.channels == outputs
            ? x : Convolution(scope / "skip_connection", x.channels, outputs, kernel: 1)(x)
        var activated = modulated.silu()
        if let key = e.dropoutKey, settings.dropout > 0 {
            activated = activated.dropped(settings.dropout, key: key, layer: Self.layer(scope))
        }
        return last(activated) + skip
    }

    /// Tells the dropout of one block from that of others: a hash of the name (FNV-1a).
    private static func layer(_ scope: Scope) -> UInt32 {
        scope.path.utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }

    /// `x + proj_out(attention(qkv(norm(x))))`; `qkv [3C, C, 1]`, and `proj_out [C, C, 1]`, which starts at zero.
    private func attention(_ scope: Scope, _ x: Tensor, heads: Int) -> Tensor {
        let channels = x.channels
        let heads = sizes.headDim > 0 ? channels / sizes.headDim : heads
        let qkv = norm(scope / "norm", x).linear(
            (scope / "qkv").uniform("weight", [3 * channels, channels, 1], fanIn: channels),
            bias: (scope / "qkv").uniform("bias", [3 * channels], fanIn: channels))
        let y = qkv.fullAttention(heads: heads, headDim: channels / heads, headsFirst: settings.headsFirst)
        return y.linear(
            (scope / "proj_out").parameter("weight", [channels, channels, 1], .constant(0)),
            bias: (scope / "proj_out").parameter("bias", [channels], .constant(0))) + x
    }

    private func down(_ scope: Scope, _ x: Tensor, _ e: Embedding) -> Tensor {
        let halve = { (x: Tensor) in x.averagePool(ConvolutionGeometry(kernel: 2, stride: 2)) }
        switch settings.resampling {
        case .block: return residual(scope, x, e, to: x.channels, resample: halve)
        case .convolution: return Convolution(scope / "op", x.channels, x.channels, kernel: 3, stride: 2)(x)
        case .plain: return halve(x)
        }
    }

    private func up(_ scope: Scope, _ x: Tensor, _ e: Embedding) -> Tensor {
        switch settings.resampling {
        case .block: residual(scope, x, e, to: x.channels) { $0.upsampledNearest() }
        case .convolution: Convolution(scope / "conv", x.channels, x.channels, kernel: 3)(x.upsampledNearest())
        case .plain: x.upsampledNearest()
        }
    }

    private func attends(_ x: Tensor) -> Bool { settings.attentionSizes.contains(x.shape[1]) }

    private func norm(_ scope: Scope, _ x: Tensor) -> Tensor {
        GroupNorm(scope, groups: sizes.groups, channels: x.channels)(x)
    }

    private func hypernet(_ name: String, _ z: Tensor, _ channels: Int) -> HyperNetwork {
        HyperNetwork(scope / name, channels: channels, latent: z.channels, layers: hypernetLayers)
    }
}

extension UNetSizes {
    /// Why there can be no ``ADM`` of these sizes over `size` × `size` pixels; nil where there can. `section` is the prefix
    /// of the keys.
    func admFault(section: String, size: Int) -> String? {
        if let fault = stagesFault(section: section, size: size) ?? groupsFault(section: section) { return fault }
        for side in adm.attentionSizes where !dimMults.indices.contains(where: { size >> $0 == side }) {
            let sides = dimMults.indices.map { "\(size >> $0)" }.joined(separator: ", ")
            return "\(section).attention_sizes holds \(side); the stages work at \(sides)"
        }
        let attended = dimMults.indices.filter { $0 == dimMults.count - 1 || adm.attentionSizes.contains(size >> $0) }
        for channels in attended.map({ dim * dimMults[$0] }) {
            if headDim > 0, !channels.isMultiple(of: headDim) {
                return "\(section).head_dim is \(headDim), which does not divide the \(channels) channels of attention"
            }
            for (name, number) in [("heads", heads), ("heads_up", adm.headsUp)]
            where headDim == 0 && number > 0 && !channels.isMultiple(of: number) {
                return "\(section).\(name) is \(number), which does not divide the \(channels) channels of attention"
            }
        }
        return nil
    }
}
