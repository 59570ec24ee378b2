/// `x' = √ᾱ' x̂_0 + √(1 − ᾱ' − σ²) ε̂ + σ · noise`, `σ = η √((1 − ᾱ/ᾱ')(1 − ᾱ')/(1 − ᾱ))`; x̂_0 itself at the last step
/// (Song et al. 2021, equations 12 and 16).
struct DDIM: SamplingMethod {
    let chain: Chain
    /// The share of step noise: 0 none, 1 as much as ancestral sampling.
    let eta: Double

    var evaluations: Int { chain.times.count }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, [Float]) throws -> Void
    ) throws -> [Float] {
        var x = x
        for (step, i) in chain.steps {
            let (output, x0) = try network.evaluate(x, chain, i)
            if i == 0 {
                x = x0
            } else {
                let (a, b) = (chain.schedule.alphaBars[i], chain.schedule.alphaBarsBefore[i])  // ᾱ, ᾱ'
                let sigma = eta * ((1 - a / b) * (1 - b) / (1 - a)).squareRoot()
                let epsilon = chain.noiseEstimate(output: output, x0: x0, xt: x, i)
                let mean = combine(
                    (Float(b.squareRoot()), x0), (Float((1 - b - sigma * sigma).squareRoot()), epsilon))
                x = combine((1, mean), (Float(sigma), try network.noise(step)))
            }
            try reached(step, x)
        }
        return x
    }
}
