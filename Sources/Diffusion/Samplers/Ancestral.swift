import Foundation

/// `x' = μ̃(x_t, x̂_0) + σ · noise` (Ho et al. 2020, algorithm 2), σ² as ``VarianceKind`` says: β̃, β, or what the network
/// says of each element between them, without noise at the last step; or `β̃ + c²σ²(t)` with `c = β √ᾱ'/(1 − ᾱ)`, at every step.
/// A classifier that guides adds σ² times its gradient to the mean (Dhariwal and Nichol 2021, algorithm 1).
struct Ancestral: SamplingMethod {
    static let variances = VarianceKind.allCases
    static func noiseShare(_: DiffusionConfiguration) -> Double? { 1 }
    let chain: Chain

    init(_ chain: Chain, _: DiffusionConfiguration) { self.chain = chain }

    var evaluatedTimes: [Int] { chain.times.reversed() }

    func noiseDeviation(_ i: Int) -> Double? {
        chain.variance == .small ? exp(chain.schedule.posteriorLogVariance[i] / 2) : nil
    }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, inout [Float]) throws -> Void
    ) throws -> [Float] {
        let q = chain.schedule
        var x = x
        for (step, i) in chain.steps {
            var gradient: [Float]?
            let x0 = try network.evaluate(x, chain, i, meanShift: { gradient = $0 }).x0
            var next = combine((Float(q.posteriorMeanX0[i]), x0), (Float(q.posteriorMeanXt[i]), x))
            if let scaled = scaling(i, network.v) {
                if let gradient { next = combine((1, next), (1, scaled(scaled(gradient)))) }
                next = combine((1, next), (1, scaled(try network.noise(step))))
            }
            x = next
            try reached(step, &x)
        }
        return x
    }

    /// What multiplies numbers by σ at the i-th time; nil without noise.
    private func scaling(_ i: Int, _ v: [Float]) -> (([Float]) -> [Float])? {
        let q = chain.schedule
        func scaling(_ deviation: Double) -> ([Float]) -> [Float] { { $0.map { Float(deviation) * $0 } } }
        switch chain.variance {
        case .small: return i > 0 ? scaling(exp(q.posteriorLogVariance[i] / 2)) : nil
        case .large: return i > 0 ? scaling(q.betas[i].squareRoot()) : nil
        case .optimal:
            let c = q.posteriorMeanX0[i]
            return scaling((q.posteriorVariance[i] + c * c * chain.x0Variances[i]).squareRoot())
        case .learned: return i > 0 ? { scaled($0, i, v) } : nil
        }
    }

    /// Numbers times the learned deviation of each element.
    private func scaled(_ values: [Float], _ i: Int, _ v: [Float]) -> [Float] {
        precondition(
            v.count == values.count, "\(v.count) numbers v for \(values.count) of noise: the variance is not learned")
        let (small, large) = chain.logVariances[i]
        return zip(values, v).map { $0 * Float(exp((small + Double($1 + 1) / 2 * (large - small)) / 2)) }
    }
}
