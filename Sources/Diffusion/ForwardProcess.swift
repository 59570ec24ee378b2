import NeuralNetwork

/// The forward process, and what the network is asked at x_t (Ho et al. 2020, equation 4). Axes: N samples, each of H·W·C
/// elements, channels last.
public struct ForwardProcess: Sendable {
    /// ᾱ and its relatives.
    public let schedule: NoiseSchedule
    /// What the output estimates.
    public let objective: Objective
    /// Limit of the signal-to-noise ratio in the weight, if any.
    public let signalToNoiseLimit: Double?
    /// Deviation of the data in EDM's weight; 0: not that weight.
    public let dataDeviation: Double
    /// Sums of the probabilities of the timesteps, where they are not equally likely.
    private let cumulative: [Double]?
    /// What the loss at each timestep is multiplied by, where that is to make up for how often it is drawn.
    public let timestepWeights: [Double]?
    /// Timesteps that are drawn.
    private let drawnTimesteps: Range<Int>
    /// The scale of a multi-scale diffusion that it is of; nil where there is one alone. ``schedule`` is then that of d_n.
    public let scales: HaarScales?
    /// Standard deviation of the noise that a channel's pixels share.
    public private(set) var offsetNoise: Double

    /// How fast conditions are noised: κ.
    public let conditionSpeed: Double

    /// The same without offset noise: what a sampler runs backwards, and networks are measured on.
    public var withoutOffsetNoise: ForwardProcess {
        var process = self
        process.offsetNoise = 0
        return process
    }

    /// The process that `configuration` describes.
    ///
    /// - Parameter model: the network, whose size and channels a scale needs.
    public init(_ configuration: DiffusionConfiguration, _ model: ModelConfiguration? = nil) {
        precondition(configuration.scales == 1 || model != nil, "a scale without a network's size")
        schedule = NoiseSchedule(configuration)
        scales = model.flatMap { HaarScales(configuration, $0) }
        drawnTimesteps = scales?.timesteps ?? 0..<configuration.reach
        let drawn = schedule.truncated(to: configuration.reach)
        objective = configuration.objective
        conditionSpeed = configuration.conditionSpeed
        signalToNoiseLimit = configuration.minSNR ? 5 : nil
        dataDeviation = configuration.dataDeviation
        switch configuration.timestepSampling {
        case .uniform, .lossSecondMoment: (cumulative, timestepWeights) = (nil, nil)
        case .logNormal:
            cumulative = drawn.logNormal(
                mean: configuration.logNoiseMean, deviation: configuration.logNoiseDeviation)
            timestepWeights = nil
        case .logistic:
            let logistic = drawn.logistic(location: configuration.logisticLocation, scale: configuration.logisticScale)
            (cumulative, timestepWeights) = (logistic.sums, logistic.weights)
        }
        offsetNoise = configuration.offsetNoise
    }

    /// What is drawn for a sample of `model`: `timestep` t, `noise` ε, and with offset noise its `offset` of each channel.
    public func draws(for model: ModelConfiguration) -> [Draw] {
        [
            Draw(
                "timestep", .timestep,
                cumulative.map { .weighted(cumulative: $0) } ?? .integer(in: drawnTimesteps), elements: 1),
            Draw("noise", .noise, .normal, elements: model.sampleElements),
        ] + (offsetNoise == 0 ? [] : [Draw("offset", .offsetNoise, .normal, elements: model.channels)])
    }

    /// Weight of the squared error at timestep `t`.
    public func weight(_ t: Int) -> Double {
        func weight(_ signalToNoise: Double) -> Double {
            objective.weight(
                signalToNoise: signalToNoise, clippedAt: signalToNoiseLimit, dataDeviation: dataDeviation)
        }
        return scales?.weight(t, weight) ?? weight(schedule.signalToNoise(t))
    }

    /// x_t = √ᾱ x_0 + √(1−ᾱ) ε, and the ``Objective``'s target, both `[N, H, W, C]`.
    ///
    /// - Parameters:
    ///   - x0: clean samples, `[N, H, W, C]`, images in [−1, 1].
    ///   - noise: ε ~ N(0, I), `[N, H, W, C]`.
    ///   - timesteps: t of each sample, `[N]`, in 0 ..< T.
    ///   - offsets: N(0, 1) for each sample and channel, `[N, C]`; needed when ``offsetNoise`` is not 0.
    public func noised(
        x0: [Float], noise: [Float], timesteps: [Int], offsets: [Float]? = nil
    ) -> (xt: [Float], target: [Float]) {
        let n = timesteps.count
        precondition(n > 0 && x0.count % n == 0, "\(x0.count) elements are not \(n) samples")
        precondition(noise.count == x0.count, "\(noise.count) elements of noise for \(x0.count) of x0")
        precondition(offsetNoise == 0 || offsets != nil, "offset noise \(offsetNoise) needs a draw for each channel")
        if let scales { return scales.noised(x0: x0, noise: noise, timesteps: timesteps, objective) }
        let channels = (offsets?.count ?? 0) / n
        var (xt, targets) = (x0, x0)
        let size = x0.count / n
        for (sample, t) in timesteps.enumerated() {
            let alphaBar = schedule.alphaBars[t]
            let (signal, deviation) = (Float(alphaBar.squareRoot()), Float((1 - alphaBar).squareRoot()))
            let target = objective.target(alphaBar: alphaBar)
            let (ofX0, ofNoise) = (Float(target.x0), Float(target.noise))
            for i in sample * size..<(sample + 1) * size {
                var epsilon = noise[i]
                if let offsets { epsilon += Float(offsetNoise) * offsets[sample * channels + i % channels] }
                xt[i] = signal * x0[i] + deviation * epsilon
                targets[i] = ofX0 * x0[i] + ofNoise * epsilon
            }
        }
        return (xt, targets)
    }

    /// ``noised(x0:noise:timesteps:offsets:)`` with what was drawn for the samples.
    func noised(_ x0: [Float], _ drawn: Drawn) -> (xt: [Float], target: [Float]) {
        noised(
            x0: x0, noise: drawn["noise"], timesteps: drawn.timesteps,
            offsets: offsetNoise == 0 ? nil : drawn["offset"])
    }

    /// The estimate of x_0 in the network's `output`, not clamped: what self-conditioning feeds back in training.
    ///
    /// - Parameters:
    ///   - output: of the network at `xt` and `timesteps`, `[N, H, W, C]`.
    ///   - xt: x_t, `[N, H, W, C]`.
    ///   - timesteps: t of each sample, `[N]`.
    public func x0Estimate(output: [Float], xt: [Float], timesteps: [Int]) -> [Float] {
        precondition(output.count == xt.count, "\(output.count) outputs for \(xt.count) elements of x_t")
        if let scales { return scales.x0Estimate(output: output, xt: xt, timesteps: timesteps, objective) }
        let size = xt.count / timesteps.count
        var estimate = output
        for (sample, t) in timesteps.enumerated() {
            let x0 = objective.x0(alphaBar: schedule.alphaBars[t])
            let (ofXt, ofOutput) = (Float(x0.xt), Float(x0.output))
            for i in sample * size..<(sample + 1) * size { estimate[i] = ofXt * xt[i] + ofOutput * output[i] }
        }
        return estimate
    }
}
