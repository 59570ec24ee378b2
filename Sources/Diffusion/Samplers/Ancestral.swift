import Foundation

/// `x' = μ̃(x_t, x̂_0) + √β̃ · noise`, without noise at the last step (Ho et al. 2020, algorithm 2).
struct Ancestral: SamplingMethod {
    let chain: Chain

    var evaluations: Int { chain.times.count }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, [Float]) throws -> Void
    ) throws -> [Float] {
        let q = chain.schedule
        var x = x
        for (step, i) in chain.steps {
            let x0 = try network.evaluate(x, chain, i).x0
            x = combine((Float(q.posteriorMeanX0[i]), x0), (Float(q.posteriorMeanXt[i]), x))
            if i > 0 {
                x = combine((1, x), (Float(exp(q.posteriorLogVariance[i] / 2)), try network.noise(step)))
            }
            try reached(step, x)
        }
        return x
    }
}
