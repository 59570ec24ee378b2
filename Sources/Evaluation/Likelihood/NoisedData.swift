import Foundation
import LinearAlgebra
import Philox
import Mixtures

/// Data x_0 whose noised law q(x_t) has a density that can be computed.
public enum NoisedData: Sendable {
    /// A known law, and the number of draws of it.
    case law(GaussianMixture, count: Int)
    /// Samples `[n][D]`, each as likely as the others: their noised law is a mixture of n round Gaussians. Its entropy is on
    /// average below that of the law that they were drawn from, and divergences from it are so from above.
    case samples(Matrix)

    /// D.
    public var dimension: Int {
        switch self {
        case .law(let law, _): law.dimension
        case .samples(let rows): rows.columns
        }
    }

    /// Draws of x_0 that means are taken over.
    public var count: Int {
        switch self {
        case .law(_, let count): count
        case .samples(let rows): rows.rows
        }
    }

    /// The Gaussian with its mean and covariance, on all ranks. Collective.
    func matched(_ work: EvaluationWork) throws -> GaussianMixture {
        switch self {
        case .law(let law, _): return try law.matched
        case .samples(let rows): return try GaussianMixture(matching: rows, work)
        }
    }

    /// x_0 and noise of the draws `range`: `[range][D]` each. Numbers belong to a draw.
    func draws(_ range: Range<Int>, seed: UInt64) -> (x0: Matrix, noise: Matrix) {
        let size = dimension
        // Epochs 0 and 1 are those of draws from a mixture.
        let stream = RandomStream(seed: seed, purpose: .likelihood)
        let noise = range.flatMap { stream.normals(count: size, epoch: 2, position: $0).map(Double.init) }
        let x0: [Double]
        switch self {
        case .law(let law, _):
            let places = MixtureDraws(seed: seed, .likelihood, dimension: size)
            x0 = range.flatMap { law.draw(places, round: 0, $0).x }
        case .samples(let rows): x0 = Array(rows.elements[range.lowerBound * size..<range.upperBound * size])
        }
        return (Matrix(x0, rows: range.count, columns: size), Matrix(noise, rows: range.count, columns: size))
    }

    /// ln q(x_t) at ᾱ of every row of `xt`.
    public func logDensities(_ xt: Matrix, alphaBar: Double) -> [Double] {
        switch self {
        case .law(let law, _): law.noised(alphaBar).logDensities(rows: xt)
        case .samples(let rows): kernelLogDensities(xt, rows, scale: alphaBar.squareRoot(), variance: 1 - alphaBar)
        }
    }
}

/// `ln 1/n Σ_i N(x; scale · s_i, variance · I)` of every row x of `xt`, with s_i the rows of `samples`.
private func kernelLogDensities(_ xt: Matrix, _ samples: Matrix, scale: Double, variance: Double) -> [Double] {
    func squares(_ matrix: Matrix) -> [Double] {
        (0..<matrix.rows).map { row in
            matrix.elements[row * matrix.columns..<(row + 1) * matrix.columns].reduce(0) { $0 + $1 * $1 }
        }
    }
    var products = Matrix(rows: xt.rows, columns: samples.rows)
    products.setProduct(xt, samples, transposingSecond: true)
    let (ofX, ofSamples) = (squares(xt), squares(samples))
    let count = Double(samples.rows)
    let constant = -log(count) - Double(xt.columns) / 2 * log(2 * Double.pi * variance)
    return (0..<xt.rows).map { row in
        let terms = (0..<samples.rows).map { i in
            -(ofX[row] + scale * scale * ofSamples[i] - 2 * scale * products[row, i]) / (2 * variance)
        }
        return constant + logSumExp(terms)
    }
}
