import TensorGraph

/// The U-Net of DDPM (Ho et al. 2020) in the form of the published SMD code: `[N, H, W, I] → [N·m, H, W, O]`.
///
/// Stage i works on `dims[i]` channels at H/2ⁱ and hands `dims[i+1]` down, `dims = [dim] + dim·dimMults`. With a latent
/// map z, hypernetworks add to the first and the last activations at full resolution, or to the last only.
struct UNet {
    let scope: Scope
    let sizes: UNetSizes
    /// Layers of each hypernetwork, where there is a latent map.
    var hypernetLayers = 0
    /// Rows of the table of classes, which join the embedding of the time; 0 without.
    var classRows = 0
    /// The last layer, from `dim` to O channels; none by itself.
    var last: (Scope, Tensor) -> Tensor = { _, x in x }

    /// - Parameters:
    ///   - x: `[N, H, W, I]`, H and W divisible by 2^(stages − 1).
    ///   - condition: what joins the embedding of the time, and the time.
    ///   - latent: where hypernetworks are wanted; m is 1 without.
    func callAsFunction(_ x: Tensor, _ condition: Condition, latent: Latent? = nil) -> Tensor {
        let dims = sizes.channels
        let stages = sizes.dimMults.count
        var time = timeEmbedding(condition.timestep)
        if classRows > 0 {
            time = time + ClassEmbedding(scope / "label_emb", rows: classRows, width: time.channels)(condition.label)
        }
        if let shared = condition.shared {
            time = time + Linear(scope / "eta_mlp", shared.channels, time.channels)(shared)
        }
        if let augmentation = condition.augmentation {
            time = time + AugmentationEmbedding(scope / "map_augment", width: time.channels)(augmentation)
        }
        time = time.silu()

        var x = first(x)
        if let latent, latent.entersAtInput { x = x + hypernet("in_hypernet", latent.z)(x, z: latent.z) }
        let r = x

        var skips: [Tensor]
        (x, skips) = down(x, time: time)
        x = middle(x, time: time)

        for (position, i) in (0..<stages).reversed().enumerated() {
            let stage = scope / "ups" / position
            for block in 0..<2 {
                x = x.concatenated(with: skips.removeLast())
                x = resnet(stage / block, dims[i + 1] + dims[i], dims[i + 1])(x, time: time)
            }
            x = attention(stage / 2, dims[i + 1], full: sizes.isFull(i))(x) + x
            x =
                i > 0
                ? Convolution(stage / 3 / 1, dims[i + 1], dims[i], kernel: 3)(x.upsampledNearest())
                : Convolution(stage / 3, dims[i + 1], dims[i], kernel: 3)(x)
        }

        x = resnet(scope / "final_res_block", 2 * sizes.dim, sizes.dim)(x.concatenated(with: r), time: time)
        if let latent {
            x = x.repeatedSamples(latent.draws)
            x = x + hypernet("out_hypernet", latent.z)(x, z: latent.z)
        }
        return last(scope, x)
    }

    /// The first convolution: `[N, H, W, I] → [N, H, W, dim]`.
    func first(_ x: Tensor) -> Tensor { Convolution(scope / "init_conv", x.channels, sizes.dim, kernel: 7)(x) }

    /// The stages on the way down, and what they hand to those on the way up: two tensors a stage.
    ///
    /// - Parameter time: SiLU of the time embedding, `[N, 4·dim]`.
    func down(_ x: Tensor, time: Tensor) -> (x: Tensor, skips: [Tensor]) {
        let dims = sizes.channels
        let stages = sizes.dimMults.count
        var x = x
        var skips: [Tensor] = []
        for i in 0..<stages {
            let stage = scope / "downs" / i
            x = resnet(stage / 0, dims[i], dims[i])(x, time: time)
            skips.append(x)
            x = resnet(stage / 1, dims[i], dims[i])(x, time: time)
            x = attention(stage / 2, dims[i], full: sizes.isFull(i))(x) + x
            skips.append(x)
            x =
                i < stages - 1
                ? Downsample(stage / 3 / 1, dims[i], dims[i + 1])(x)
                : Convolution(stage / 3, dims[i], dims[i + 1], kernel: 3)(x)
        }
        return (x, skips)
    }

    /// Two residual blocks with attention between them, at the lowest resolution.
    func middle(_ x: Tensor, time: Tensor) -> Tensor {
        let channels = x.channels
        var x = resnet(scope / "mid_block1", channels, channels)(x, time: time)
        x = attention(scope / "mid_attn", channels, full: true)(x) + x
        return resnet(scope / "mid_block2", channels, channels)(x, time: time)
    }

    /// Sinusoidal embedding (Vaswani et al. 2017) and two linear layers with a GELU: `[N] → [N, 4·dim]`.
    func timeEmbedding(_ timestep: Tensor) -> Tensor {
        let embedding = timestep.sinusoidalEmbedding(dimension: sizes.dim)
        let hidden = Linear(scope / "time_mlp.1", sizes.dim, 4 * sizes.dim)(embedding).gelu()
        return Linear(scope / "time_mlp.3", 4 * sizes.dim, 4 * sizes.dim)(hidden)
    }

    private func resnet(_ scope: Scope, _ inputs: Int, _ outputs: Int) -> ResnetBlock {
        ResnetBlock(scope, inputs, outputs, timeDim: 4 * sizes.dim, groups: sizes.groups)
    }

    private func attention(_ scope: Scope, _ channels: Int, full: Bool) -> Attention {
        Attention(
            scope, channels: channels, heads: sizes.heads, headDim: sizes.headDim, kind: full ? .full : .linear)
    }

    private func hypernet(_ name: String, _ z: Tensor) -> HyperNetwork {
        HyperNetwork(scope / name, channels: sizes.dim, latent: z.channels, layers: hypernetLayers)
    }
}
