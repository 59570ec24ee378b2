import Files
import LinearAlgebra
import Philox

extension ImageMetric {
    static let kernel = ImageMetric(
        name: "kernel",
        check: { counts, _ in
            for (what, count) in counts where count < 2 {
                throw EvaluationError("the kernel distance wants 2 images, and \(what) has \(count); give more")
            }
        },
        figures: { comparison in
            let estimate = try kernelDistance(
                comparison.samples.features, comparison.dataSide.features, comparison.subsets, seed: comparison.seed,
                comparison.work)
            let name = comparison.features.distanceName("kernel distance", common: "KID")
            return [Figure("kernel_distance", name, estimate)]
        })
}

/// How many subsets the kernel distance is the mean of, and how large they are.
public struct KernelSubsets: Equatable, Sendable {
    public var count: Int
    /// Images of each kind in a subset; where there are fewer images, all.
    public var size: Int

    /// As in common use: 100 subsets of 1000.
    public init(count: Int = 100, size: Int = 1000) {
        precondition(count > 0 && size > 1, "\(count) subsets of \(size)")
        (self.count, self.size) = (count, size)
    }
}

/// The kernel distance (KID, Bińkowski et al. 2018): the mean over random subsets of the unbiased squared maximum mean
/// discrepancy. Collective.
///
/// Its error is s/√n with s the standard deviation over subsets, and n no more than the subsets that have no image in
/// common: others tell nothing new.
public func kernelDistance(
    _ samples: FeatureMatrix, _ data: FeatureMatrix, _ subsets: KernelSubsets, seed: UInt64, _ work: EvaluationWork
) throws -> Estimate {
    let fewer = min(samples.count, data.count)
    let size = min(subsets.size, fewer)
    let stream = RandomStream(seed: seed, purpose: .evaluation)
    /// Different images, all subsets of a set being equally likely.
    func chosen(_ features: FeatureMatrix, _ draw: Int) -> Matrix {
        let rows = stream.permutation(count: features.count, epoch: draw).prefix(size).map(Int.init)
        let values = features.selecting(rows).values.map(Double.init)
        return Matrix(values, rows: size, columns: features.dimension)
    }
    let values = try work.pieces("kernel distance", subsets.count) { subset in
        [squaredDiscrepancy(chosen(samples, 2 * subset), chosen(data, 2 * subset + 1))]
    }.map { $0[0] }
    let estimate = Estimate(meanOf: values)
    let independent = Double(min(subsets.count, max(1, fewer / size)))
    return Estimate(
        estimate.value, error: estimate.error.map { $0 * (Double(subsets.count) / independent).squareRoot() })
}

/// The unbiased squared maximum mean discrepancy (Gretton et al. 2012, equation 3) of n rows each, with the kernel
/// k(x, y) = (x·y/F + 1)³:
///
///     Σ_{i≠j} k(x_i, x_j)/(n(n−1)) + Σ_{i≠j} k(y_i, y_j)/(n(n−1)) − 2 Σ_{i,j} k(x_i, y_j)/n²
package func squaredDiscrepancy(_ x: Matrix, _ y: Matrix) -> Double {
    precondition(x.rows == y.rows && x.rows > 1, "\(x.rows) and \(y.rows) rows")
    let n = Double(x.rows)
    // Kept from product to product, so that memory is asked for once.
    var products = Matrix(rows: x.rows, columns: x.rows)
    let ofX = kernelSum(x, x, offDiagonal: true, &products)
    let ofY = kernelSum(y, y, offDiagonal: true, &products)
    return (ofX + ofY) / (n * (n - 1)) - 2 * kernelSum(x, y, offDiagonal: false, &products) / (n * n)
}

private func kernelSum(_ a: Matrix, _ b: Matrix, offDiagonal: Bool, _ products: inout Matrix) -> Double {
    products.setProduct(a, b, transposingSecond: true)
    let scale = 1 / Double(a.columns)
    return products.elements.withUnsafeBufferPointer { products in
        var sum = 0.0
        for i in 0..<a.rows {
            for j in 0..<b.rows where !(offDiagonal && i == j) {
                let k = products[i * b.rows + j] * scale + 1
                sum += k * k * k
            }
        }
        return sum
    }
}
