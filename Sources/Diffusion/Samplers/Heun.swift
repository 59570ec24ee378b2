/// Heun's method on the probability flow `dx̃ = ε̂ dσ̃` of `x̃ = x/α`, `σ̃ = σ/α`: with `h = σ̃' − σ̃`
///
///     x̃ᴱ = x̃ + h ε̂(x̃, t),   x̃' = x̃ + h (ε̂(x̃, t) + ε̂(x̃ᴱ, t'))/2
///
/// and the first half alone at the last step, where σ̃' = 0 (Karras et al. 2022, algorithm 1). Of second order. The mean of
/// the slopes of two draws of x_0 is no slope of either: networks that draw are refused.
struct Heun: SamplingMethod {
    static let takesDraws = false
    let chain: Chain

    init(_ chain: Chain, _: DiffusionConfiguration) { self.chain = chain }

    var evaluatedTimes: [Int] {
        chain.steps.flatMap { $0.i == 0 ? [chain.times[0]] : [chain.times[$0.i], chain.times[$0.i - 1]] }
    }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, inout [Float]) throws -> Void
    ) throws -> [Float] {
        var x = x
        for (step, i) in chain.steps {
            let (here, there) = (chain.level(i), chain.level(i - 1))
            let (output, x0) = try network.evaluate(x, chain, i)
            if i == 0 {
                x = x0
            } else {
                let h = there.sigma / there.alpha - here.sigma / here.alpha
                let epsilon = chain.noiseEstimate(output: output, x0: x0, xt: x, i)
                let scaled = combine((Float(1 / here.alpha), x), (0, x))
                func moved(_ slope: [Float]) -> [Float] {
                    combine((Float(there.alpha), scaled), (Float(there.alpha * h), slope))
                }
                let euler = moved(epsilon)
                let (second, secondX0) = try network.evaluate(euler, chain, i - 1)
                let secondEpsilon = chain.noiseEstimate(output: second, x0: secondX0, xt: euler, i - 1)
                x = moved(combine((0.5, epsilon), (0.5, secondEpsilon)))
            }
            try reached(step, &x)
        }
        return x
    }
}
