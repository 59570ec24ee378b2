/// The times that a sampler visits, and the forward process between them only.
package struct Chain: Sendable {
    /// Ascending.
    package let times: [Int]
    /// The forward process from one of the times to the next.
    let schedule: NoiseSchedule
    let objective: Objective
    /// Whether estimates of x_0 are clamped to [−1, 1].
    let clip: Bool
    let variance: VarianceKind
    /// σ² of the estimate of x_0 at each of the times; 0 where the estimate is taken for x_0 itself.
    let x0Variances: [Double]
    /// ln β̃ and ln β between the times, the ends of a learned variance.
    let logVariances: [(small: Double, large: Double)]

    /// `sampling_steps` of the T times, or those of `respacing`.
    ///
    /// - Parameter x0Variance: needed for the optimal variance.
    package init(_ configuration: DiffusionConfiguration, _ x0Variance: X0Variance? = nil) {
        variance = configuration.variance
        precondition(variance != .optimal || x0Variance != nil, "the optimal variance has to be measured")
        let whole = NoiseSchedule(kind: configuration.schedule, timesteps: configuration.timesteps)
        precondition(
            1...whole.timesteps ~= configuration.samplingSteps,
            "\(configuration.samplingSteps) steps of \(whole.timesteps)")
        times = configuration.visitedTimes
        schedule = whole.respaced(to: times)
        logVariances = zip(schedule.logVarianceSmall, schedule.logVarianceLarge).map { (small: $0, large: $1) }
        objective = configuration.objective
        clip = configuration.clipDenoised
        let isOptimal = variance == .optimal
        x0Variances = times.map { isOptimal ? x0Variance?[$0] ?? 0 : 0 }
    }

    /// linspace(−1, T−1, S+1) without its first, truncated: S ascending times of which the last is T−1.
    ///
    /// From both ends inwards in double precision, as the reference does it: where S divides a product exactly, the
    /// rounding decides which of two neighbours is taken.
    static func times(steps: Int, of timesteps: Int) -> [Int] {
        let (last, step) = (Double(timesteps - 1), Double(timesteps) / Double(steps))
        return (1...steps).map { Int($0 < (steps + 1) / 2 ? -1 + step * Double($0) : last - step * Double(steps - $0)) }
    }

    /// The steps from the noisiest time to the clean end: (step, index of the time).
    var steps: [(step: Int, i: Int)] { times.indices.reversed().enumerated().map { (step: $0, i: $1) } }

    /// x̂_0 from the output at the i-th visited time, clamped to [−1, 1] where asked for.
    func x0Estimate(output: [Float], xt: [Float], _ i: Int) -> [Float] {
        let x0 = objective.x0(alphaBar: schedule.alphaBars[i])
        let estimate = combine((Float(x0.xt), xt), (Float(x0.output), output))
        // Not min and max, whose result for a NaN depends on the order of their arguments: it must stay a NaN.
        return clip ? estimate.map { $0 < -1 ? -1 : $0 > 1 ? 1 : $0 } : estimate
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
