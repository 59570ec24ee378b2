/// Which source pixels make one output pixel, and how much each counts. The weights of an output pixel sum to 1.
private struct ResampleTaps {
    /// First source pixel of each output pixel.
    var starts: [Int] = []
    /// Number of source pixels of each output pixel.
    var counts: [Int] = []
    /// The weights of all output pixels, one after the other.
    var weights: [Float] = []

    /// Taps of output pixels `range` when `source` pixels become `target`: a triangle that is as wide as two source
    /// pixels when enlarging (bilinear) and widens with the scale when shrinking, so that every source pixel counts.
    init(source: Int, target: Int, range: Range<Int>) {
        let scale = Double(source) / Double(target)
        let reach = max(scale, 1)
        for i in range {
            let center = (Double(i) + 0.5) * scale
            let first = max(0, Int((center - reach + 0.5).rounded(.down)))
            let last = min(source, Int((center + reach + 0.5).rounded(.down)))
            let raw = (first..<last).map { max(0, 1 - abs((Double($0) + 0.5 - center) / reach)) }
            let sum = raw.reduce(0, +)
            starts.append(first)
            counts.append(raw.count)
            weights += raw.map { Float($0 / sum) }
        }
    }
}

extension RasterImage {
    /// The centre `size`×`size` pixels of the image scaled so that its short side is `size`.
    ///
    /// Only the pixels that remain are computed. The filter is a triangle that widens when shrinking, applied to the
    /// stored values in 32-bit floats, rounded once at the end. The long side is rounded down, as in torchvision's
    /// `Resize`; the crop starts at (long − size) / 2, rounded down.
    public func fitted(to size: Int) -> RasterImage {
        precondition(size > 0, "cannot fit an image into \(size) pixels")
        if height == size && width == size { return self }
        let short = min(height, width)
        let (fullHeight, fullWidth) = (size * height / short, size * width / short)
        let (top, left) = ((fullHeight - size) / 2, (fullWidth - size) / 2)
        return resampled(
            fullHeight: fullHeight, fullWidth: fullWidth, rows: top..<top + size, columns: left..<left + size)
    }

    /// The whole image at `height`×`width`, with the filter of ``fitted(to:)``.
    public func resized(height: Int, width: Int) -> RasterImage {
        precondition(height > 0 && width > 0, "cannot resize an image to \(height)×\(width)")
        return resampled(fullHeight: height, fullWidth: width, rows: 0..<height, columns: 0..<width)
    }

    /// Rows and columns of the image as it would be at `fullHeight`×`fullWidth`: first along rows, then columns.
    private func resampled(fullHeight: Int, fullWidth: Int, rows: Range<Int>, columns: Range<Int>) -> RasterImage {
        let vertical = ResampleTaps(source: height, target: fullHeight, range: rows)
        let horizontal = ResampleTaps(source: width, target: fullWidth, range: columns)
        let firstRow = vertical.starts.first ?? 0
        let endRow = (vertical.starts.last ?? 0) + (vertical.counts.last ?? 0)
        let rowLength = columns.count * channels

        // [endRow - firstRow][columns][channels]
        var narrowed = [Float](repeating: 0, count: (endRow - firstRow) * rowLength)
        pixels.withUnsafeBufferPointer { source in
            narrowed.withUnsafeMutableBufferPointer { out in
                for y in firstRow..<endRow {
                    var tap = 0
                    for x in 0..<columns.count {
                        for k in 0..<horizontal.counts[x] {
                            let weight = horizontal.weights[tap]
                            tap += 1
                            let from = (y * width + horizontal.starts[x] + k) * channels
                            let to = (y - firstRow) * rowLength + x * channels
                            for c in 0..<channels { out[to + c] += weight * Float(source[from + c]) }
                        }
                    }
                }
            }
        }

        var line = [Float](repeating: 0, count: rowLength)
        let result = [UInt8](unsafeUninitializedCapacity: rows.count * rowLength) { out, filled in
            filled = rows.count * rowLength
            var tap = 0
            for y in 0..<rows.count {
                for i in 0..<rowLength { line[i] = 0 }
                for k in 0..<vertical.counts[y] {
                    let weight = vertical.weights[tap]
                    tap += 1
                    let from = (vertical.starts[y] - firstRow + k) * rowLength
                    for i in 0..<rowLength { line[i] += weight * narrowed[from + i] }
                }
                for i in 0..<rowLength {
                    out[y * rowLength + i] = UInt8(min(max(line[i].rounded(), 0), 255))
                }
            }
        }
        return RasterImage(height: rows.count, width: columns.count, channels: channels, pixels: result)
    }
}
