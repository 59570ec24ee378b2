import Configuration
import Diffusion
import NeuralNetwork

/// The `config` of a reference file: the network and the diffusion.
struct CaseConfiguration: Decodable {
    var model = ModelConfiguration()
    var diffusion = DiffusionConfiguration()
    /// Images are stored in [0, 1] and scaled to [−1, 1].
    var normalize: Bool
    /// DDIM's number of steps; all when it is not given.
    var samplingTimesteps: Int?

    private enum Key: String, CodingKey {
        case dim, channels, dimMults = "dim_mults", fullAttention = "full_attention"
        case selfCondition = "self_condition", smd, latentDim = "latent_dim", hypernetLayers = "hypernet_layers"
        case groups, heads, headDim = "head_dim", identifier, size
        case timesteps, objective, schedule, minSNR = "min_snr", normalize
        case samplingTimesteps = "sampling_timesteps", ddimEta = "ddim_eta"
        case backbone, blocks = "num_res_blocks", attentionSizes = "attention_resolutions"
        case headChannels = "num_head_channels", headNumber = "num_heads", headsUp = "num_heads_upsample"
        case scaleShift = "use_scale_shift_norm", residualResampling = "resblock_updown"
        case convolutionResampling = "conv_resample", partsFirst = "use_new_attention_order"
        case classes = "num_classes", learnedVariance = "learn_sigma", loss, respacing
        case rescaleVariance = "rescale_learned_sigmas", rescaleTimesteps = "rescale_timesteps"
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        model.channels = try values.decode(Int.self, forKey: .channels)
        model.backbone = try values.decodeIfPresent(Backbone.self, forKey: .backbone) ?? .ddpm
        try Self.read(&model.unet, values, model.backbone)
        model.selfCondition = try values.decodeIfPresent(Bool.self, forKey: .selfCondition) ?? false
        model.smd = try values.decode(Bool.self, forKey: .smd)
        model.size = try values.decode(Int.self, forKey: .size)
        if model.smd {
            model.latentDim = try values.decode(Int.self, forKey: .latentDim)
            model.hypernetLayers = try values.decode(Int.self, forKey: .hypernetLayers)
            let identifier = try values.nestedContainer(keyedBy: Key.self, forKey: .identifier)
            try Self.read(&model.identifier, identifier, model.backbone)
        }
        diffusion.timesteps = try values.decode(Int.self, forKey: .timesteps)
        diffusion.objective = try values.decode(Objective.self, forKey: .objective)
        diffusion.schedule = try values.decode(ScheduleKind.self, forKey: .schedule)
        diffusion.minSNR = try values.decodeIfPresent(Bool.self, forKey: .minSNR) ?? false
        diffusion.ddimEta = try values.decodeIfPresent(Double.self, forKey: .ddimEta) ?? 0
        normalize = try values.decode(Bool.self, forKey: .normalize)
        samplingTimesteps = try values.decodeIfPresent(Int.self, forKey: .samplingTimesteps)
        if model.backbone == .adm { try readADM(values) }
    }

    /// What only cases of ADM have.
    private mutating func readADM(_ values: KeyedDecodingContainer<Key>) throws {
        model.classes = try values.decodeIfPresent(Int.self, forKey: .classes) ?? 0
        model.learnedVariance = try values.decode(Bool.self, forKey: .learnedVariance)
        switch try values.decode(String.self, forKey: .loss) {
        case "mse": diffusion.loss = .squaredError
        case "hybrid": diffusion.loss = .hybrid
        case "vlb": diffusion.loss = .variational
        case let word:
            throw DecodingError.dataCorruptedError(
                forKey: .loss, in: values, debugDescription: "it is '\(word)'; mse, hybrid and vlb are known")
        }
        if try values.decode(Bool.self, forKey: .rescaleVariance) {
            diffusion.boundWeight = Double(diffusion.timesteps) / 1000
        }
        diffusion.respacing = try values.decodeIfPresent(String.self, forKey: .respacing) ?? Respacing.none
        if model.learnedVariance { diffusion.variance = .learned }
        if try values.decode(Bool.self, forKey: .rescaleTimesteps) {
            model.timeScale = 1000 / Double(diffusion.timesteps)
        }
    }

