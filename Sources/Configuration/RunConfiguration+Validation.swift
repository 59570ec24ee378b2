import Diffusion
import Files
import NeuralNetwork

extension RunConfiguration {
    /// Refuses values that no run can use. Whether the batch divides is a question for `validate(ranks:)`.
    ///
    /// - Throws: `ConfigurationError`: the key, its value and what is wanted.
    public func validate() throws {
        try require(
            !data.isEmpty || method == .dds, "data",
            "is not set, wanted the path of a data set: data: fashion-mnist.h5")
        try require(data.unicodeScalars.allSatisfy(\.isPrintable), "data", "holds a control character")
        try requireRanges(
            of: ConfigurationKey.run + ConfigurationKey.condition + ConfigurationKey.adversary
                + ConfigurationKey.classifier + ConfigurationKey.autoencoder + ConfigurationKey.density
                + ConfigurationKey.optimizer + ConfigurationKey.ema)
        try require(
            learningRateDecay == .constant || learningRateEnd <= learningRate, "learning_rate_end",
            "is \(learningRateEnd), above the \(learningRate) of learning_rate that it is a decay from")
        try diffusion.validate()
        try validateModel()
        try require(
            diffusion.variance != .optimal, "diffusion.variance",
            "is optimal, which is measured of a checkpoint: train with small, then smd evaluate variance, and give "
                + "smd sample --set diffusion.variance=optimal")
        try requireSampling()
        try requireAverages()
        if method == .diffusion, let fault = diffusion.loss.fault(model, diffusion) { throw ConfigurationError(fault) }
        if method == .diffusion, let fault = diffusion.shift.fault(model) ?? diffusion.shiftFault(model) {
            throw ConfigurationError(fault)
        }
        if method == .diffusion, let fault = diffusion.conditionFault(model) { throw ConfigurationError(fault) }
        if method == .diffusion, let fault = diffusion.scalesFault(model) { throw ConfigurationError(fault) }
        try require(
            diffusion.scales == 1 || crop == .none, "crop",
            "is random, but diffusion.scales is \(diffusion.scales), whose images are whole ones: crop=none")
        try require(
            !isShifted || crop == .none, "crop",
            "is random, but diffusion.shift moves towards means of whole images: crop=none")
        if method != .diffusion { try requirePlain() }
        if method == .dds { try requireDensity() }
        if method != .autoencoder {
            try require(
                model.classes != 1, "model.classes",
                "is 1, wanted 2 or more, or 0: \(method == .classifier ? "those of the data set's labels" : "none")")
        }
        try require(
            method != .autoencoder || autoencoder.sizes.kind == .kl, "autoencoder.kind",
            "is tiny, which is used as smd checkpoint import makes it, not trained: autoencoder.kind=kl")
        if method == .autoencoder, let fault = autoencoder.sizes.fault(size: model.size) {
            throw ConfigurationError(fault)
        }
        try requireMemoryInReach()
    }

    /// Refuses sizes that the network of ``method`` cannot have.
    ///
    /// - Throws: `ConfigurationError`, as ``ModelConfiguration/validate()``.
    public func validateModel() throws {
        guard method == .dds else { return try model.validate() }
        // The drift of paths is no denoiser: of its sizes only those of a point count.
        try requireRanges(of: ConfigurationKey.model.filter { $0.counts(in: model) } + ConfigurationKey.density)
        try require(paths.width.isMultiple(of: 2), "dds.width", "is \(paths.width), wanted an even number")
        try require(model.isPoints, "model.size", "is \(model.size), but a density is one of points: model.size=1")
    }

    /// Refuses what paths towards a density know nothing of, and a density that is none.
    private func requireDensity() throws {
        try require(
            data.isEmpty, "data", "is \(data), but method dds draws from a density and has no data: leave it out")
        try require(
            target.kind.isOfFile == (target.path != nil), "target.file",
            target.kind.isOfFile
                ? "is none, wanted the file of the \(target.kind.rawValue): target.file=FILE"
                : "is \(target.file), but target.kind is \(target.kind.rawValue), of no file: target.file=none")
        let (dimension, kind) = (model.channels, target.kind)
        try require(
            kind != .gaussians || dimension == 2, "model.channels",
            "is \(dimension), but target.kind gaussians is of the plane: model.channels=2")
        try require(
            kind != .funnel || dimension > 1, "model.channels",
            "is 1, but a funnel has 2 dimensions or more: model.channels=10")
        try require(
            microBatchSize > 1, "micro_batch_size",
            "is \(microBatchSize), but each path is compared with the others of its micro-batch: micro_batch_size=128")
        try require(
            spikeFactor == 0, "spike_factor",
            "is \(spikeFactor), but the loss of method dds may be below 0, and has no usual size: spike_factor=0")
        try require(model.classes == 0, "model.classes", "is \(model.classes), but a density has none: model.classes=0")
        try require(crop == .none, "crop", "is random, but a density has no images: crop=none")
        try require(
            firstStagePath == nil, "first_stage", "is \(firstStage), but a density has no latents: leave it out")
    }

    /// Refuses what no run on this many ranks and threads can use: `validate()`, and a batch that does not divide.
    ///
    /// - Throws: `ConfigurationError`; for the batch it names the nearest sizes and rank counts that fit.
    public func validate(ranks: Int, threads: Int = 1) throws {
        try validate()
        _ = try batchPlan(ranks: ranks, threads: threads)
    }

    /// Refuses a learned variance of a network that has none, and guidance of one that cannot be guided.
    public func requireSampling() throws {
        try require(
            diffusion.variance != .learned || model.learnedVariance, "diffusion.variance",
            "is learned, but the network says nothing of it: set diffusion.variance=small, or train with "
                + "model.learned_variance=true")
        if let fault = diffusion.guidance.fault(model) { throw ConfigurationError(fault) }
        if method == .diffusion, diffusion.loss == .adversarial, let fault = Adversarial.samplerFault(diffusion) {
            throw ConfigurationError(fault)
        }
    }

    /// Refuses a width twice, more of them than a checkpoint should hold, and snapshots of nothing.
    private func requireAverages() throws {
        let widths = ema.widths
        try require(
            Set(widths).count == widths.count && widths.count <= EMAConfiguration.mostWidths, "ema.widths",
            "is \(widths), wanted at most \(EMAConfiguration.mostWidths) different widths")
        try require(
            ema.snapshotEvery == 0 || !widths.isEmpty, "ema.snapshot_every",
            "is \(ema.snapshotEvery), but there are no averages to keep: ema.widths=0.05,0.1 as well")
    }

    /// Refuses what only a diffusion has.
    private func requirePlain() throws {
        let what = (networkName == "autoencoder" ? "an " : "a ") + networkName
        try require(!model.smd, "model.smd", "is true, but \(what) has no mixture: model.smd=false")
        try require(
            model.backbone == .ddpm, "model.backbone",
            "is \(model.backbone.rawValue), but \(what) has no such backbone: model.backbone=ddpm")
        try require(
            !model.learnedVariance, "model.learned_variance",
            "is true, but \(what) has no steps: model.learned_variance=false")
        try require(
            model.labelDropout == 0, "model.label_dropout",
            "is \(model.labelDropout), but \(what) is told no classes: model.label_dropout=0")
        try require(
            model.augment == 0, "model.augment",
            "is \(model.augment), but \(what) is told of no augmentation: model.augment=0")
        try require(
            model.conditionChannels == 0, "model.condition_channels",
            "is \(model.conditionChannels), but \(what) is shown no conditions: model.condition_channels=0")
        try require(
            diffusion.conditionSpeed == 0, "condition.speed",
            "is \(diffusion.conditionSpeed), but \(what) is shown no conditions: condition.speed=0")
        try require(
            diffusion.scales == 1, "diffusion.scales",
            "is \(diffusion.scales), but \(what) has one scale: diffusion.scales=1")
        try require(
            !model.selfCondition, "model.self_condition",
            "is true, but \(what) estimates no x0: model.self_condition=false")
    }

    /// One feature map of the widest stage at full resolution, the micro-batch included, is under 2^36 numbers.
    /// Far above any real run; it keeps later products of sizes within 64 bits.
    private func requireMemoryInReach() throws {
        let images = microBatchSize == 0 ? min(batchSize, automaticMicroBatchLimit) : microBatchSize
        let widths =
            switch method {
            case .autoencoder: autoencoder.sizes.channels
            case .dds: [2 * paths.width]
            case .diffusion, .classifier: model.unet.channels
            }
        let widest = widths.max() ?? 1
        var product = 1
        for factor in [images, method == .dds ? 1 : diffusion.loss.draws(diffusion), model.size, model.size, widest] {
            let (next, overflow) = product.multipliedReportingOverflow(by: factor)
            product = overflow ? Int.max : next
        }
        try require(
            product < 1 << 36, "micro_batch_size",
            "\(images) × model.size \(model.size)² × \(widest) channels is \(product) numbers in one feature map, "
                + "wanted under \(1 << 36): make one of them smaller")
    }
}

extension RunConfiguration {
    /// Refuses a value outside the range of its key.
    func requireRanges(of keys: [ConfigurationKey]) throws {
        for key in keys {
            guard let problem = key.value.problem(self) else { continue }
            throw ConfigurationError("\(key.name) \(problem)")
        }
    }
}

extension ModelConfiguration {
    /// Refuses sizes that no network can have. The identifier and the hypernetworks count only where `smd` is true.
    ///
    /// - Throws: `ConfigurationError`: the key, its value and what would fit.
    public func validate() throws {
        var run = RunConfiguration()
        run.model = self
        try run.requireRanges(of: ConfigurationKey.model.filter { $0.counts(in: self) })
        if let fault { throw ConfigurationError(fault) }
    }
}

extension DiffusionConfiguration {
    /// Refuses values that no diffusion can have.
    ///
    /// - Throws: `ConfigurationError`: the key, its value and what is possible.
    public func validate() throws {
        var run = RunConfiguration()
        run.diffusion = self
        try run.requireRanges(of: ConfigurationKey.diffusion)
        try require(
            schedule != .linear || timesteps > 20, "diffusion.timesteps",
            "is \(timesteps); the linear schedule needs more than 20, because its last beta is 20/timesteps and must "
                + "stay below 1: use more timesteps, or schedule cosine or sigmoid")
        try require(
            dataDeviation == 0 || !minSNR, "diffusion.sigma_data",
            "is \(dataDeviation), and diffusion.min_snr is true: two weights of one loss; set one of them")
        try require(
            betaStart <= betaEnd, "diffusion.beta_end",
            "is \(betaEnd), below diffusion.beta_start, \(betaStart)")
        try require(
            logSNRMin < logSNRMax, "diffusion.logsnr_min",
            "is \(logSNRMin), not below diffusion.logsnr_max, \(logSNRMax)")
        try require(
            horizon <= timesteps, "diffusion.horizon",
            "is \(horizon), beyond diffusion.timesteps, \(timesteps); 0 stands for all of them")
        try require(
            horizon == 0 || timestepSampling != .lossSecondMoment, "diffusion.timestep_sampling",
            "is loss_second_moment, which draws from all timesteps: set diffusion.horizon=0, or another")
        if let scalesFault { throw ConfigurationError(scalesFault) }
        if let samplerFault { throw ConfigurationError(samplerFault) }
        if let respacingFault { throw ConfigurationError("diffusion.respacing \(respacingFault)") }
        try require(
            (1...reach).contains(samplingSteps), "diffusion.sampling_steps",
            "is \(samplingSteps); it must be in 1 ... \(reach) (diffusion.\(horizon == 0 ? "timesteps" : "horizon"))")
    }
}

/// Throws unless `condition` holds: "key problem".
func require(_ condition: Bool, _ key: String, _ problem: @autoclosure () -> String) throws {
    guard condition else { throw ConfigurationError("\(key) \(problem())") }
}
