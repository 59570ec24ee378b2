/// What features say of many images, an image a row.
public struct FeatureMatrix: Equatable, Sendable {
    /// Images N.
    public let count: Int
    /// Numbers an image, F.
    public let dimension: Int
    /// `[N][F]`.
    public let values: [Float]

    /// Of given values, `[count][dimension]`.
    public init(_ values: [Float], count: Int, dimension: Int) {
        precondition(values.count == count * dimension, "\(values.count) features of \(count) × \(dimension)")
        (self.values, self.count, self.dimension) = (values, count, dimension)
    }

    /// Rows in double precision, `[rows][F]`.
    func doubles(_ rows: Range<Int>) -> [Double] {
        values[rows.lowerBound * dimension..<rows.upperBound * dimension].map(Double.init)
    }

    /// The images of these numbers, in this order.
    public func selecting(_ rows: [Int]) -> FeatureMatrix {
        FeatureMatrix(
            rows.flatMap { values[$0 * dimension..<($0 + 1) * dimension] }, count: rows.count, dimension: dimension)
    }
}
