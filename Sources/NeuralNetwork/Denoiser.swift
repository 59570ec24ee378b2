import TensorGraph

/// The network from (x_t, t) to the output: each is a file, a case here, and the line below that builds it. The sizes lie
/// in `ModelConfiguration`, not in the case, so that keys can be given in any order.
public enum Backbone: String, Codable, CaseIterable, Sendable {
    /// The U-Net of DDPM (Ho et al. 2020).
    case ddpm

    /// Why there can be no such network, if so; and what adds it to a graph: (scope, x, t, latent if there is one) → output.
    func network(_ c: ModelConfiguration) -> (fault: String?, add: (Scope, Tensor, Tensor, Latent?) -> Tensor) {
        switch self {
        case .ddpm:
            (
                fault: c.unet.fault(section: "model", size: c.size),
                add: { scope, x, t, latent in
                    UNet(scope: scope, sizes: c.unet, hypernetLayers: c.hypernetLayers) { scope, x in
                        c.mixtureHead?(scope, x)
                            ?? Convolution(scope / "final_conv", x.channels, c.channels, kernel: 1)(x)
                    }(x, timestep: t, latent: latent)
                }
            )
        }
    }
}

/// η as a network takes it.
public struct Eta {
    /// `[N, H, W, C]`.
    public let pixels: Tensor
    /// Numbers that all pixels share, `[N, E]`.
    public let shared: Tensor?

    public init(pixels: Tensor, shared: Tensor? = nil) {
        self.pixels = pixels
        self.shared = shared
    }
}

/// A latent map on its way into a backbone.
struct Latent {
    /// z, `[N·m, H, W, latent]`.
    let z: Tensor
    /// m: how often each sample of x is repeated before the end, for as many draws; 1 where x is repeated already.
    let draws: Int
    /// Whether it is added to the first activations, too.
    let entersAtInput: Bool
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
    ///   - eta: η of N·m samples; needed with SMD.
    ///   - selfCondition: the network's earlier estimate of x0, `[N, H, W, C]`; needed with self-conditioning.
    ///   - draws: m, draws of the latent for each sample, which follow each other.
    /// - Returns: the output (an estimate of the objective's target), `[N·m, H, W, C]`, or what a ``MixtureHead`` says of
    ///   it; and with SMD the latent map z.
    public func callAsFunction(
        _ x: Tensor, timestep: Tensor, eta: Eta?, selfCondition: Tensor?, draws: Int = 1
    ) -> (output: Tensor, z: Tensor?) {
        let c = configuration
        let (xs, timesteps) = (x.repeatedSamples(draws), timestep.repeatedSamples(draws))
        var z: Tensor?
        if c.smd {
            guard let eta else { preconditionFailure("SMD needs η") }
            // g_ξ: a small U-Net on (x_t, η) whose output is one latent per pixel.
            let identifier = UNet(scope: Scope(x.graph, "identifier"), sizes: c.identifier) { scope, x in
                Convolution(scope / "final_conv", x.channels, c.latentDim, kernel: 1)(x)
            }
            z = identifier(xs.concatenated(with: eta.pixels), timestep: timesteps, shared: eta.shared)
        }
        let isShared = c.smd && c.latentAt == .output
        var input = isShared ? x : xs
        if c.selfCondition {
            guard let selfCondition else { preconditionFailure("self-conditioning needs an estimate of x0") }
            let estimate = isShared ? selfCondition : selfCondition.repeatedSamples(draws)
            input = estimate.concatenated(with: input)
        }
        let latent = z.map { Latent(z: $0, draws: isShared ? draws : 1, entersAtInput: !isShared) }
        let network = c.backbone.network(c).add
        return (network(Scope(x.graph, "model"), input, isShared ? timestep : timesteps, latent), z)
    }
}
