import LinearAlgebra

extension GaussianMixture {
    /// `ln w_k N(x; μ_k, Σ_k)` of every row x of `[n][D]`: `[n][K]`. By products of matrices, for many rows or large D.
    package func logTerms(rows: Matrix) -> [Double] {
        precondition(rows.columns == dimension && hasDensity, "rows of \(rows.columns) for a dimension of \(dimension)")
        let (size, covariances, logWeights) = (dimension, shapes.covariances, logWeights)
        var terms = [Double](repeating: 0, count: rows.rows * components)
        var (whitened, whitening) = (Matrix(rows: rows.rows, columns: size), Matrix(rows: size, columns: size))
        for k in 0..<components {
            // Σ⁻¹ = Wᵀ W, a row of W an axis over its deviation.
            for axis in 0..<size {
                let scale = 1 / covariances.variances[k * size + axis].squareRoot()
                for i in 0..<size { whitening[axis, i] = scale * covariances.axes[(k * size + axis) * size + i] }
            }
            let center = whitening * Matrix(Array(means[k * size..<(k + 1) * size]), rows: size, columns: 1)
            whitened.setProduct(rows, whitening, transposingSecond: true)
            let height = logWeights[k] + shapes.logHeights[k]
            for row in 0..<rows.rows {
                var sum = 0.0
                for i in 0..<size {
                    let y = whitened[row, i] - center.elements[i]
                    sum += y * y
                }
                terms[row * components + k] = height - sum / 2
            }
        }
        return terms
    }

    /// ln q(x) of every row: `[n]`.
    public func logDensities(rows: Matrix) -> [Double] {
        let terms = logTerms(rows: rows)
        return (0..<rows.rows).map { logSumExp(Array(terms[$0 * components..<($0 + 1) * components])) }
    }

    /// The same with the variances of each component that are not among its `rank` largest replaced by their mean: the
    /// likeliest covariance of that form (Tipping and Bishop 1999, probabilistic principal components).
    public func reduced(toRank rank: Int) -> GaussianMixture {
        GaussianMixture(weights: weights, means: means, Shapes(shapes.covariances.reduced(toRank: rank)))
    }
}
