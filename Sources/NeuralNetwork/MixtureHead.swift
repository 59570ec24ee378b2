import Foundation
import TensorGraph

/// What the network's last layer gives.
public enum Head: String, Codable, CaseIterable, Sendable {
    /// One estimate of the target.
    case single
    /// For each pixel the distribution of the target, a mixture of Gaussians.
    case mixture
}

/// The last layer that gives a mixture of K Gaussians of one width for each pixel (GMFlow, Chen et al. 2025): from features
/// `[N, H, W, I]` K means of C numbers, K logits, and s with `ln σ = −2 + 3 tanh(s/3)`: `[N, H, W, K(C+1)+1]`.
///
/// A point is one pixel: its distribution is whole. Pixels of an image are drawn independently given x_t (and the latent).
public struct MixtureHead: Sendable {
    /// K.
    public let components: Int
    /// C.
    public let channels: Int

    init(components: Int, channels: Int) {
        self.components = components
        self.channels = channels
    }

    /// Numbers for a pixel.
    var outputs: Int { components * (channels + 1) + 1 }

    /// Means start spread like the target, N(0, 1); weights equal, and σ = e⁻².
    func callAsFunction(_ scope: Scope, _ x: Tensor) -> Tensor {
        func layer(_ name: String, _ outputs: Int, _ initializer: (_ bias: Bool) -> Initializer) -> Tensor {
            x.linear(
                (scope / name).parameter("weight", [outputs, x.channels, 1, 1], initializer(false)),
                bias: (scope / name).parameter("bias", [outputs], initializer(true)))
        }
        let bound = 1 / Float(x.channels).squareRoot()
        return layer("final_conv", components * channels) { $0 ? .normal(deviation: 1) : .uniform(bound: bound) }
            .concatenated(with: layer("mixture_logits", components) { _ in .constant(0) })
            .concatenated(with: layer("mixture_width", 1) { _ in .constant(0) })
    }

    /// Draws of the target from outputs, `[P, K(C+1)+1] → [P, C]`, P pixels.
    ///
    /// - Parameters:
    ///   - choice: uniform in [0, 1), `[P]`: it picks the component.
    ///   - noise: N(0, 1), `[P, C]`.
    public func draw(_ output: [Float], choice: [Float], noise: [Float]) -> [Float] {
        let pixels = output.count / outputs
        precondition(
            output.count == pixels * outputs && choice.count == pixels && noise.count == pixels * channels,
            "\(output.count) outputs, \(choice.count) choices, \(noise.count) numbers for \(self)")
        var target = noise
        for p in 0..<pixels {
            let pixel = output[p * outputs..<(p + 1) * outputs]
            let logits = Array(pixel.dropFirst(components * channels).prefix(components))
            let k = Self.component(logits, choice[p])
            let deviation = exp(-2 + 3 * tanh((pixel.last ?? 0) / 3))
            for c in 0..<channels {
                target[p * channels + c] =
                    pixel[pixel.startIndex + k * channels + c] + deviation * noise[p * channels + c]
            }
        }
        return target
    }

    /// The component in whose part of [0, 1) `u` lies, where parts are as long as the weights of `logits`.
    static func component(_ logits: [Float], _ u: Float) -> Int {
        let top = logits.max() ?? 0
        let weights = logits.map { exp(Double($0 - top)) }
        var left = Double(u) * weights.reduce(0, +)
        for (k, weight) in weights.enumerated() {
            left -= weight
            if left < 0 { return k }
        }
        return weights.count - 1
    }
}
