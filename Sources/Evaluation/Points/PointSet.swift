/// Points of one dimension D, in double precision.
public struct PointSet: Equatable, Sendable {
    /// D.
    public let dimension: Int
    /// `[count][D]`.
    public let values: [Double]

    /// - Parameter values: `[count][dimension]`.
    public init(_ values: [Double], dimension: Int) {
        precondition(
            dimension > 0 && values.count % dimension == 0, "\(values.count) numbers are no points of \(dimension)")
        (self.values, self.dimension) = (values, dimension)
    }

    public var count: Int { values.count / dimension }

    /// Point `i`, `[D]`.
    public subscript(i: Int) -> [Double] { Array(values[i * dimension..<(i + 1) * dimension]) }

    /// The first `count` points, or all where there are fewer.
    public func prefix(_ count: Int) -> PointSet {
        count >= self.count ? self : PointSet(Array(values.prefix(count * dimension)), dimension: dimension)
    }

    /// The points of these numbers, in their order.
    public func picked(_ numbers: some Sequence<Int32>) -> PointSet {
        PointSet(numbers.flatMap { self[Int($0)] }, dimension: dimension)
    }
}

/// `Σ_j value(‖x_i − y_j‖²)` of every point i of `x`, and `Σ_i value(‖x_i − y_j‖²)` of every point j of `y`.
func pairSums(_ x: PointSet, _ y: PointSet, _ value: (Double) -> Double) -> (ofX: [Double], ofY: [Double]) {
    precondition(x.dimension == y.dimension, "points of \(x.dimension) and of \(y.dimension) coordinates")
    var ofX = [Double](repeating: 0, count: x.count)
    var ofY = [Double](repeating: 0, count: y.count)
    for i in ofX.indices {
        var sum = 0.0
        for j in ofY.indices {
            let term = value(squaredDistance(x, i, y, j))
            sum += term
            ofY[j] += term
        }
        ofX[i] = sum
    }
    return (ofX, ofY)
}

/// `Σ_{j ≠ i} value(‖x_i − x_j‖²)` of every point i of `x`.
func pairSums(within x: PointSet, _ value: (Double) -> Double) -> [Double] {
    var sums = [Double](repeating: 0, count: x.count)
    for i in sums.indices {
        var sum = 0.0
        for j in 0..<i {
            let term = value(squaredDistance(x, i, x, j))
            sum += term
            sums[j] += term
        }
        sums[i] += sum
    }
    return sums
}

@inline(__always)
private func squaredDistance(_ x: PointSet, _ i: Int, _ y: PointSet, _ j: Int) -> Double {
    var sum = 0.0
    for axis in 0..<x.dimension {
        let difference = x.values[i * x.dimension + axis] - y.values[j * x.dimension + axis]
        sum += difference * difference
    }
    return sum
}
