import Foundation
import LinearAlgebra

/// `Σ_k w_k N(μ_k, Σ_k)`, in double precision: of any dimension D and with full covariances, meant for small D.
public struct GaussianMixture: Equatable, Sendable {
    /// D.
    public let dimension: Int
    /// w_k, sum 1: `[K]`.
    public let weights: [Double]
    /// μ_k, `[K][D]`.
    public let means: [Double]
    package let shapes: Shapes

    /// What mixtures that differ only in weights and means share.
    package struct Shapes: Equatable, Sendable {
        package let covariances: Covariances
        /// Σ_k⁻¹ and R_k with `R_k R_kᵀ = Σ_k`, `[K][D][D]`.
        let precisions: [Double]
        package let roots: [Double]
        /// −½ ln det(2π Σ_k), `[K]`.
        let logHeights: [Double]

        package init(_ covariances: Covariances) {
            self.covariances = covariances
            precisions = covariances.matrices { 1 / $0 }
            roots = covariances.matrices { $0.squareRoot() }
            let constant = Double(covariances.dimension) * log(2 * Double.pi)
            logHeights = covariances.logDeterminants.map { -0.5 * (constant + $0) }
        }
    }

    /// - Parameters:
    ///   - weights: positive or 0; divided by their sum.
    ///   - means: `[K][D]`.
    ///   - covariances: `[K][D][D]`, symmetric, with no negative eigenvalue.
    /// - Throws: ``MixtureError`` or `LinearAlgebraError` where the numbers are no mixture.
    public init(weights: [Double], means: [Double], covariances: [Double], dimension: Int) throws {
        let count = weights.count
        precondition(
            count > 0 && dimension > 0 && means.count == count * dimension
                && covariances.count == count * dimension * dimension,
            "\(count) weights, \(means.count) means and \(covariances.count) covariances of dimension \(dimension)")
        let sum = weights.reduce(0, +)
        guard weights.allSatisfy({ $0 >= 0 }), sum > 0, sum.isFinite else {
            throw MixtureError("the weights \(weights.prefix(8))… are not shares of a whole")
        }
        guard means.allSatisfy(\.isFinite) else { throw MixtureError("a mean is not finite") }
        self.init(
            weights: weights.map { $0 / sum }, means: means,
            Shapes(try Covariances(covariances, count: count, dimension: dimension)))
    }

    package init(weights: [Double], means: [Double], _ shapes: Shapes) {
        (self.weights, self.means, self.shapes) = (weights, means, shapes)
        dimension = shapes.covariances.dimension
    }

    /// K.
    public var components: Int { weights.count }
    /// ln w_k, `[K]`.
    var logWeights: [Double] { weights.map { log($0) } }
    /// Σ_k, `[K][D][D]`.
    public var covariances: [Double] { shapes.covariances.matrices() }
    /// Whether it has a density: every component is wide in every direction.
    public var hasDensity: Bool { !shapes.covariances.isSingular }

    /// The Mahalanobis distance of `x` from component k, squared: `(x − μ_k)ᵀ Σ_k⁻¹ (x − μ_k)`.
    public func squaredDistance(_ x: [Double], from k: Int) -> Double {
        quadraticForm(shapes.precisions, x, means, k, dimension)
    }

    /// `ln w_k N(x; μ_k, Σ_k)` of every component.
    package func logTerms(_ x: [Double]) -> [Double] {
        weights.indices.map { log(weights[$0]) + shapes.logHeights[$0] - 0.5 * squaredDistance(x, from: $0) }
    }

    /// ln q(x).
    public func logDensity(_ x: [Double]) -> Double {
        precondition(hasDensity, "a mixture with a component of no width has no density")
        return logSumExp(logTerms(x))
    }

    /// q(k | x) ∝ w_k N(x; μ_k, Σ_k), `[K]`.
    public func responsibilities(_ x: [Double]) -> [Double] {
        precondition(hasDensity, "a mixture with a component of no width has no density")
        return softmax(logTerms(x))
    }

