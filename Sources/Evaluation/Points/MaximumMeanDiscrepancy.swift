import Foundation

/// `MMD² = E k(X, X') + E k(Y, Y') − 2 E k(X, Y)` with `k(x, y) = exp(−‖x − y‖²/(2h²))`, unbiased: without the pairs of a point
/// and itself, and so below 0 now and then (Gretton et al. 2012, equation 3).
struct MaximumMeanDiscrepancy {
    /// h.
    let bandwidth: Double

    /// With the median distance of two of the first 1000 points of `reference` for h (Gretton et al. 2012, section 8).
    init(medianOf reference: PointSet) {
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
    func callAsFunction(_ x: PointSet, _ y: PointSet) -> Estimate {
        precondition(x.count > 1 && y.count > 1, "\(x.count) and \(y.count) points")
        let scale = -0.5 / (bandwidth * bandwidth)
        func means(_ points: PointSet, _ others: PointSet?) -> [Double] {
            let partners = others?.count ?? points.count - 1
            return pairSums(points, others) { exp(scale * $0) }.map { $0 / Double(partners) }
        }
        let (xx, yy, xy, yx) = (means(x, nil), means(y, nil), means(x, y), means(y, x))
        let ofX = Estimate(meanOf: zip(xx, xy).map { $0 - $1 })
        let ofY = Estimate(meanOf: zip(yy, yx).map { $0 - $1 })
        let (first, second) = (ofX.error ?? 0, ofY.error ?? 0)
        return Estimate(ofX.value + ofY.value, error: 2 * (first * first + second * second).squareRoot())
    }
}
