import LinearAlgebra
import Mixtures

/// The law of a cleaner sample given a noisier one, exactly: `q(x_s | x_t)` for data of a Gaussian mixture.
///
/// With ᾱ at t, ᾱ' at s (1: the data), α = ᾱ/ᾱ' and β = 1 − α, and of component k `S'_k = ᾱ' Σ_k + (1 − ᾱ') I` and
/// `S_k = ᾱ Σ_k + (1 − ᾱ) I = α S'_k + β I`: a mixture with weights ∝ w_k N(x_t; √ᾱ μ_k, S_k), covariances β S'_k S_k⁻¹ and
/// means `√ᾱ' μ_k + √α S'_k S_k⁻¹ (x_t − √ᾱ μ_k)`. Source: the rule for the conditional of a joint Gaussian (Bishop, *Pattern
/// Recognition and Machine Learning*, 2006, section 2.3.1), by component; the form of Li et al. 2024, appendix, where
/// S'_k is regular.
public struct BackwardStep: Sendable {
    /// q(x_t).
    public let marginal: GaussianMixture
    /// √α S'_k S_k⁻¹, `[K][D][D]`.
    private let gains: [Double]
    /// √ᾱ' μ_k, `[K][D]`.
    private let means: [Double]
    private let shapes: GaussianMixture.Shapes

    /// - Parameters:
    ///   - data: q(x_0).
    ///   - alphaBar: ᾱ at the noisier time, below 1.
    ///   - cleaner: ᾱ' at the cleaner one, above `alphaBar`; 1 for the data themselves.
    public init(_ data: GaussianMixture, from alphaBar: Double, to cleaner: Double) {
        precondition(
            0 <= alphaBar && alphaBar < cleaner && cleaner <= 1, "no step from ᾱ = \(alphaBar) to \(cleaner)")
        let alpha = alphaBar / cleaner
        func noisy(_ variance: Double) -> Double { alphaBar * variance + 1 - alphaBar }
        func clean(_ variance: Double) -> Double { cleaner * variance + 1 - cleaner }
        let covariances = data.shapes.covariances
        marginal = data.noised(alphaBar)
        gains = covariances.matrices { alpha.squareRoot() * clean($0) / noisy($0) }
        means = data.means.map { cleaner.squareRoot() * $0 }
        shapes = .init(covariances.mapped { (1 - alpha) * clean($0) / noisy($0) })
    }

    private var dimension: Int { marginal.dimension }

    /// q(k | x_t), `[K]`.
    public func responsibilities(_ xt: [Double]) -> [Double] { marginal.responsibilities(xt) }

    /// The mean of component k of q(x_s | x_t), `[D]`.
    private func mean(_ k: Int, _ xt: [Double]) -> [Double] {
        var x = Array(means[k * dimension..<(k + 1) * dimension])
        for i in 0..<dimension {
            for j in 0..<dimension {
                x[i] += gains[(k * dimension + i) * dimension + j] * (xt[j] - marginal.means[k * dimension + j])
            }
        }
        return x
    }

    /// q(x_s | x_t).
    public func callAsFunction(_ xt: [Double]) -> GaussianMixture {
        GaussianMixture(
            weights: responsibilities(xt), means: marginal.weights.indices.flatMap { mean($0, xt) }, shapes)
    }

    /// E[x_s | x_t], `[D]`.
    public func mean(_ xt: [Double]) -> [Double] { moments(xt).mean }

    /// tr Cov[x_s | x_t].
    public func variance(_ xt: [Double]) -> Double { moments(xt).variance }

    /// E[x_s | x_t], and the trace of the covariance.
    public func moments(_ xt: [Double]) -> (mean: [Double], variance: Double) {
        // Components without a share count for nothing; far from x_t that is most of them.
        let parts = responsibilities(xt).enumerated().filter { $1 > 0 }.map { (k: $0, share: $1, mean: mean($0, xt)) }
        var center = [Double](repeating: 0, count: dimension)
        for part in parts { for i in center.indices { center[i] += part.share * part.mean[i] } }
        let variance = parts.reduce(0) { sum, part in
            let spread = zip(part.mean, center).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            return sum + part.share * (shapes.covariances.trace(part.k) + spread)
        }
        return (center, variance)
    }

    /// A draw of x_s: see ``GaussianMixture/draw(uniform:normals:)``.
    public func draw(_ xt: [Double], uniform: Double, normals: [Float]) -> [Double] {
        let k = choice(of: responsibilities(xt), uniform)
        return shifted(mean(k, xt), shapes.roots, k, normals)
    }
}

extension BackwardStep {
    /// The draw `position` of a `round`, of x_s given `xt`.
    public func draw(_ xt: [Double], _ draws: MixtureDraws, round: Int, _ position: Int) -> [Double] {
        let numbers = draws(round: round, position)
        return draw(xt, uniform: numbers.uniform, normals: numbers.normals)
    }
}
