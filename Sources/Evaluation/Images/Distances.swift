import LinearAlgebra

/// Squared Euclidean distances between rows of features, exact and in tiles of a fixed size: ‖a‖² + ‖b‖² − 2 a·b in double
/// precision.
struct Distances {
    /// Rows and columns of a tile; of the last ones there may be fewer.
    static let tile = 512

    private let a: FeatureMatrix
    private let b: FeatureMatrix
    // Kept from tile to tile, so that no memory is asked for in between.
    private var rows = Block()
    private var columns = Block()
    private var distances = Matrix(rows: 0, columns: 0)

    init(from a: FeatureMatrix, to b: FeatureMatrix) {
        precondition(a.dimension == b.dimension, "\(a.dimension) and \(b.dimension) features")
        (self.a, self.b) = (a, b)
    }

    /// Calls `body` with the squared distances of some rows of `a` to the rows of `b` from `begin` on, tile by tile:
    /// (rows, columns, distances `[rows][columns]`).
    mutating func forEachTile(
        _ piece: Range<Int>, from begin: Int = 0, _ body: (Range<Int>, Range<Int>, UnsafeBufferPointer<Double>) -> Void
    ) {
        for first in stride(from: piece.lowerBound, to: piece.upperBound, by: Self.tile) {
            rows.fill(a, first..<min(first + Self.tile, piece.upperBound))
            for second in stride(from: begin, to: b.count, by: Self.tile) {
                columns.fill(b, second..<min(second + Self.tile, b.count))
                compute()
                distances.elements.withUnsafeBufferPointer { body(rows.range, columns.range, $0) }
            }
        }
    }

    private mutating func compute() {
        let (height, width) = (rows.range.count, columns.range.count)
        if distances.rows != height || distances.columns != width { distances = Matrix(rows: height, columns: width) }
        distances.setProduct(rows.matrix, columns.matrix, transposingSecond: true)
        distances.elements.withUnsafeMutableBufferPointer { distances in
            for i in 0..<height {
                let norm = rows.squaredNorms[i]
                for j in 0..<width {
                    distances[i * width + j] = max(0, norm + columns.squaredNorms[j] - 2 * distances[i * width + j])
                }
            }
        }
    }

    /// Some rows in double precision.
    private struct Block {
        private(set) var range = 0..<0
        private(set) var matrix = Matrix(rows: 0, columns: 0)
        private(set) var squaredNorms: [Double] = []

        mutating func fill(_ features: FeatureMatrix, _ rows: Range<Int>) {
            let width = features.dimension
            range = rows
            if matrix.rows != rows.count || matrix.columns != width {
                matrix = Matrix(rows: rows.count, columns: width)
                squaredNorms = [Double](repeating: 0, count: rows.count)
            }
            features.values.withUnsafeBufferPointer { values in
                matrix.elements.withUnsafeMutableBufferPointer { elements in
                    for row in 0..<rows.count {
                        var sum = 0.0
                        for i in 0..<width {
                            let value = Double(values[(rows.lowerBound + row) * width + i])
                            elements[row * width + i] = value
                            sum += value * value
                        }
                        squaredNorms[row] = sum
                    }
                }
            }
        }
    }
}
