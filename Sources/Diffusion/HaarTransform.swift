/// The two-dimensional orthonormal Haar transform of square images, `[N, side, side, C]`, so many levels deep.
///
/// A level makes of each block of 2×2 pixels p q / r s the approximation `(p + q + r + s)/2` and the details
/// `(p − q + r − s)/2`, `(p + q − r − s)/2` and `(p − q − r + s)/2`. They lie in the quarters of the image, in this order;
/// the next level is that of the first quarter. The matrix of a block is its own inverse.
public struct HaarTransform: Sendable {
    /// Rows and columns of an image.
    public let side: Int
    public let channels: Int
    public let levels: Int

    /// - Parameter side: divisible by 2^levels.
    public init(side: Int, channels: Int, levels: Int) {
        precondition(
            levels >= 0 && side > 0 && channels > 0 && side % (1 << levels) == 0,
            "\(levels) levels of \(side)×\(side)×\(channels)")
        (self.side, self.channels, self.levels) = (side, channels, levels)
    }

    /// Numbers of an image.
    public var elements: Int { side * side * channels }

    /// The coefficients of images, `[N, side, side, C]`.
    public func callAsFunction(_ images: [Float]) -> [Float] {
        var values = images
        for level in 0..<levels { rotate(&values, level, from: .blocks, to: .quarters) }
        return values
    }

    /// The images of coefficients, `[N, side, side, C]`.
    public func inverse(_ coefficients: [Float]) -> [Float] {
        var values = coefficients
        for level in (0..<levels).reversed() { rotate(&values, level, from: .quarters, to: .blocks) }
        return values
    }

    /// Which group each coefficient of an image belongs to, `[side, side, C]`: the details of level ℓ are number ℓ, from 0,
    /// the approximation is number ``levels``.
    public var groups: [Int] {
        (0..<elements).map { i in
            let (row, column) = (i / channels / side, i / channels % side)
            return (0..<levels).first { max(row, column) >= side >> ($0 + 1) } ?? levels
        }
    }

    /// Share of the coefficients that each group has.
    public var shares: [Double] {
        (0...levels).map { ($0 < levels ? 0.75 : 1) / Double(1 << (2 * $0)) }
    }

    /// Where the four numbers of a block lie.
    private enum Layout {
        case blocks, quarters

        /// The offset of number `k` of the block at row `y` and column `x`, from 0 to `half`, in pixels.
        func place(_ k: Int, _ y: Int, _ x: Int, half: Int, side: Int) -> Int {
            switch self {
            case .blocks: (2 * y + k / 2) * side + 2 * x + k % 2
            case .quarters: (y + k / 2 * half) * side + x + k % 2 * half
            }
        }
    }

    private func rotate(_ values: inout [Float], _ level: Int, from: Layout, to: Layout) {
        precondition(values.count % elements == 0, "\(values.count) numbers of images of \(elements)")
        let half = side >> (level + 1)
        let source = values
        for first in stride(from: 0, to: values.count, by: elements) {
            for y in 0..<half {
                for x in 0..<half {
                    for c in 0..<channels {
                        func at(_ k: Int, _ layout: Layout) -> Int {
                            first + layout.place(k, y, x, half: half, side: side) * channels + c
                        }
                        let (p, q, r, s) = (
                            source[at(0, from)], source[at(1, from)], source[at(2, from)], source[at(3, from)]
                        )
                        values[at(0, to)] = (p + q + r + s) / 2
                        values[at(1, to)] = (p - q + r - s) / 2
                        values[at(2, to)] = (p + q - r - s) / 2
                        values[at(3, to)] = (p - q - r + s) / 2
                    }
                }
            }
        }
    }
}

extension HaarTransform {
    /// The approximation after ``levels`` levels, `[N, side >> levels, side >> levels, C]`: of each block of 2^levels × 2^levels
    /// pixels the mean times 2^levels.
    public func approximation(_ images: [Float]) -> [Float] {
        let row = (side >> levels) * channels
        let coefficients = self(images)
        return stride(from: 0, to: images.count, by: elements).flatMap { first in
            (0..<side >> levels).flatMap { y in
                let start = first + y * side * channels
                return coefficients[start..<start + row]
            }
        }
    }

    /// Images with another approximation, `[N, side >> levels, side >> levels, C]`, and the details of `images`.
    public func replacing(approximation: [Float], of images: [Float]) -> [Float] {
        let rows = side >> levels
        let row = rows * channels
        precondition(
            approximation.count * elements == images.count * rows * row,
            "\(approximation.count) numbers of approximations for \(images.count) of images")
        var coefficients = self(images)
        for line in 0..<approximation.count / row {
            let start = line / rows * elements + line % rows * side * channels
            coefficients.replaceSubrange(
                start..<start + row, with: approximation[line * row..<(line + 1) * row])
        }
        return inverse(coefficients)
    }
}
