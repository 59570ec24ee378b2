import Foundation

/// UniPC-2 for estimates of x_0, with B(h) = e^(−h) − 1 = φ (Zhao et al. 2023, algorithms 5 to 7). The predictor is that of
/// ``DPMSolver``; the evaluation at its result then corrects the result, which costs none: with m the estimate there, m_0 that
/// at the step's beginning, and D₁ = (m_0ᵇᵉᶠᵒʳᵉ − m_0)/r₁, r₁ = −(step before)/h,
///
///     x' = (σ'/σ) x − α' φ (m_0 + ρ₁ D₁ + ρ₂ (m − m_0)),   ρ₁ + ρ₂ = b₁,  r₁ρ₁ + ρ₂ = b₂,
///     b₁ = (φ/(−h) − 1)/φ,   b₂ = 2 ((φ/(−h) − 1)/(−h) − ½)/φ
///
/// and ρ₁ = 0, ρ₂ = ½ at the first step. The last step, to the clean end, gives x̂_0. Of third order with one evaluation a step.
struct UniPC: SamplingMethod {
    /// A correction begins where the step that it corrects did.
    static let takesProjections = false
    let chain: Chain

    init(_ chain: Chain, _: DiffusionConfiguration) { self.chain = chain }

    var evaluatedTimes: [Int] { chain.times.reversed() }

    /// A step that waits for its correction.
    private struct Step {
        let x: [Float]
        let m0: [Float]
        /// D₁ and r₁; nil at the first step.
        let difference: (d: [Float], r: Double)?
        let here: (alpha: Double, sigma: Double, lambda: Double)
        let there: (alpha: Double, sigma: Double, lambda: Double)

        var h: Double { there.lambda - here.lambda }

        /// (σ'/σ) x − α' φ (m_0 + correction).
        func result(_ correction: [Float]) -> [Float] {
            let phi = expm1(-h)
            let estimate = combine((1, m0), (1, correction))
            return combine((Float(there.sigma / here.sigma), x), (Float(-there.alpha * phi), estimate))
        }

        var predicted: [Float] { result(difference.map { combine((0.5, $0.d), (0, $0.d)) } ?? m0.map { _ in 0 }) }

        func corrected(_ m: [Float]) -> [Float] {
            let change = combine((1, m), (-1, m0))
            guard let difference else { return result(combine((0.5, change), (0, change))) }
            let phi = expm1(-h)
            let first = phi / -h - 1
            let (b1, b2) = (first / phi, 2 * (first / -h - 0.5) / phi)
            let rho1 = (b1 - b2) / (1 - difference.r)
            return result(combine((Float(rho1), difference.d), (Float(b1 - rho1), change)))
        }
    }

    func sample(
        from x: [Float], _ network: inout SampledNetwork, reached: (Int, inout [Float]) throws -> Void
    ) throws -> [Float] {
        var (x, waiting): ([Float], Step?) = (x, nil)
        for (step, i) in chain.steps {
            let m = try network.evaluate(x, chain, i).x0
            if let waiting { x = waiting.corrected(m) }
            if i == 0 {
                x = m
            } else {
                let (here, there) = (chain.level(i), chain.level(i - 1))
                let difference = waiting.map { before -> (d: [Float], r: Double) in
                    let r = -before.h / (there.lambda - here.lambda)
                    return (combine((Float(1 / r), before.m0), (Float(-1 / r), m)), r)
                }
                let next = Step(x: x, m0: m, difference: difference, here: here, there: there)
                x = next.predicted
                waiting = next
            }
            try reached(step, &x)
        }
        return x
    }
}
