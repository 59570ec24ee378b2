import NeuralNetwork

extension DiffusionConfiguration {
    /// Why there can be no such scale, whatever the network, and what to set; nil where there can.
    public var scalesFault: String? {
        if !(1...scales ~= scale) {
            return "diffusion.scale is \(scale), wanted 1 ... \(scales), the number of diffusion.scales"
        }
        if scales == 1 { return nil }
        if timesteps % scales != 0 || timesteps < 2 * scales {
            let below = max(2, timesteps / scales) * scales
            return "diffusion.timesteps is \(timesteps), wanted a multiple of diffusion.scales, \(scales): \(below) or "
                + "\(below + scales)"
        }
        if samplingSteps < scales {
            return
                "diffusion.sampling_steps is \(samplingSteps), fewer than one for each of the \(scales) of diffusion.scales"
        }
        let faults: [(key: String, value: String, holds: Bool, way: String)] = [
            ("schedule", schedule.rawValue, schedule == .logSNR, "logsnr"),
            ("horizon", "\(horizon)", horizon == 0, "0"),
            ("prior", prior, priorPath == nil, "none"),
            ("shift", shift.rawValue, shift == .none, "none"),
            ("offset_noise", "\(offsetNoise)", offsetNoise == 0, "0"),
            ("timestep_sampling", timestepSampling.rawValue, timestepSampling == .uniform, "uniform"),
            ("energy_handover", "\(energyHandover)", energyHandover == 0, "0"),
            ("sampler", sampler.rawValue, sampler.noiseShare(self) != nil, "ddim or ancestral"),
            ("variance", variance.rawValue, variance == .small, "small"),
            ("spacing", spacing.rawValue, spacing == .linear, "linear"),
            ("respacing", respacing, respacing == Respacing.none, "none"),
        ]
        return faults.first { !$0.holds }.map {
            "diffusion.\($0.key) is \($0.value), which diffusion.scales \(scales) does not go with: set it to \($0.way)"
        }
    }

    /// Why `model` cannot be the network of this scale, and what to set; nil where it can.
    public func scalesFault(_ model: ModelConfiguration) -> String? {
        if scales == 1 { return nil }
        let many = "diffusion.scales is \(scales)"
        if model.isPoints { return "\(many), which is for images: set diffusion.scales=1" }
        if model.conditionChannels > 0 {
            return "\(many), and conditions have no scales: set model.condition_channels=0, or diffusion.scales=1"
        }
        if model.learnedVariance {
            return "\(many), which takes no learned variance: set model.learned_variance=false, or diffusion.scales=1"
        }
        let levels = scales - scale
        return model.size % (1 << levels) == 0
            ? nil
            : "\(many), so that scale \(scale) halves its images \(levels) \(levels == 1 ? "time" : "times"), but model.size is "
                + "\(model.size), which \(1 << levels) does not divide"
    }
}
