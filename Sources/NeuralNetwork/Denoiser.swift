import TensorGraph

/// The network from (x_t, t) to the output: each is a file, a case here, and the lines below that build it. The sizes lie
/// in `ModelConfiguration`, not in the case, so that keys can be given in any order.
public enum Backbone: String, Codable, CaseIterable, Sendable {
    /// The U-Net of DDPM (Ho et al. 2020).
    case ddpm
    /// The U-Net of ADM (Dhariwal and Nichol 2021).
    case adm

    /// What builds this network and an identifier of its kind.
    func parts(_ c: ModelConfiguration) -> BackboneParts {
        switch self {
        case .ddpm:
            BackboneParts(
                fault: { $0.fault(section: $1, size: c.size) },
                denoiser: { scope, x, condition, latent in
                    UNet(scope: scope, sizes: c.unet, hypernetLayers: c.hypernetLayers, classRows: c.classRows) {
                        c.lastLayer("final_conv", $0, $1)
                    }(x, condition, latent: latent)
                },
                identifier: { scope, x, condition in
                    UNet(scope: scope, sizes: c.identifier) { scope, x in
                        Convolution(scope / "final_conv", x.channels, c.latentDim, kernel: 1)(x)
                    }(x, condition)
                })
        case .adm:
            BackboneParts(
                fault: { $0.admFault(section: $1, size: c.size) },
                denoiser: { scope, x, condition, latent in
                    ADM(
                        scope: scope, sizes: c.unet, hypernetLayers: c.hypernetLayers, classRows: c.classRows
                    ) { scope, x in
                        c.mixtureHead?(scope, x)
                            ?? Convolution(
                                scope / "out.2", x.channels, c.outputChannels, kernel: 3, startsAtZero: true)(x)
                    }(x, condition, latent: latent)
                },
                // Its end must not start at zero: z would be the same for every η.
                identifier: { scope, x, condition in
                    ADM(scope: scope, sizes: c.admIdentifier) { scope, x in
                        Convolution(scope / "out.2", x.channels, c.latentDim, kernel: 3)(x)
                    }(x, condition)
                })
        }
    }
}

/// What a ``Backbone`` consists of.
struct BackboneParts {
    /// Why there can be no network of these sizes, if so; told the prefix of their keys.
    let fault: (UNetSizes, String) -> String?
    /// (scope, x, condition, latent if there is one) → output.
    let denoiser: (Scope, Tensor, Condition, Latent?) -> Tensor
    /// (scope, x and η side by side, condition) → one latent a pixel.
    let identifier: (Scope, Tensor, Condition) -> Tensor
}

/// What a network is told of a sample beside the image.
struct Condition {
    /// t, `[N]`.
    let timestep: Tensor
    /// The class, `[N]`, where the network takes it.
    var label: Tensor?
    /// Numbers that are the same for all pixels, `[N, E]`.
    var shared: Tensor?
    /// What decides which numbers are dropped, `[N, 4]`, where some are.
    var dropoutKey: Tensor?
    /// What was done to the image, `[N, 9]`, where that is told.
    var augmentation: Tensor?
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
    ///   - label: the class of each sample, `[N]`; needed where the network takes it.
    ///   - dropoutKey: what decides which numbers are dropped, `[N, 4]`; nil drops none.
    ///   - augmentation: what was done to each image, `[N, 9]`; needed where the network is told.
    ///   - imageCondition: y_t, the image that each sample is drawn from, `[N, H, W, C']`, which identifier and U-Net see
    ///     beside x_t; needed where the network takes it.
    ///   - draws: m, draws of the latent for each sample, which follow each other.
    /// - Returns: the output (an estimate of the objective's target), `[N·m, H, W, C]`, with a learned variance followed by
    ///   v, `[N·m, H, W, 2C]`, with an estimate for y_t followed by that, `[N·m, H, W, C + C']`, or what a ``MixtureHead`` says of it; and with SMD the latent map z.
    public func callAsFunction(
        _ x: Tensor, timestep: Tensor, eta: Eta?, selfCondition: Tensor?, label: Tensor? = nil,
        dropoutKey: Tensor? = nil, augmentation: Tensor? = nil, imageCondition: Tensor? = nil, draws: Int = 1
    ) -> (output: Tensor, z: Tensor?) {
        let c = configuration
        precondition(
            (imageCondition?.channels ?? 0) == c.conditionChannels, "a network of \(c.conditionChannels) channels")
        let x = imageCondition.map { x.concatenated(with: $0) } ?? x
        let parts = c.backbone.parts(c)
        let (xs, timesteps) = (x.repeatedSamples(draws), timestep.repeatedSamples(draws))
        var z: Tensor?
        if c.smd {
            guard let eta else { preconditionFailure("SMD needs η") }
            // g_ξ: a small network on (x_t, η) whose output is one latent per pixel.
            z = parts.identifier(
                Scope(x.graph, "identifier"), xs.concatenated(with: eta.pixels),
                Condition(timestep: timesteps, shared: eta.shared))
        }
        let isShared = c.smd && c.latentAt == .output
        var input = isShared ? x : xs
        if c.selfCondition {
            guard let selfCondition else { preconditionFailure("self-conditioning needs an estimate of x0") }
            let estimate = isShared ? selfCondition : selfCondition.repeatedSamples(draws)
            input = estimate.concatenated(with: input)
        }
        let latent = z.map { Latent(z: $0, draws: isShared ? draws : 1, entersAtInput: !isShared) }
        let condition = Condition(
            timestep: isShared ? timestep : timesteps, label: isShared ? label : label?.repeatedSamples(draws),
            dropoutKey: isShared ? dropoutKey : dropoutKey?.repeatedSamples(draws),
            augmentation: isShared ? augmentation : augmentation?.repeatedSamples(draws))
        return (parts.denoiser(Scope(x.graph, "model"), input, condition, latent), z)
    }
}
