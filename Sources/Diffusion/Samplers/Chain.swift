import Foundation

/// The times that a sampler visits, and the forward process between them only.
package struct Chain: Sendable {
    /// Ascending.
    package let times: [Int]
    /// The forward process from one of the times to the next.
    let schedule: NoiseSchedule
    let objective: Objective
    /// Whether estimates of x_0 are clamped to [−1, 1], or of a scale to what its approximations can be.
    let clip: Bool
    /// The scale of a multi-scale diffusion whose times these are; nil where there is one alone.
    let scales: HaarScales?
    /// The time that the last step leads to; nil for the clean end.
    let end: Int?
    let variance: VarianceKind
    /// σ² of the estimate of x_0 at each of the times; 0 where the estimate is taken for x_0 itself.
    let x0Variances: [Double]
    /// ln β̃ and ln β between the times, the ends of a learned variance.
    let logVariances: [(small: Double, large: Double)]

    /// `sampling_steps` of the T times, or of those below a horizon, as `spacing` has them, or those of `respacing`.
    ///
    /// - Parameters:
    ///   - x0Variance: needed for the optimal variance.
    ///   - start: the noisiest time that is visited: of those after it none is. At least the least noisy visited time.
    package init(_ configuration: DiffusionConfiguration, _ x0Variance: X0Variance? = nil, startingAt start: Int? = nil)
    {
        variance = configuration.variance
        precondition(variance != .optimal || x0Variance != nil, "the optimal variance has to be measured")
        precondition(configuration.scales == 1, "\(configuration.scales) scales without a network's size")
        (scales, end) = (nil, nil)
        let whole = NoiseSchedule(configuration)
        precondition(
            1...configuration.reach ~= configuration.samplingSteps,
            "\(configuration.samplingSteps) steps of \(configuration.reach)")
        let visited = configuration.visitedTimes(of: whole.truncated(to: configuration.reach))
        times = visited.filter { $0 <= start ?? whole.timesteps }
        precondition(!times.isEmpty, "a start at \(start ?? 0), but the first visited time is \(visited.first ?? 0)")
        schedule = whole.respaced(to: times)
        logVariances = zip(schedule.logVarianceSmall, schedule.logVarianceLarge).map { (small: $0, large: $1) }
        objective = configuration.objective
        clip = configuration.clipDenoised
        let isOptimal = variance == .optimal
        x0Variances = times.map { isOptimal ? x0Variance?[$0] ?? 0 : 0 }
    }

    /// The times of one scale, its share of `sampling_steps`, the last always among them.
    init(_ configuration: DiffusionConfiguration, _ scales: HaarScales, alone: Bool) {
        self.scales = scales
        let (first, steps) = (scales.timesteps.lowerBound, configuration.stepsOfScale)
        times = Spacing.linear(steps, of: scales.timesteps.count).map { first + $0 }
        end = first == 0 || alone ? nil : first - 1
        schedule = NoiseSchedule(configuration).respaced(to: times)
        logVariances = []
        (objective, clip, variance) = (configuration.objective, configuration.clipDenoised, configuration.variance)
        x0Variances = times.map { _ in 0 }
    }

    /// The steps from the noisiest time to the clean end: (step, index of the time).
    var steps: [(step: Int, i: Int)] { times.indices.reversed().enumerated().map { (step: $0, i: $1) } }

    /// α = √ᾱ, σ = √(1 − ᾱ) and λ = ln(α/σ) of the i-th time; i = −1 is the clean end, with λ = ∞.
    func level(_ i: Int) -> (alpha: Double, sigma: Double, lambda: Double) {
        let alphaBar = i < 0 ? 1 : schedule.alphaBars[i]
        let (alpha, sigma) = (alphaBar.squareRoot(), (1 - alphaBar).squareRoot())
        return (alpha, sigma, log(alpha / sigma))
    }

    /// x̂_0 from the output at the i-th visited time, clamped to [−1, 1] where asked for.
    func x0Estimate(output: [Float], xt: [Float], _ i: Int) -> [Float] {
        if let scales {
            let timesteps = [Int](repeating: times[i], count: scales.samples(of: xt))
            let estimate = scales.x0Estimate(output: output, xt: xt, timesteps: timesteps, objective)
            return clip ? Self.clamped(estimate, to: Float(scales.blockSide)) : estimate
        }
        let x0 = objective.x0(alphaBar: schedule.alphaBars[i])
        let estimate = combine((Float(x0.xt), xt), (Float(x0.output), output))
        return clip ? Self.clamped(estimate, to: 1) : estimate
    }

    private static func clamped(_ estimate: [Float], to bound: Float) -> [Float] {
        // Not min and max, whose result for a NaN depends on the order of their arguments: it must stay a NaN.
        estimate.map { $0 < -bound ? -bound : $0 > bound ? bound : $0 }
    }

    /// Output and x̂_0 after `ε̂ ← ε̂ − √(1 − ᾱ) g`, g the gradient of a guide, which may leave [−1, 1] again (Dhariwal and Nichol
    /// 2021, algorithm 2).
    func shifted(output: [Float], x0: [Float], by gradient: [Float], _ i: Int) -> (output: [Float], x0: [Float]) {
        let alphaBar = schedule.alphaBars[i]
        let ofX0 = (1 - alphaBar) / alphaBar.squareRoot()
        let ofOutput = ofX0 / objective.x0(alphaBar: alphaBar).output
        return (combine((1, output), (Float(ofOutput), gradient)), combine((1, x0), (Float(ofX0), gradient)))
    }

    /// ε̂ follows from x̂_0, except for an unclamped estimate of ε, which is taken as it is.
    func noiseEstimate(output: [Float], x0: [Float], xt: [Float], _ i: Int) -> [Float] {
        if objective == .noise && !clip { return output }
        let ofNoise = Objective.noise(alphaBar: schedule.alphaBars[i])
        return combine((Float(ofNoise.xt), xt), (Float(ofNoise.x0), x0))
    }
}

/// `a·x + b·y`, element by element.
func combine(_ x: (Float, [Float]), _ y: (Float, [Float])) -> [Float] {
    precondition(x.1.count == y.1.count, "\(x.1.count) and \(y.1.count) elements")
    return zip(x.1, y.1).map { x.0 * $0 + y.0 * $1 }
}
