import Foundation

/// DPM-Solver++(2M): with λ = ln(α/σ), h = λ' − λ and r the step before divided by h,
///
///     x' = (σ'/σ) x − α' (e^(−h) − 1) D,   D = x̂_0 + (x̂_0 − x̂_0ᵇᵉᶠᵒʳᵉ)/(2r)
///
/// and D = x̂_0 at the first step and the last, where λ' = ∞ (Lu et al. 2022, algorithm 2). Of second order with one
/// evaluation a step.
struct DPMSolver: SamplingMethod {
    let chain: Chain

    init(_ chain: Chain, _: DiffusionConfiguration) { self.chain = chain }

    var evaluatedTimes: [Int] { chain.times.reversed() }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, inout [Float]) throws -> Void
    ) throws -> [Float] {
        var x = x
        var history = EstimateHistory(chain)
        for (step, i) in chain.steps {
            let d = history.extrapolated(try network.evaluate(x, chain, i).x0, i)
            let (here, there) = (chain.level(i), chain.level(i - 1))
            let decay = exp(here.lambda - there.lambda)  // e^(−h); 0 at the last step
            x = combine((Float(there.sigma / here.sigma), x), (Float(there.alpha * (1 - decay)), d))
            try reached(step, &x)
        }
        return x
    }
}

/// SDE-DPM-Solver++(2M): the same D in
///
///     x' = (σ'/σ) e^(−h) x + α' (1 − e^(−2h)) D + σ' √(1 − e^(−2h)) · noise
///
/// (Lu et al. 2022, section 5); exact in law where x_0 is known, as ancestral sampling.
struct SDEDPMSolver: SamplingMethod {
    let chain: Chain

    init(_ chain: Chain, _: DiffusionConfiguration) { self.chain = chain }

    var evaluatedTimes: [Int] { chain.times.reversed() }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, inout [Float]) throws -> Void
    ) throws -> [Float] {
        var x = x
        var history = EstimateHistory(chain)
        for (step, i) in chain.steps {
            let d = history.extrapolated(try network.evaluate(x, chain, i).x0, i)
            let (here, there) = (chain.level(i), chain.level(i - 1))
            let decay = exp(here.lambda - there.lambda)
            let share = 1 - decay * decay
            x = combine((Float(there.sigma / here.sigma * decay), x), (Float(there.alpha * share), d))
            if i > 0 { x = combine((1, x), (Float(there.sigma * share.squareRoot()), try network.noise(step))) }
            try reached(step, &x)
        }
        return x
    }
}

/// The estimates of x_0 of the last two evaluations: D of the solvers with two steps of memory.
struct EstimateHistory {
    private let chain: Chain
    private var before: (x0: [Float], lambda: Double)?

    init(_ chain: Chain) { self.chain = chain }

    /// D of the step from the i-th time, where the estimate is `x0`.
    mutating func extrapolated(_ x0: [Float], _ i: Int) -> [Float] {
        let (here, there) = (chain.level(i), chain.level(i - 1))
        defer { before = (x0, here.lambda) }
        guard let before, i > 0 else { return x0 }
        let r = (here.lambda - before.lambda) / (there.lambda - here.lambda)
        return combine((Float(1 + 1 / (2 * r)), x0), (Float(-1 / (2 * r)), before.x0))
    }
}
