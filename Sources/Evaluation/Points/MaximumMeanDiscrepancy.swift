import Foundation

/// `MMD² = E k(X, X') + E k(Y, Y') − 2 E k(X, Y)` with `k(x, y) = exp(−‖x − y‖²/(2h²))`, unbiased: without the pairs of a point
/// and itself, and so below 0 now and then (Gretton et al. 2012, equation 3).
package struct MaximumMeanDiscrepancy {
    /// h.
    package let bandwidth: Double

    /// With the median distance of two of the first 1000 points of `reference` for h (Gretton et al. 2012, section 8).
    package init(medianOf reference: PointSet) {
        let some = reference.prefix(1000)
        let distances = (0..<some.count).flatMap { i in
            (0..<i).map { j in
                zip(some[i], some[j]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            }
        }.sorted()
        let median = distances.isEmpty ? 0 : distances[distances.count / 2]
        bandwidth = median > 0 ? median : 1
    }

    /// The error is that of the means of a point's kernels (the first term of Hoeffding's decomposition); for samples of one
    /// distribution it is too large by a factor of up to √2.
    package func callAsFunction(_ x: PointSet, _ y: PointSet) -> Estimate {
        precondition(x.count > 1 && y.count > 1, "\(x.count) and \(y.count) points")
        let (n, m) = (Double(x.count), Double(y.count))
        let between = pairSums(x, y, kernel)
        let ofX = zip(pairSums(within: x, kernel), between.ofX).map { $0 / (n - 1) - $1 / m }
        let ofY = zip(pairSums(within: y, kernel), between.ofY).map { $0 / (m - 1) - $1 / n }
        let (first, second) = (Estimate(meanOf: ofX), Estimate(meanOf: ofY))
        let variance = [first, second].reduce(0) { $0 + ($1.error ?? 0) * ($1.error ?? 0) }
        return Estimate(first.value + second.value, error: 2 * variance.squareRoot())
    }

    private func kernel(_ squared: Double) -> Double { exp(-0.5 * squared / (bandwidth * bandwidth)) }
}
