import LinearAlgebra

/// Mean and covariance of rows of numbers, computed over the ranks.
///
/// Rows are read in tiles of a fixed size and summed in double precision, always in the same order: a tile of the mean,
/// and a block of rows of the covariance, is one rank's.
public struct Moments: Equatable, Sendable {
    /// `[F]`.
    public let mean: [Double]
    /// Unbiased (over N − 1), `[F][F]`.
    public let covariance: Matrix

    private static let tileRows = 1024
    private static let blockRows = 256

    /// Given ones.
    public init(mean: [Double], covariance: Matrix) {
        precondition(
            covariance.rows == mean.count && covariance.columns == mean.count,
            "a covariance of \(covariance.rows)×\(covariance.columns) for a mean of \(mean.count)")
        (self.mean, self.covariance) = (mean, covariance)
    }

    /// Of `count` rows of `dimension` numbers. Collective.
    ///
    /// - Parameter rows: reads some, `[range][dimension]`.
    /// - Throws: what `rows` throws.
    package init(
        _ task: String, count: Int, dimension: Int, _ work: EvaluationWork, rows: (Range<Int>) throws -> [Double]
    ) throws {
        precondition(count > 1, "the covariance of \(count) rows")
        let tiles = EvaluationWork.tiles(of: count, length: Self.tileRows)
        let sums = try work.pieces("\(task): mean", tiles.count) { tile in
            var sum = [Double](repeating: 0, count: dimension)
            let values = try rows(tiles[tile])
            for row in 0..<tiles[tile].count { for i in 0..<dimension { sum[i] += values[row * dimension + i] } }
            return sum
        }
        var mean = [Double](repeating: 0, count: dimension)
        for sum in sums { for i in 0..<dimension { mean[i] += sum[i] } }
        for i in 0..<dimension { mean[i] /= Double(count) }

        let blocks = EvaluationWork.tiles(of: dimension, length: Self.blockRows)
        let products = try work.pieces("\(task): covariance", blocks.count) { block in
            // Of the columns before the block, the same products stand in the blocks before.
            let first = blocks[block].lowerBound
            var sum = Matrix(rows: blocks[block].count, columns: dimension - first)
            for tile in tiles {
                var centred = try rows(tile)
                for row in 0..<tile.count { for i in 0..<dimension { centred[row * dimension + i] -= mean[i] } }
                sum.addGram(of: Matrix(centred, rows: tile.count, columns: dimension), columns: blocks[block])
            }
            return sum.elements
        }
        var covariance = Matrix(rows: dimension, columns: dimension)
        for (block, product) in zip(blocks, products) {
            let width = dimension - block.lowerBound
            for i in block {
                for j in i..<dimension {
                    let sum = product[(i - block.lowerBound) * width + j - block.lowerBound]
                    covariance[i, j] = sum / Double(count - 1)
                    covariance[j, i] = covariance[i, j]
                }
            }
        }
        self.init(mean: mean, covariance: covariance)
    }

    /// Of features. Collective.
    public init(of features: FeatureMatrix, _ work: EvaluationWork) throws {
        try self.init(
            "statistics of features", count: features.count, dimension: features.dimension, work,
            rows: features.doubles)
    }
}
