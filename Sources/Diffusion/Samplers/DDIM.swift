/// `x' = √ᾱ' x̂_0 + √(1 − ᾱ' − σ²) ε̂ + σ · noise`, `σ = η √((1 − ᾱ/ᾱ')(1 − ᾱ')/(1 − ᾱ))`; x̂_0 itself at the last step
/// (Song et al. 2021, equations 12 and 16). With the optimal variance `c²σ²(t)` is added to σ², at the last step too, where
/// `c = √ᾱ' − √(1 − ᾱ' − σ²) √(ᾱ/(1 − ᾱ))` is the coefficient of x̂_0 (Bao et al. 2022).
struct DDIM: SamplingMethod {
    static let variances = [VarianceKind.small, .optimal, .learned]
    static func noiseShare(_ configuration: DiffusionConfiguration) -> Double? { configuration.ddimEta }
    let chain: Chain
    /// The share of step noise: 0 none, 1 as much as ancestral sampling.
    let eta: Double

    init(_ chain: Chain, _ configuration: DiffusionConfiguration) { (self.chain, eta) = (chain, configuration.ddimEta) }

    var evaluatedTimes: [Int] { chain.times.reversed() }

    private func sigma(_ a: Double, _ b: Double) -> Double { eta * ((1 - a / b) * (1 - b) / (1 - a)).squareRoot() }

    func noiseDeviation(_ i: Int) -> Double? {
        guard chain.variance != .optimal, eta > 0 else { return nil }
        return sigma(chain.schedule.alphaBars[i], chain.schedule.alphaBarsBefore[i])
    }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, inout [Float]) throws -> Void
    ) throws -> [Float] {
        var x = x
        for (step, i) in chain.steps {
            let (output, x0) = try network.evaluate(x, chain, i)
            if i == 0 {
                x = x0
                if chain.variance == .optimal {
                    x = combine((1, x), (Float(chain.x0Variances[i].squareRoot()), try network.noise(step)))
                }
            } else {
                let (a, b) = (chain.schedule.alphaBars[i], chain.schedule.alphaBarsBefore[i])  // ᾱ, ᾱ'
                let sigma = sigma(a, b)
                let c = b.squareRoot() - (1 - b - sigma * sigma).squareRoot() * (a / (1 - a)).squareRoot()
                let deviation =
                    chain.variance == .optimal ? (sigma * sigma + c * c * chain.x0Variances[i]).squareRoot() : sigma
                let epsilon = chain.noiseEstimate(output: output, x0: x0, xt: x, i)
                let mean = combine(
                    (Float(b.squareRoot()), x0), (Float((1 - b - sigma * sigma).squareRoot()), epsilon))
                x = combine((1, mean), (Float(deviation), try network.noise(step)))
            }
            try reached(step, &x)
        }
        return x
    }
}