    /// ∇ ln q(x) = Σ_k q(k | x) Σ_k⁻¹ (μ_k − x), `[D]`.
    public func score(_ x: [Double]) -> [Double] {
        let shares = responsibilities(x)
        var result = [Double](repeating: 0, count: dimension)
        for k in 0..<components {
            for i in 0..<dimension {
                for j in 0..<dimension {
                    result[i] +=
                        shares[k] * shapes.precisions[(k * dimension + i) * dimension + j]
                        * (means[k * dimension + j] - x[j])
                }
            }
        }
        return result
    }

    /// Σ_k w_k μ_k, `[D]`.
    public var mean: [Double] {
        (0..<dimension).map { i in weights.indices.reduce(0) { $0 + weights[$1] * means[$1 * dimension + i] } }
    }

    /// Σ_k w_k (Σ_k + (μ_k − μ)(μ_k − μ)ᵀ).
    public var covariance: Matrix {
        let (center, matrices) = (mean, covariances)
        var result = Matrix(rows: dimension, columns: dimension)
        for k in 0..<components {
            for i in 0..<dimension {
                for j in 0..<dimension {
                    let spread = (means[k * dimension + i] - center[i]) * (means[k * dimension + j] - center[j])
                    result[i, j] += weights[k] * (matrices[(k * dimension + i) * dimension + j] + spread)
                }
            }
        }
        return result
    }

    /// q(x_t) at ᾱ: `Σ_k w_k N(√ᾱ μ_k, ᾱ Σ_k + (1 − ᾱ) I)`.
    public func noised(_ alphaBar: Double) -> GaussianMixture {
        GaussianMixture(
            weights: weights, means: means.map { alphaBar.squareRoot() * $0 },
            .init(shapes.covariances.mapped { alphaBar * $0 + 1 - alphaBar }))
    }

    /// The draw that belongs to a number in [0, 1), which decides the component, and `normals` of N(0, 1), `[D]`.
    public func draw(uniform: Double, normals: [Float]) -> (x: [Double], component: Int) {
        let k = choice(of: weights, uniform)
        return (shifted(Array(means[k * dimension..<(k + 1) * dimension]), shapes.roots, k, normals), k)
    }
}

/// `(x − μ_k)ᵀ P_k (x − μ_k)` of arrays `[K][D][D]` and `[K][D]`.
func quadraticForm(_ matrices: [Double], _ x: [Double], _ means: [Double], _ k: Int, _ dimension: Int) -> Double {
    var sum = 0.0
    for i in 0..<dimension {
        var row = 0.0
        for j in 0..<dimension {
            row += matrices[(k * dimension + i) * dimension + j] * (x[j] - means[k * dimension + j])
        }
        sum += row * (x[i] - means[k * dimension + i])
    }
    return sum
}

/// `μ + R_k n`.
package func shifted(_ mean: [Double], _ roots: [Double], _ k: Int, _ normals: [Float]) -> [Double] {
    let dimension = mean.count
    precondition(normals.count == dimension, "\(normals.count) normals for a draw of dimension \(dimension)")
    var x = mean
    for i in 0..<dimension {
        for j in 0..<dimension { x[i] += roots[(k * dimension + i) * dimension + j] * Double(normals[j]) }
    }
    return x
}

/// The first k whose share and those before it add up to more than `uniform`.
package func choice(of shares: [Double], _ uniform: Double) -> Int {
    var sum = 0.0
    for (k, share) in shares.enumerated() {
        sum += share
        if uniform < sum { return k }
    }
    // Rounding may leave the sum a little below 1.
    return shares.lastIndex { $0 > 0 } ?? 0
}

/// `ln Σ_k exp(terms_k)`.
package func logSumExp(_ terms: [Double]) -> Double {
    let most = terms.max() ?? -.infinity
    guard most.isFinite else { return most }
    return most + log(terms.reduce(0) { $0 + exp($1 - most) })
}

/// `exp(terms_k)` divided by their sum.
func softmax(_ terms: [Double]) -> [Double] {
    let all = logSumExp(terms)
    return terms.map { exp($0 - all) }
}

/// −Σ_k p_k ln p_k, in nats.
package func entropy(_ shares: [Double]) -> Double { shares.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 } }
