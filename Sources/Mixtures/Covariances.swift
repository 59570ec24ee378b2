import Files
import Foundation
import LinearAlgebra

/// The covariances Σ_k of a mixture's components by their eigenvalues, so that a function of Σ_k is one of numbers.
///
/// All that a diffusion makes of a Gaussian (`ᾱ Σ + (1 − ᾱ) I`, and what follows from it) has the eigenvectors of Σ.
package struct Covariances: Equatable, Sendable {
    package let count: Int
    package let dimension: Int
    /// Eigenvalues, `[count][dimension]`, none below 0.
    package let variances: [Double]
    /// Eigenvectors, one a row, `[count][dimension][dimension]`.
    package let axes: [Double]

    private init(count: Int, dimension: Int, variances: [Double], axes: [Double]) {
        (self.count, self.dimension, self.variances, self.axes) = (count, dimension, variances, axes)
    }

    /// - Parameter matrices: symmetric, `[count][dimension][dimension]`.
    /// - Throws: `LinearAlgebraError`, or ``MixtureError`` for a matrix that is no covariance.
    init(_ matrices: [Double], count: Int, dimension: Int) throws {
        let size = dimension * dimension
        var (variances, axes): ([Double], [Double]) = ([], [])
        for k in 0..<count {
            let matrix = Matrix(Array(matrices[k * size..<(k + 1) * size]), rows: dimension, columns: dimension)
            let scale = matrix.elements.reduce(0) { max($0, abs($1)) }
            let skew = zip(matrix.elements, matrix.transposed.elements).reduce(0) { max($0, abs($1.0 - $1.1)) }
            let eigen = try matrix.symmetricEigen()
            // Rounding makes a 0 a little negative.
            guard skew <= 1e-9 * scale, let least = eigen.values.min(), least >= -1e-9 * scale else {
                throw MixtureError(
                    "covariance \(k) is none: asymmetric by \(skew), least eigenvalue \(eigen.values.min() ?? 0)")
            }
            variances += eigen.values.map { max($0, 0) }
            axes += eigen.vectors.elements
        }
        self.init(count: count, dimension: dimension, variances: variances, axes: axes)
    }

    /// f(Σ_k): the same eigenvectors, every eigenvalue λ in place of which stands f(λ).
    package func mapped(_ f: (Double) -> Double) -> Covariances {
        Covariances(count: count, dimension: dimension, variances: variances.map(f), axes: axes)
    }

    /// The `rank` largest eigenvalues of each, and in place of the others their mean.
    package func reduced(toRank rank: Int) -> Covariances {
        let least = dimension - min(rank, dimension)
        let kept = (0..<count).flatMap { k -> [Double] in
            let own = variances[k * dimension..<(k + 1) * dimension]
            let mean = own.prefix(least).reduce(0, +) / Double(max(least, 1))
            return [Double](repeating: mean, count: least) + own.dropFirst(least)
        }
        return Covariances(count: count, dimension: dimension, variances: kept, axes: axes)
    }

    /// The matrices `Σ_i f(λ_i) v_i v_iᵀ`, `[count][dimension][dimension]`.
    package func matrices(_ f: (Double) -> Double = { $0 }) -> [Double] {
        if dimension > Self.smallDimension { return (0..<count).flatMap { product($0, f).elements } }
        var result = [Double](repeating: 0, count: count * dimension * dimension)
        for k in 0..<count {
            for axis in 0..<dimension {
                let value = f(variances[k * dimension + axis])
                let v = (k * dimension + axis) * dimension
                for i in 0..<dimension {
                    for j in 0..<dimension {
                        result[(k * dimension + i) * dimension + j] += value * axes[v + i] * axes[v + j]
                    }
                }
            }
        }
        return result
    }

    /// Up to which loops are as fast as products of matrices.
    private static let smallDimension = 32

    /// `Vᵀ f(Λ) V`, a row of V an eigenvector.
    private func product(_ k: Int, _ f: (Double) -> Double) -> Matrix {
        let size = dimension * dimension
        let vectors = Matrix(Array(axes[k * size..<(k + 1) * size]), rows: dimension, columns: dimension)
        var scaled = vectors
        for axis in 0..<dimension {
            let value = f(variances[k * dimension + axis])
            for i in 0..<dimension { scaled[axis, i] *= value }
        }
        var result = Matrix(rows: dimension, columns: dimension)
        result.setProduct(vectors, scaled, transposingFirst: true)
        return result
    }

    /// `tr Σ_k`.
    package func trace(_ k: Int) -> Double { variances[k * dimension..<(k + 1) * dimension].reduce(0, +) }

    /// `ln det Σ_k`, `[count]`; −∞ where it is singular.
    package var logDeterminants: [Double] {
        (0..<count).map { k in variances[k * dimension..<(k + 1) * dimension].reduce(0) { $0 + log($1) } }
    }

    /// Whether a component has no width in some direction, and so no density.
    package var isSingular: Bool { variances.contains { $0 <= 0 } }
}

/// Why numbers are no mixture, in a line.
public struct MixtureError: HasExitStatus, Equatable, CustomStringConvertible {
    public let description: String
    /// That a file cannot be used.
    public var exitStatus: ExitStatus { .badInput }

    init(_ description: String) { self.description = description }
}