    private static func read(
        _ unet: inout UNetSizes, _ values: KeyedDecodingContainer<Key>, _ backbone: Backbone
    ) throws {
        unet.dim = try values.decode(Int.self, forKey: .dim)
        unet.dimMults = try values.decode([Int].self, forKey: .dimMults)
        unet.fullAttention = try values.decodeIfPresent([Bool].self, forKey: .fullAttention) ?? []
        unet.groups = try values.decode(Int.self, forKey: .groups)
        guard backbone == .ddpm else { return try readADM(&unet, values) }
        unet.heads = try values.decode(Int.self, forKey: .heads)
        unet.headDim = try values.decode(Int.self, forKey: .headDim)
    }

    private static func readADM(_ unet: inout UNetSizes, _ values: KeyedDecodingContainer<Key>) throws {
        unet.headDim = try values.decodeIfPresent(Int.self, forKey: .headChannels) ?? 0
        unet.heads = try values.decodeIfPresent(Int.self, forKey: .headNumber) ?? 1
        unet.adm.blocks = try values.decode(Int.self, forKey: .blocks)
        unet.adm.attentionSizes = try values.decode([Int].self, forKey: .attentionSizes)
        unet.adm.headsUp = try values.decodeIfPresent(Int.self, forKey: .headsUp) ?? 0
        unet.adm.scaleShift = try values.decode(Bool.self, forKey: .scaleShift)
        unet.adm.headsFirst = try !values.decode(Bool.self, forKey: .partsFirst)
        if try values.decode(Bool.self, forKey: .residualResampling) {
            unet.adm.resampling = .block
        } else {
            unet.adm.resampling = try values.decode(Bool.self, forKey: .convolutionResampling) ? .convolution : .plain
        }
    }

    /// What no network can be built from, or nil.
    var fault: String? {
        let steps = samplingTimesteps ?? diffusion.timesteps
        // Not DiffusionConfiguration's own check: a case may hold a schedule that no training can use.
        if !(1...100_000 ~= diffusion.timesteps) { return "timesteps is \(diffusion.timesteps), wanted 1 to 100000" }
        if !(1...diffusion.timesteps ~= steps) { return "sampling_timesteps is \(steps) of \(diffusion.timesteps)" }
        if let fault = diffusion.respacingFault { return "respacing \(fault)" }
        do {
            try model.validate()
            return nil
        } catch {
            return "\(error)"
        }
    }
}

/// The `optimizer` of a reference file: Adam (Kingma and Ba 2015), clipping, and the moving average.
struct CaseOptimizer: Decodable {
    /// `adam`; with `adamw` the weight decay is applied to the parameters, not to the gradient.
    var kind: String
    var learningRate: Double
    var beta1: Double
    var beta2: Double
    var epsilon: Double
    var weightDecay: Double
    /// Largest global gradient norm; nil or 0 for any.
    var clipNorm: Double?
    var emaDecay: Double
    /// Steps between two updates of the average.
    var emaEvery: Int
    /// Training steps in the file.
    var steps: Int?

    private enum Key: String, CodingKey {
        case kind, beta1, beta2, steps
        case learningRate = "lr", epsilon = "eps", weightDecay = "weight_decay", clipNorm = "clip_norm"
        case emaDecay = "ema_decay", emaEvery = "ema_every"
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        kind = try values.decodeIfPresent(String.self, forKey: .kind) ?? "adam"
        learningRate = try values.decode(Double.self, forKey: .learningRate)
        beta1 = try values.decode(Double.self, forKey: .beta1)
        beta2 = try values.decode(Double.self, forKey: .beta2)
        epsilon = try values.decode(Double.self, forKey: .epsilon)
        weightDecay = try values.decodeIfPresent(Double.self, forKey: .weightDecay) ?? 0
        clipNorm = try values.decodeIfPresent(Double.self, forKey: .clipNorm)
        emaDecay = try values.decode(Double.self, forKey: .emaDecay)
        emaEvery = try values.decodeIfPresent(Int.self, forKey: .emaEvery) ?? 1
        steps = try values.decodeIfPresent(Int.self, forKey: .steps)
    }

    /// What cannot be run, or nil.
    var fault: String? {
        if !["adam", "adamw"].contains(kind) { return "kind is '\(kind)'; only adam and adamw are known" }
        if emaEvery < 1 { return "ema_every is \(emaEvery)" }
        return nil
    }
}
