import Diffusion
import Mixtures

/// The best drift of paths towards a mixture: with it each step has the mean of the target's own process run backwards, and
/// only the Gaussian form of a step is left between ELBO and ln Z. The counterpart of a trained network.
///
/// Forwards, from its end at the target, a path forgets: `x_k = A_k x_N + s √(1 − A_k²) ε` with `A_k = Π_{j ≥ k} c_j`. Of a
/// component N(μ, Σ), `x_k ~ N(A_k μ, V_k)`, `V_k = A_k² Σ + (1 − A_k²) s² I`, and
/// `f_k(x) = V_k⁻¹ (s² A_{k+1} μ + c_k A_{k+1}² (Σ − s² I) x)`; of the mixture it is the mean over q(component | x_k).
public struct MixtureDrift {
    private let dimension: Int
    private let parts: [Part]

    /// One step: the law of x_k, and of each component what is added to and multiplied with x.
    private struct Part {
        let law: GaussianMixture
        let constants: [Double]
        let factors: [Double]
    }

    public init(_ mixture: GaussianMixture, _ steps: PathSteps) {
        let (d, s2) = (mixture.dimension, steps.deviation * steps.deviation)
        dimension = d
        var left = [1.0]
        for c in steps.c.reversed() { left.append(left[left.count - 1] * c) }
        let kept = Array(left.reversed())
        parts = (0..<steps.count).map { k in
            let (a, next, c) = (kept[k], kept[k + 1], steps.c[k])
            let covariances = mixture.shapes.covariances
            func variance(_ sigma: Double) -> Double { a * a * sigma + (1 - a * a) * s2 }
            let ofMeans = covariances.matrices { s2 * next / variance($0) }
            var constants = [Double](repeating: 0, count: mixture.means.count)
            for component in 0..<mixture.components {
                for i in 0..<d {
                    for j in 0..<d {
                        let factor = ofMeans[(component * d + i) * d + j]
                        constants[component * d + i] += factor * mixture.means[component * d + j]
                    }
                }
            }
            return Part(
                law: GaussianMixture(
                    weights: mixture.weights, means: mixture.means.map { a * $0 }, .init(covariances.mapped(variance))),
                constants: constants, factors: covariances.matrices { c * next * next * ($0 - s2) / variance($0) })
        }
    }

    /// f at step k of the rows of x `[M, D]`.
    public func callAsFunction(_ k: Int, _ x: [Float]) -> [Float] {
        let (part, d) = (parts[k], dimension)
        var result = [Float](repeating: 0, count: x.count)
        for first in stride(from: 0, to: x.count, by: d) {
            let row = (0..<d).map { Double(x[first + $0]) }
            let shares = part.law.responsibilities(row)
            for i in 0..<d {
                var sum = 0.0
                for (component, share) in shares.enumerated() {
                    var own = part.constants[component * d + i]
                    for j in 0..<d { own += part.factors[(component * d + i) * d + j] * row[j] }
                    sum += share * own
                }
                result[first + i] = Float(sum)
            }
        }
        return result
    }
}
