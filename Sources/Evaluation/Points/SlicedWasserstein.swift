import Foundation
import Philox

/// `SW_p = (mean over directions θ of W_p(θ·X, θ·Y)^p)^{1/p}` (Rabin et al. 2011; Bonneel et al. 2015), with exact transport
/// along each direction. In one dimension it is the Wasserstein distance itself.
package struct SlicedWasserstein {
    /// p.
    package let power: Int
    /// Unit vectors, `[P][D]`.
    package let directions: [[Double]]

    package init(power: Int, directions: [[Double]]) { (self.power, self.directions) = (power, directions) }

    package func callAsFunction(_ x: PointSet, _ y: PointSet) -> Double {
        let costs = directions.map { direction in
            transportCost(projected(x, direction), projected(y, direction), power: power)
        }
        return pow(costs.reduce(0, +) / Double(costs.count), 1 / Double(power))
    }

    /// `count` directions, uniform on the sphere, that belong to `seed`.
    package static func directions(_ count: Int, dimension: Int, seed: UInt64) -> [[Double]] {
        let stream = RandomStream(seed: seed, purpose: .probe)
        return (0..<count).map { number in
            let normals = stream.normals(count: dimension, epoch: 0, position: number).map(Double.init)
            let length = normals.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return length > 0 ? normals.map { $0 / length } : normals.indices.map { $0 == 0 ? 1 : 0 }
        }
    }

    /// θ·x of every point, ascending.
    private func projected(_ points: PointSet, _ direction: [Double]) -> [Double] {
        (0..<points.count).map { i in
            direction.indices.reduce(0) { $0 + direction[$1] * points.values[i * points.dimension + $1] }
        }.sorted()
    }
}

/// `W_p^p` of two samples of the line, both ascending: `∫_0^1 |F⁻¹(u) − G⁻¹(u)|^p du` over their quantile functions, which
/// are steps, so that any two sizes can be compared.
package func transportCost(_ x: [Double], _ y: [Double], power: Int) -> Double {
    precondition(!x.isEmpty && !y.isEmpty, "\(x.count) and \(y.count) points to transport")
    let (n, m) = (x.count, y.count)
    var (i, j, reached, sum) = (0, 0, 0, 0.0)
    // Quantiles in units of 1/(n·m): whole numbers, so that no step is lost to rounding.
    while i < n && j < m {
        let next = min((i + 1) * m, (j + 1) * n)
        let distance = abs(x[i] - y[j])
        sum += Double(next - reached) * (power == 1 ? distance : pow(distance, Double(power)))
        if next == (i + 1) * m { i += 1 }
        if next == (j + 1) * n { j += 1 }
        reached = next
    }
    return sum / (Double(n) * Double(m))
}
