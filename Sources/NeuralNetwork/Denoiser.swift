import TensorGraph

/// The network from (x_t, t) to the output: each is a file, a case here, and the line below that builds it. The sizes lie
/// in `ModelConfiguration`, not in the case, so that keys can be given in any order.
public enum Backbone: String, Codable, CaseIterable, Sendable {
    /// The U-Net of DDPM (Ho et al. 2020).
    case ddpm

    /// Why there can be no such network, if so; and what adds it to a graph: (scope, x, t, z if there is one) → output.
    func network(_ c: ModelConfiguration) -> (fault: String?, add: (Scope, Tensor, Tensor, Tensor?) -> Tensor) {
        switch self {
        case .ddpm:
            (
                fault: c.unet.fault(section: "model", size: c.size),
                add: { scope, x, t, z in
                    UNet(scope: scope, sizes: c.unet, outputs: c.channels, hypernetLayers: c.hypernetLayers)(
                        x, timestep: t, z: z)
                }
            )
        }
    }
}

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
        return (c.backbone.network(c).add(Scope(x.graph, "model"), input, timestep, z), z)
    }
}
