import TensorGraph

/// The denoising network: μ_{θ ∪ f_φ(z)}(x_t, t) with z = g_ξ(η, x_t, t), or the vanilla U-Net when SMD is off.
public struct Denoiser {
    /// Sizes and switches.
    public let configuration: ModelConfiguration

    /// The network that `configuration` describes.
    public init(_ configuration: ModelConfiguration) {
        self.configuration = configuration
    }

    /// Adds the network to the graph of its arguments.
    ///
    /// - Parameters:
    ///   - x: x_t, `[N, H, W, C]`.
    ///   - timestep: t, `[N]`, in 0 ..< timesteps.
    ///   - eta: η, `[N, H, W, C]`; needed with SMD.
    ///   - selfCondition: the network's earlier estimate of x0, `[N, H, W, C]`; needed with self-conditioning.
    /// - Returns: the output (an estimate of the objective's target), `[N, H, W, C]`, and with SMD the latent map z.
    public func callAsFunction(
        _ x: Tensor, timestep: Tensor, eta: Tensor?, selfCondition: Tensor?
    ) -> (output: Tensor, z: Tensor?) {
        let c = configuration
        var z: Tensor?
        if c.smd {
            guard let eta else { preconditionFailure("SMD needs η") }
            // g_ξ: a small U-Net on (x_t, η) whose output is one latent per pixel.
            let identifier = UNet(scope: Scope(x.graph, "identifier"), sizes: c.identifier, outputs: c.latentDim)
            z = identifier(x.concatenated(with: eta), timestep: timestep)
        }
        var input = x
        if c.selfCondition {
            guard let selfCondition else { preconditionFailure("self-conditioning needs an estimate of x0") }
            input = selfCondition.concatenated(with: x)
        }
        switch c.backbone {
        case .ddpm(let sizes):
            let unet = UNet(
                scope: Scope(x.graph, "model"), sizes: sizes, outputs: c.channels, hypernetLayers: c.hypernetLayers)
            return (unet(input, timestep: timestep, z: z), z)
        }
    }
}

/// The graphs of a denoiser for a fixed batch: one for training, one for inference.
public struct DenoiserGraph {
    /// The graph; its inputs are `x`, `timestep`, and where the model needs them `eta` and `self_condition`; a training
    /// graph has `target` and `weight` too. Results: `output`; `loss` `[N]` of a training graph; `z` of inference with SMD.
    public let graph: Graph

    /// A forward pass over `batch` samples, to be run in `precision`.
    public static func inference(
        _ configuration: ModelConfiguration, batch: Int, precision: Precision = .fp32, fused: Bool = true
    ) -> DenoiserGraph {
        let (graph, _, z) = forward(configuration, batch: batch)
        if let z { graph.keep(z, as: "z") }
        if fused { graph.fuse(for: precision) }
        return DenoiserGraph(graph: graph)
    }

    /// A forward and backward pass over `batch` samples, to be run in `precision`.
    ///
    /// - Parameter lossScale: the loss that is differentiated is `lossScale · Σ_n loss[n]`; 1 / (global batch) makes
    ///   the gradients of all micro-batches and ranks add up to that of the mean. `recomputed` and `fused` are turned
    ///   off only to compare with.
    public static func training(
        _ configuration: ModelConfiguration, batch: Int, lossScale: Float, precision: Precision = .fp32,
        fused: Bool = true, recomputed: Bool = true
    ) -> DenoiserGraph {
        let (graph, output, _) = forward(configuration, batch: batch)
        let target = graph.input("target", output.shape)
        let weight = graph.input("weight", [batch])
        let loss = output.weightedSquaredError(target: target, weight: weight)
        graph.keep(loss, as: "loss")
        if fused { graph.fuse(for: precision) }
        graph.differentiate(loss: loss, scale: lossScale)
        if recomputed { graph.recomputeNorms() }
        return DenoiserGraph(graph: graph)
    }

    private static func forward(_ c: ModelConfiguration, batch: Int) -> (Graph, output: Tensor, z: Tensor?) {
        let graph = Graph()
        let shape = [batch, c.size, c.size, c.channels]
        let (output, z) = Denoiser(c)(
            graph.input("x", shape), timestep: graph.input("timestep", [batch]),
            eta: c.smd ? graph.input("eta", shape) : nil,
            selfCondition: c.selfCondition ? graph.input("self_condition", shape) : nil)
        graph.keep(output, as: "output")
        return (graph, output, z)
    }
}
