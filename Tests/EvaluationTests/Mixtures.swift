import Diffusion
import Evaluation
import Foundation
import Mixtures

/// Mixtures that tests share, and their densities written down once more, in the plainest way.
struct PlainMixture {
    let weights: [Double]
    let means: [[Double]]
    /// [[a, b], [b, c]] or [[a]].
    let covariances: [[[Double]]]

    /// Two Gaussians of the line.
    static let line = PlainMixture(
        weights: [0.3, 0.7], means: [[-0.8], [0.5]], covariances: [[[0.04]], [[0.01]]])
    /// Three of the plane with full covariances.
    static let plane = PlainMixture(
        weights: [0.2, 0.5, 0.3], means: [[-0.7, 0.2], [0.5, 0.5], [0.1, -0.6]],
        covariances: [
            [[0.09, 0.04], [0.04, 0.06]], [[0.05, -0.03], [-0.03, 0.08]], [[0.04, 0], [0, 0.12]],
        ])

    var mixture: GaussianMixture {
        get throws {
            try GaussianMixture(
                weights: weights, means: means.flatMap { $0 }, covariances: covariances.flatMap { $0.flatMap { $0 } },
                dimension: means[0].count)
        }
    }

    /// The 7×7 grid, spacing 1/3, standard deviation 0.03.
    static func grid() throws -> GaussianMixture {
        let places = (0..<7).map { -1 + Double($0) / 3 }
        return try GaussianMixture(
            weights: [Double](repeating: 1, count: 49), means: places.flatMap { y in places.flatMap { [$0, y] } },
            covariances: (0..<49).flatMap { _ in [0.0009, 0, 0, 0.0009] }, dimension: 2)
    }

    /// q(x), by the formula for one or two dimensions.
    func density(_ x: [Double]) -> Double {
        weights.indices.reduce(0) { sum, k in
            let d = zip(x, means[k]).map { $0 - $1 }
            let c = covariances[k]
            if d.count == 1 {
                return sum + weights[k] * exp(-d[0] * d[0] / c[0][0] / 2) / (2 * Double.pi * c[0][0]).squareRoot()
            }
            let determinant = c[0][0] * c[1][1] - c[0][1] * c[1][0]
            let form = (c[1][1] * d[0] * d[0] - 2 * c[0][1] * d[0] * d[1] + c[0][0] * d[1] * d[1]) / determinant
            return sum + weights[k] * exp(-form / 2) / (2 * Double.pi * determinant.squareRoot())
        }
    }

    /// ∫ f(x) q(x) dx on a fine grid; the integrands are smooth and vanish at its ends, so that this is exact to many digits.
    func integral(_ f: ([Double]) -> Double) -> Double {
        let (low, high) = (-2.5, 2.5)
        let size = means[0].count
        let steps = size == 1 ? 4000 : 250
        let width = (high - low) / Double(steps)
        let places = (0..<steps).map { low + (Double($0) + 0.5) * width }
        if size == 1 { return places.reduce(0) { $0 + f([$1]) * density([$1]) } * width }
        return places.reduce(0) { sum, y in
            places.reduce(sum) { $0 + f([$1, y]) * density([$1, y]) }
        } * width * width
    }
}

/// N(x; mean·, variance I).
func isotropicDensity(_ x: [Double], _ mean: [Double], _ variance: Double) -> Double {
    let squared = zip(x, mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return exp(-squared / (2 * variance)) / pow(2 * Double.pi * variance, Double(x.count) / 2)
}

/// A relative or absolute difference of at most `tolerance`.
func isClose(_ a: Double, _ b: Double, _ tolerance: Double = 1e-6) -> Bool {
    abs(a - b) <= tolerance * max(1, abs(b))
}
