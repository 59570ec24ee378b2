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

/// `Σ_{j in others} value(‖x_i − y_j‖²)` of every point i of `points`; a point that is its own partner is left out where
/// `others` is nil, which stands for `points` themselves.
func pairSums(_ points: PointSet, _ others: PointSet?, _ value: (Double) -> Double) -> [Double] {
    let (size, partners) = (points.dimension, others ?? points)
    precondition(partners.dimension == size, "points of \(size) and of \(partners.dimension) coordinates")
    var sums = [Double](repeating: 0, count: points.count)
    points.values.withUnsafeBufferPointer { x in
        partners.values.withUnsafeBufferPointer { y in
            for i in 0..<sums.count {
                var sum = 0.0
                for j in 0..<partners.count where others != nil || i != j {
                    var squared = 0.0
                    for axis in 0..<size {
                        let difference = x[i * size + axis] - y[j * size + axis]
                        squared += difference * difference
                    }
                    sum += value(squared)
                }
                sums[i] = sum
            }
        }
    }
    return sums
}
