import CCodecs
import Foundation

/// What makes an image of another size of one: the weight of a source pixel by its distance from the output pixel's centre.
/// When shrinking a filter widens with the scale, so that every source pixel counts. Pillow's filters of the same kinds, bit
/// for bit.
public enum ResizeFilter: String, CaseIterable, Sendable {
    /// The mean of the source pixels under an output pixel; when enlarging the nearest pixel.
    case box
    /// Linear interpolation; Pillow's BILINEAR.
    case triangle
    /// Keys' cubic convolution, a = −1/2.
    case bicubic
    /// A sinc windowed by another, three lobes.
    case lanczos

    /// Half of the width, in source pixels.
    var support: Double {
        switch self {
        case .box: 0.5
        case .triangle: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The weight at distance `x`, before it is normalised.
    func weight(_ x: Double) -> Double {
        switch self {
        case .box: return x > -0.5 && x <= 0.5 ? 1 : 0
        case .triangle: return max(0, 1 - abs(x))
        case .bicubic:
            let (a, d) = (-0.5, abs(x))
            if d < 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
            return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0
        case .lanczos:
            func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(x * .pi) / (x * .pi) }
            return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0
        }
    }
}

/// Which source pixels make one output pixel, and how much each counts.
private struct ResampleTaps {
    /// First source pixel of each output pixel.
    var starts: [Int32] = []
    /// Number of source pixels of each output pixel.
    var counts: [Int32] = []
    /// `[outputs][stride]`, in units of 2⁻²²: products of bytes and these are summed without rounding.
    var weights: [Int32] = []
    let stride: Int

    /// Taps of output pixels `range` when `source` pixels become `target`.
    init(_ filter: ResizeFilter, source: Int, target: Int, range: Range<Int>) {
        let scale = Double(source) / Double(target)
        let wide = max(scale, 1)
        let reach = filter.support * wide
        stride = 2 * Int(reach.rounded(.up)) + 1
        for i in range {
            let center = (Double(i) + 0.5) * scale
            let first = max(0, Int(center - reach + 0.5))
            let last = min(source, Int(center + reach + 0.5))
            let raw = (first..<last).map { filter.weight((Double($0) - center + 0.5) / wide) }
            let sum = raw.reduce(0, +)
            starts.append(Int32(first))
            counts.append(Int32(raw.count))
            weights += raw.map { Int32(($0 / sum * 0x1p22).rounded(.toNearestOrAwayFromZero)) }
            weights += [Int32](repeating: 0, count: stride - raw.count)
        }
    }

    /// The source pixels that any output pixel reads.
    var span: Range<Int> {
        let first = Int(starts.min() ?? 0)
        return first..<max(first, zip(starts, counts).map { Int($0 + $1) }.max() ?? first)
    }

    /// Runs `body` with the taps as C takes them, first source pixels counted from `origin`.
    func withTaps(from origin: Int = 0, _ body: (codecs_taps) -> Void) {
        let starts = starts.map { $0 - Int32(origin) }
        starts.withUnsafeBufferPointer { starts in
            counts.withUnsafeBufferPointer { counts in
                weights.withUnsafeBufferPointer { weights in
                    body(
                        codecs_taps(
                            starts: starts.baseAddress, counts: counts.baseAddress, weights: weights.baseAddress,
                            stride: Int32(stride)))
                }
            }
        }
    }
}

extension RasterImage {
    /// Rows and columns of the image as it would be at `height`×`width`; the whole of it where they are not given. First
    /// along rows, then along columns, each rounded to bytes.
    public func resized(
        height fullHeight: Int, width fullWidth: Int, rows: Range<Int>? = nil, columns: Range<Int>? = nil,
        filter: ResizeFilter = .triangle
    ) -> RasterImage {
        let (rows, columns) = (rows ?? 0..<fullHeight, columns ?? 0..<fullWidth)
        precondition(
            !rows.isEmpty && !columns.isEmpty && rows.lowerBound >= 0 && rows.upperBound <= fullHeight
                && columns.lowerBound >= 0 && columns.upperBound <= fullWidth,
            "no rows \(rows), columns \(columns) of \(fullHeight)×\(fullWidth)")
        if (fullHeight, fullWidth) == (height, width), rows.count == height, columns.count == width { return self }
        let vertical = ResampleTaps(filter, source: height, target: fullHeight, range: rows)
        let horizontal = ResampleTaps(filter, source: width, target: fullWidth, range: columns)
        let span = vertical.span
        let length = columns.count * channels

        let narrow = [UInt8](unsafeUninitializedCapacity: span.count * length) { out, filled in
            pixels.withUnsafeBufferPointer { source in
                horizontal.withTaps { taps in
                    codecs_resample_rows(
                        source.baseAddress.map { $0 + span.lowerBound * width * channels }, Int32(span.count),
                        Int32(width), Int32(channels), taps, Int32(columns.count), out.baseAddress)
                }
            }
            filled = span.count * length
        }
        let result = [UInt8](unsafeUninitializedCapacity: rows.count * length) { out, filled in
            vertical.withTaps(from: span.lowerBound) { taps in
                codecs_resample_columns(narrow, Int32(length), taps, Int32(rows.count), out.baseAddress)
            }
            filled = rows.count * length
        }
        return RasterImage(height: rows.count, width: columns.count, channels: channels, pixels: result)
    }
}
