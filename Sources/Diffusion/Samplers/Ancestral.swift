import Foundation

/// `x' = μ̃(x_t, x̂_0) + σ · noise` (Ho et al. 2020, algorithm 2), σ² as ``VarianceKind`` says: β̃, β, or what the network
/// says of each element between them, without noise at the last step; or `β̃ + c²σ²(t)` with `c = β √ᾱ'/(1 − ᾱ)`, at every step.
struct Ancestral: SamplingMethod {
    static let variances = VarianceKind.allCases
    let chain: Chain

    init(_ chain: Chain, _: DiffusionConfiguration) { self.chain = chain }

    var evaluations: Int { chain.times.count }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, [Float]) throws -> Void
    ) throws -> [Float] {
        let q = chain.schedule
        var x = x
        for (step, i) in chain.steps {
            let x0 = try network.evaluate(x, chain, i).x0
            x = combine((Float(q.posteriorMeanX0[i]), x0), (Float(q.posteriorMeanXt[i]), x))
            if chain.variance == .learned {
                if i > 0 { x = combine((1, x), (1, scaled(try network.noise(step), i, network.v))) }
            } else if let deviation = deviation(i) {
                x = combine((1, x), (Float(deviation), try network.noise(step)))
            }
            try reached(step, x)
        }
        return x
    }

    /// σ at the i-th time; nil without noise.
    private func deviation(_ i: Int) -> Double? {
        let q = chain.schedule
        switch chain.variance {
        case .small: return i > 0 ? exp(q.posteriorLogVariance[i] / 2) : nil
        case .large: return i > 0 ? q.betas[i].squareRoot() : nil
        case .optimal:
            let c = q.posteriorMeanX0[i]
            return (q.posteriorVariance[i] + c * c * chain.x0Variances[i]).squareRoot()
        case .learned: preconditionFailure("a learned variance is no single number")
        }
    }

    /// Noise times the learned deviation of each element.
    private func scaled(_ noise: [Float], _ i: Int, _ v: [Float]) -> [Float] {
        precondition(
            v.count == noise.count, "\(v.count) numbers v for \(noise.count) of noise: the variance is not learned")
        let (small, large) = chain.logVariances[i]
        return zip(noise, v).map { $0 * Float(exp((small + Double($1 + 1) / 2 * (large - small)) / 2)) }
    }
}
