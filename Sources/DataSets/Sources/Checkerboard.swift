import Philox

/// Uniform on the dark squares of a board of `side`×`side` that covers −1…1 on both axes; the square in the lower left corner
/// is dark. With 4×4 squares a common test of distributions with sharp edges (Grathwohl et al., *FFJORD*, 2019, section 4.1).
public struct Checkerboard: DrawnPoints, Equatable {
    /// Squares along an axis.
    public let side: Int
    /// Seed of the draws.
    public let seed: UInt64

    /// All of it; see the properties.
    public init(side: Int = 4, seed: UInt64 = 0) {
        precondition(side > 0 && side <= 4096, "no board of \(side)×\(side) squares")
        (self.side, self.seed) = (side, seed)
    }

    /// Lower left corners of the dark squares, row by row from below.
    private var corners: [SIMD2<Double>] {
        (0..<side * side).filter { ($0 % side + $0 / side).isMultiple(of: 2) }.map {
            SIMD2(Double($0 % side), Double($0 / side)) * width - 1
        }
    }

    private var width: Double { 2 / Double(side) }

    public var distribution: StoredDistribution {
        .rectangles(StoredRectangles(corners: corners.flatMap { [$0.x, $0.y] }, sides: [width, width]))
    }

    public func draw(_ range: Range<Int>) -> (points: [Float], labels: [Int32]) {
        precondition(range.lowerBound >= 0, "cannot draw the points \(range)")
        let stream = RandomStream(seed: seed, purpose: .data)
        let (corners, width) = (corners, width)
        var points: [Float] = []
        var labels: [Int32] = []
        for i in range {
            // Epochs of their own, because the same place of a stream gives the same bits to every kind of draw.
            let square = stream.integer(below: corners.count, epoch: 0, position: i)
            for axis in 0..<2 {
                points.append(Float(corners[square][axis] + width * stream.uniform(epoch: 1 + axis, position: i)))
            }
            labels.append(Int32(square))
        }
        return (points, labels)
    }
}
