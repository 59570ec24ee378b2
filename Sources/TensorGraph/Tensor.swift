/// A symbolic value of a graph. Layers combine tensors; nothing is computed until the graph runs.
public struct Tensor {
    /// The graph it belongs to.
    public unowned let graph: Graph
    let id: Int

    /// `[N, H, W, C]`, `[N, C]` or a parameter's shape.
    public var shape: [Int] { graph.values[id].shape }
    /// Length of the last axis.
    public var channels: Int { shape[shape.count - 1] }

    private func one(_ operation: Operation, _ inputs: [Tensor], _ shape: [Int]) -> Tensor {
        graph.tensor(graph.append(operation, inputs.map(\.id), [shape])[0])
    }

    /// A parameter's elements under another shape, without copying; gradients go to the same parameter.
    public func viewed(as shape: [Int]) -> Tensor {
        let value = graph.values[id]
        guard case .parameter = value.role else { preconditionFailure("only parameters can be viewed, not \(value)") }
        precondition(shape.reduce(1, *) == value.count, "\(value.shape) cannot be viewed as \(shape)")
        return graph.tensor(graph.addValue(shape, value.role))
    }

    /// The same numbers under another shape.
    public func reshaped(to shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == self.shape.reduce(1, *), "\(self.shape) cannot become \(shape)")
        return one(.reshape, [self], shape)
    }

    /// Convolution with `weight [O, I, kh, kw]` and an optional bias `[O]`. A 1×1 convolution is a linear map of every
    /// pixel.
    public func convolution(_ weight: Tensor, bias: Tensor?, _ geometry: ConvolutionGeometry) -> Tensor {
        precondition(shape.count == 4, "a convolution needs [N, H, W, C], not \(shape)")
        let output = weight.shape[0]
        precondition(
            weight.shape == [output, channels, geometry.kernelHeight, geometry.kernelWidth],
            "weight \(weight.shape) does not fit \(shape) with a \(geometry.kernelHeight)×\(geometry.kernelWidth) kernel"
        )
        if geometry.isPointwise { return linear(weight, bias: bias) }
        let size = geometry.outputSize(shape[1], shape[2])
        return one(
            .convolution(geometry, weightChannels: 0..<channels, bias: bias != nil, addend: false),
            [self, weight] + (bias.map { [$0] } ?? []),
            [shape[0], size.height, size.width, output])
    }

    /// `x · weightᵀ + bias` over the last axis; `weight` is `[O, I]` or `[O, I, 1, 1]`.
    public func linear(_ weight: Tensor, bias: Tensor?) -> Tensor {
        precondition(weight.shape[1] == channels, "weight \(weight.shape) does not fit \(shape)")
        return one(
            .linear(weightChannels: 0..<channels, bias: bias != nil, addend: false),
            [self, weight] + (bias.map { [$0] } ?? []), shape.dropLast() + [weight.shape[0]])
    }

    /// Group normalisation with per-channel `scale` and `shift` (both `[C]`).
    public func groupNorm(groups: Int, epsilon: Float, scale: Tensor, shift: Tensor) -> Tensor {
        precondition(channels % groups == 0, "\(channels) channels do not divide into \(groups) groups")
        return graph.tensor(
            graph.append(
                .groupNorm(groups: groups, epsilon: epsilon), [id, scale.id, shift.id], [shape, [shape[0], groups, 2]])[
                    0])
    }

    /// `x · (scale + 1) + shift` with `scaleShift [N, 2C]`, scale first.
    public func modulated(by scaleShift: Tensor) -> Tensor {
        precondition(scaleShift.shape == [shape[0], 2 * channels], "\(scaleShift.shape) does not modulate \(shape)")
        return one(.modulate, [self, scaleShift], shape)
    }

    /// `x · sigmoid(x)`.
    public func silu() -> Tensor { one(.silu, [self], shape) }

    /// `x/2 · (1 + erf(x/√2))`.
    public func gelu() -> Tensor { one(.gelu, [self], shape) }

    /// `max(x, 0)`.
    public func relu() -> Tensor { one(.relu, [self], shape) }

    /// Each element 0 with probability `rate`, else divided by 1 − `rate`; which are, `layer` and the sample's `key [N, 4]`
    /// decide, numbers in [0, 1).
    public func dropped(_ rate: Double, key: Tensor, layer: UInt32) -> Tensor {
        precondition(key.shape == [shape[0], 4] && rate >= 0 && rate < 1, "\(rate) of \(shape), keys \(key.shape)")
        return one(.dropout(rate: rate, layer: layer), [self, key], shape)
    }

    /// `x / max(‖x‖₂ over C, 1e-12) · g · √C`.
    public func rmsNorm(scale g: Tensor) -> Tensor { one(.rmsNorm(residual: false), [self, g], shape) }

    /// Linear attention over positions; self is qkv `[N, H, W, 3·heads·headDim]`.
    public func linearAttention(heads: Int, headDim: Int) -> Tensor {
        precondition(channels == 3 * heads * headDim, "\(channels) channels are not 3·\(heads)·\(headDim)")
        return graph.tensor(
            graph.append(
                .linearAttention(heads: heads, headDim: headDim), [id],
                [shape.dropLast() + [heads * headDim], shape, [shape[0], heads, headDim, headDim]])[0])
    }

    /// Softmax attention over positions; self is qkv `[N, H, W, 3·heads·headDim]`: q, k and v, each head by head, or with
    /// `headsFirst` head by head, each q, k and v.
    public func fullAttention(heads: Int, headDim: Int, headsFirst: Bool = false) -> Tensor {
        precondition(channels == 3 * heads * headDim, "\(channels) channels are not 3·\(heads)·\(headDim)")
        return graph.tensor(
            graph.append(
                .fullAttention(heads: heads, headDim: headDim, headsFirst: headsFirst), [id],
                [shape.dropLast() + [heads * headDim], [shape[0], heads, shape[1] * shape[2]]])[0])
    }

    /// `p (p·self) + softplus(scales[layer]) · self`: one layer of a hypernetwork.
    public func rankOneUpdate(_ p: Tensor, scales: Tensor, layer: Int) -> Tensor {
        precondition(p.shape == shape, "\(p.shape) against \(shape)")
        return one(.rankOneUpdate(layer: layer), [self, p, scales], shape)
    }

    /// Both tensors' channels, this one's first.
    public func concatenated(with other: Tensor) -> Tensor {
        precondition(
            shape.dropLast() == other.shape.dropLast(), "\(shape) and \(other.shape) differ before the channels")
        return one(.concatenateChannels, [self, other], shape.dropLast() + [channels + other.channels])
    }

    /// Each value copied to a 2×2 square.
    public func upsampledNearest() -> Tensor {
        one(.upsampleNearest, [self], [shape[0], 2 * shape[1], 2 * shape[2], channels])
    }

    /// Each sample `count` times in a row: `[N · count, ...]`.
    public func repeatedSamples(_ count: Int) -> Tensor {
        precondition(count > 0, "\(count) times a sample")
        return count == 1 ? self : one(.repeatSamples(count), [self], [shape[0] * count] + shape.dropFirst())
    }

    /// The largest of each window, of what lies inside the image.
    public func maxPool(_ window: ConvolutionGeometry) -> Tensor { pooled(.maxPool(window), window) }

    /// The mean of each window over what lies inside the image: padding does not count.
    public func averagePool(_ window: ConvolutionGeometry) -> Tensor { pooled(.averagePool(window), window) }

    private func pooled(_ operation: Operation, _ window: ConvolutionGeometry) -> Tensor {
        precondition(
            shape.count == 4 && window.paddingHeight < window.kernelHeight && window.paddingWidth < window.kernelWidth,
            "\(window) over \(shape)")
        let size = window.outputSize(shape[1], shape[2])
        return one(operation, [self], [shape[0], size.height, size.width, channels])
    }

    /// The mean over all positions of each image: `[N, C]`.
    public func meanOverPositions() -> Tensor {
        precondition(shape.count == 4, "a mean over positions needs [N, H, W, C], not \(shape)")
        return one(.meanOverPositions, [self], [shape[0], channels])
    }

    /// Sines and cosines of a timestep `[N]`, as `[N, dimension]`.
    public func sinusoidalEmbedding(dimension: Int) -> Tensor {
        precondition(
            dimension >= 4 && dimension % 2 == 0, "the dimension must be even and at least 4, not \(dimension)")
        return one(.sinusoidalEmbedding(dimension: dimension), [self], [shape[0], dimension])
    }

    /// Cosines and sines of a timestep `[N]`, as `[N, dimension]`, with frequencies from 1 down to, but not with, 1/10000;
    /// where `dimension` is odd a zero comes last.
    public func cosineEmbedding(dimension: Int) -> Tensor {
        precondition(dimension >= 2, "an embedding of dimension \(dimension)")
        return one(.sinusoidalEmbedding(dimension: dimension, cosinesFirst: true), [self], [shape[0], dimension])
    }

    /// The row of `weight [K, E]` of each label: `[N, E]`. Self is labels `[N]`, whole numbers in 0 ..< K.
    public func embedded(_ weight: Tensor) -> Tensor {
        precondition(shape.count == 1 && weight.shape.count == 2, "labels \(shape), weight \(weight.shape)")
        return one(.embedding, [self, weight], [shape[0], weight.channels])
    }

    /// Per sample, `weight · mean((self − target)²)`: `[N]`.
    public func weightedSquaredError(target: Tensor, weight: Tensor) -> Tensor {
        precondition(target.shape == shape && weight.shape == [shape[0]], "\(shape), \(target.shape), \(weight.shape)")
        return one(.weightedSquaredError, [self, target, weight], [shape[0]])
    }

    /// Per sample, `weight · mean(|self − target|)`: `[N]`.
    public func weightedAbsoluteError(target: Tensor, weight: Tensor) -> Tensor {
        precondition(target.shape == shape && weight.shape == [shape[0]], "\(shape), \(target.shape), \(weight.shape)")
        return one(.weightedAbsoluteError, [self, target, weight], [shape[0]])
    }

    /// A draw of the Gaussians whose means and logarithms of variances, `[N, H, W, 2C]`, self is, from `noise [N, H, W, C]`.
    public func gaussianDraw(noise: Tensor) -> Tensor {
        precondition(
            shape.dropLast() == noise.shape.dropLast() && channels == 2 * noise.channels, "\(shape), \(noise.shape)")
        return one(.gaussianDraw, [self, noise], noise.shape)
    }

    /// Per sample, `weight · KL` of these Gaussians to N(0, 1), summed over elements, in nats: `[N]`.
    public func gaussianDivergence(weight: Tensor) -> Tensor {
        precondition(channels % 2 == 0 && weight.shape == [shape[0]], "\(shape), \(weight.shape)")
        return one(.gaussianDivergence, [self, weight], [shape[0]])
    }

    /// Per sample, the ``EnergyScore`` of its draws and their squared error: `[N]`. Self is `[N·m, H, W, C]`.
    public func energyScore(_ score: EnergyScore, target: Tensor, energyWeight: Tensor, errorWeight: Tensor) -> Tensor {
        let samples = target.shape[0]
        precondition(
            shape == [samples * score.draws] + target.shape.dropFirst() && energyWeight.shape == [samples]
                && errorWeight.shape == [samples]
                && score.windows.allSatisfy { $0 == 0 || (shape[1] % $0 == 0 && shape[2] % $0 == 0) },
            "\(score) of \(shape), \(target.shape), \(energyWeight.shape), \(errorWeight.shape)")
        return one(.energyScore(score), [self, target, energyWeight, errorWeight], [samples])
    }

    /// Per sample, the negative log-likelihood of a mixture, nats a number: `[N]`. Self is `[N, H, W, K(C+1)+1]`.
    public func mixtureLikelihood(components: Int, target: Tensor, weight: Tensor) -> Tensor {
        precondition(
            shape == target.shape.dropLast() + [components * (target.channels + 1) + 1] && weight.shape == [shape[0]],
            "\(components) components of \(shape), \(target.shape), \(weight.shape)")
        return one(.mixtureLikelihood(components: components), [self, target, weight], [shape[0]])
    }

    /// Per sample, the squared error of an estimate and a term of the variational bound: `[N]`. Self is `[N, H, W, 2C]`,
    /// estimates and v; `terms` is `[N, 4]`, see ``Operation/variationalBound(held:)``.
    public func variationalBound(
        target: Tensor, x0: Tensor, terms: Tensor, errorWeight: Tensor, boundWeight: Tensor, held: Bool
    ) -> Tensor {
        precondition(
            shape == target.shape.dropLast() + [2 * target.channels] && x0.shape == target.shape
                && terms.shape == [shape[0], 4] && errorWeight.shape == [shape[0]] && boundWeight.shape == [shape[0]],
            "\(shape), \(target.shape), \(x0.shape), \(terms.shape), \(errorWeight.shape), \(boundWeight.shape)")
        return one(
            .variationalBound(held: held), [self, target, x0, terms, errorWeight, boundWeight], [shape[0]])
    }

    /// Per sample, `weight · (ln Σ_k e^(logit_k) − logit_label)`: `[N]`. Self is logits `[N, K]`; `label` and `weight` are
    /// `[N]`, labels whole numbers in 0 ..< K.
    public func softmaxCrossEntropy(label: Tensor, weight: Tensor) -> Tensor {
        precondition(
            shape.count == 2 && label.shape == [shape[0]] && weight.shape == [shape[0]],
            "\(shape), \(label.shape), \(weight.shape)")
        return one(.softmaxCrossEntropy, [self, label, weight], [shape[0]])
    }

    /// Element-wise sum.
    public static func + (a: Tensor, b: Tensor) -> Tensor {
        precondition(a.shape == b.shape, "\(a.shape) + \(b.shape)")
        return a.one(.add, [a, b], a.shape)
    }
}
