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
            z = identifier(x.graph)(x.concatenated(with: eta), timestep: timestep)
        }
        var input = x
        if c.selfCondition {
            guard let selfCondition else { preconditionFailure("self-conditioning needs an estimate of x0") }
            input = selfCondition.concatenated(with: x)
        }
        return (unet(x.graph)(input, timestep: timestep, z: z), z)
    }

    private func unet(_ graph: Graph) -> UNet {
        let c = configuration
        return UNet(
            Scope(graph, "model"),
            UNet.Sizes(
                inputs: c.channels * (c.selfCondition ? 2 : 1), outputs: c.channels, dim: c.dim, dimMults: c.dimMults,
                fullAttention: c.fullAttention.isEmpty ? c.dimMults.map { _ in false } : c.fullAttention,
                groups: c.groups, heads: c.heads, headDim: c.headDim,
                hypernet: c.smd ? (c.latentDim, c.hypernetLayers) : nil))
    }

    /// g_ξ: a small U-Net on (x_t, η) whose output is one latent per pixel.
    private func identifier(_ graph: Graph) -> UNet {
        let (c, i) = (configuration, configuration.identifier)
        return UNet(
            Scope(graph, "identifier"),
            UNet.Sizes(
                inputs: 2 * c.channels, outputs: c.latentDim, dim: i.dim, dimMults: i.dimMults,
                fullAttention: i.dimMults.map { _ in false }, groups: i.groups, heads: i.heads, headDim: i.headDim,
                hypernet: nil))
    }
}
