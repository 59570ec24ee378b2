import TensorGraph

/// Tells samples of the data from those of a generator, both with the same noise: a ``Classifier`` of two classes on x with
/// its t (Goodfellow et al. 2014; told t as by Xiao et al. 2022).
public struct Discriminator {
    /// The network's name in a run, and what the names of its parameters begin with.
    public static let name = "discriminator"
    /// The class of a generator's samples.
    public static let generated: Float = 0
    /// The class of the data's.
    public static let real: Float = 1

    private let classifier: Classifier

    /// One that judges samples of `model`, with `dim` channels in its first stage; 0: as many as `model` has.
    public init(of model: ModelConfiguration, dim: Int) {
        classifier = Classifier(Self.sizes(model, dim), name: Self.name)
    }

    /// Adds the network to the graph of its arguments. All calls in a graph share the parameters.
    ///
    /// - Parameters:
    ///   - x: samples, `[N, H, W, C]`.
    ///   - other: what it is shown beside them, of the same shape; nil for nothing.
    ///   - timestep: t, `[N]`.
    /// - Returns: the logits of the two classes, `[N, 2]`.
    public func callAsFunction(_ x: Tensor, beside other: Tensor? = nil, timestep: Tensor) -> Tensor {
        classifier(other.map { x.concatenated(with: $0) } ?? x, timestep: timestep).logits
    }

    /// Why there can be none with `dim` channels for samples of `model`; nil where there can.
    public static func fault(_ model: ModelConfiguration, dim: Int) -> String? {
        let sizes = sizes(model, dim).unet
        guard sizes.dim < 4 || !sizes.dim.isMultiple(of: 2) || !sizes.dim.isMultiple(of: sizes.groups) else {
            return nil
        }
        return
            "adversary.dim is \(dim), wanted an even number from 4 on that model.groups, \(sizes.groups), divides, or 0 "
            + "for that of the network: set adversary.dim=0"
    }

    private static func sizes(_ model: ModelConfiguration, _ dim: Int) -> ModelConfiguration {
        var sizes = model
        sizes.classes = 2
        if dim > 0 { sizes.unet.dim = dim }
        return sizes
    }
}

/// Tells x_t from x' and t, but for a multiple of x': a ``UNet`` whose last layer starts at 0.
public struct Regressor {
    /// The network's name in a run, and what the names of its parameters begin with.
    public static let name = "regressor"

    private let sizes: UNetSizes

    /// One for samples of `model`, with `dim` channels in its first stage; 0: as many as `model` has.
    public init(of model: ModelConfiguration, dim: Int) {
        var sizes = model.unet
        if dim > 0 { sizes.dim = dim }
        self.sizes = sizes
    }

    /// Adds the network to the graph of its arguments: `[N, H, W, C] → [N, H, W, C]`.
    public func callAsFunction(_ x: Tensor, timestep: Tensor) -> Tensor {
        UNet(scope: Scope(x.graph, Self.name), sizes: sizes) { scope, features in
            Convolution(scope / "final_conv", features.channels, x.channels, kernel: 1, startsAtZero: true)(features)
        }(x, Condition(timestep: timestep))
    }
}
