import Foundation
import TensorGraph

/// The small first stage TAESD (O. Bohan, 2023): 3×3 convolutions and ReLU, a single latent for an image instead of a
/// Gaussian. Parameters have the names of diffusers' `AutoencoderTiny`. It is used as it comes, not trained.
struct TinyAutoencoder: FirstStageNetwork {
    let sizes: AutoencoderSizes
    /// Channels of an image.
    let channels: Int

    /// Blocks of the stages of the encoder; the decoder has them the other way round.
    private var blocks: [Int] { sizes.channels.indices.map { $0 == 0 ? 1 : sizes.blocks } }

    /// Images `[N, H, W, C]` in 0 … 1 to means `[N, h, w, Z]` and logarithms of variances, which are the least: `[N, h, w, 2Z]`.
    func encode(_ x: Tensor) -> Tensor {
        var layers = Layers(Scope(x.graph, "encoder.layers"))
        var h = x
        for (stage, width) in sizes.channels.enumerated() {
            h =
                stage == 0
                ? Convolution(layers.next(), channels, width, kernel: 3)(h)
                : Convolution(layers.next(), width, width, kernel: 3, stride: 2, bias: false)(h)
            for _ in 0..<blocks[stage] { h = block(layers.next(), h) }
        }
        h = Convolution(layers.next(), h.channels, sizes.latentChannels, kernel: 3)(h)
        return h.concatenated(with: x.graph.constant(-30, h.shape))
    }

    /// Latents `[N, h, w, Z]`, bound by ``latent(_:)``, to images in 0 … 1.
    func decode(_ z: Tensor) -> Tensor {
        var layers = Layers(Scope(z.graph, "decoder.layers"))
        var h = Convolution(layers.next(), z.channels, sizes.channels[0], kernel: 3)(z).relu()
        layers.skip()  // ReLU
        for (stage, width) in sizes.channels.enumerated() {
            for _ in 0..<blocks.reversed()[stage] { h = block(layers.next(), h) }
            if stage == sizes.channels.count - 1 { return Convolution(layers.next(), width, channels, kernel: 3)(h) }
            layers.skip()  // the enlargement
            h = Convolution(layers.next(), width, width, kernel: 3, bias: false)(h.upsampledNearest())
        }
        return h
    }

    func input(_ image: Float) -> Float { (image + 1) / 2 }
    func latent(_ z: Float) -> Float { 3 * tanhf(z / 3) }
    func output(_ image: Float) -> Float { 2 * image - 1 }

    private func block(_ scope: Scope, _ x: Tensor) -> Tensor {
        func convolution(_ number: Int, _ x: Tensor) -> Tensor {
            Convolution(scope / "conv" / number, x.channels, x.channels, kernel: 3)(x)
        }
        return (convolution(4, convolution(2, convolution(0, x).relu()).relu()) + x).relu()
    }

    /// The numbered layers of a part, some without parameters.
    private struct Layers {
        private let scope: Scope
        private var number = 0

        init(_ scope: Scope) { self.scope = scope }

        mutating func next() -> Scope {
            defer { number += 1 }
            return scope / number
        }
        mutating func skip() { number += 1 }
    }
}
