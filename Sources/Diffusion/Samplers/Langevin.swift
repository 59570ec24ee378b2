/// Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1) with the score `−ε̂/σ̃` of `x̃ = x/α`, `σ̃ = σ/α`: x̃ is taken to the
/// next time as it is, and there moves K times by
///
///     x̃ ← x̃ − (r/2) σ̃ ε̂(x̃, t) + √r σ̃ · noise
///
/// a Langevin step of size r σ̃²; x̂_0 itself at the last step (Jolicoeur-Martineau et al. 2021). K = `langevin_moves`, r =
/// `langevin_rate`. Each move brings x nearer to the law of the time, so that what steps before have done wrong fades; exact only
/// for many small moves.
struct Langevin: SamplingMethod {
    static let takesDraws = false
    let chain: Chain
    let moves: Int
    let rate: Double

    init(_ chain: Chain, _ configuration: DiffusionConfiguration) {
        (self.chain, moves, rate) = (chain, configuration.langevinMoves, configuration.langevinRate)
    }

    var evaluatedTimes: [Int] {
        chain.steps.flatMap { $0.i == 0 ? [chain.times[0]] : [Int](repeating: chain.times[$0.i - 1], count: moves) }
    }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, inout [Float]) throws -> Void
    ) throws -> [Float] {
        var x = x
        for (step, i) in chain.steps {
            if i == 0 {
                x = try network.evaluate(x, chain, 0).x0
            } else {
                let (here, there) = (chain.level(i), chain.level(i - 1))
                x = combine((Float(there.alpha / here.alpha), x), (0, x))
                for move in 0..<moves {
                    let (output, x0) = try network.evaluate(x, chain, i - 1)
                    let epsilon = chain.noiseEstimate(output: output, x0: x0, xt: x, i - 1)
                    x = combine((1, x), (Float(-rate / 2 * there.sigma), epsilon))
                    x = combine(
                        (1, x), (Float(rate.squareRoot() * there.sigma), try network.noise(step * moves + move)))
                }
            }
            try reached(step, &x)
        }
        return x
    }
}
