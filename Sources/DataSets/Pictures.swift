/// Lays images of one shape out in rows of `columns`, `padding` black pixels apart and around, every pixel drawn as
/// `scale`×`scale`.
///
/// - Parameter images: one or more of height × width × channels.
/// - Returns: The picture, its height and its width in pixels; it has as many channels as an image.
public func imageGrid(
    _ images: [UInt8], of shape: (height: Int, width: Int, channels: Int), columns: Int, padding: Int = 2,
    scale: Int = 1
) -> (pixels: [UInt8], height: Int, width: Int) {
    let (height, width, channels) = shape
    let count = images.count / (height * width * channels)
    precondition(
        count > 0 && columns > 0 && padding >= 0 && scale > 0 && images.count == count * height * width * channels,
        "cannot lay out \(images.count) values as images of \(height)×\(width)×\(channels)")
    let shown = min(columns, count)
    let rows = (count + shown - 1) / shown
    let (cellHeight, cellWidth) = (height * scale + padding, width * scale + padding)
    let (outHeight, outWidth) = (rows * cellHeight + padding, shown * cellWidth + padding)
    var picture = [UInt8](repeating: 0, count: outHeight * outWidth * channels)
    for i in 0..<count {
        let (top, left) = (padding + i / shown * cellHeight, padding + i % shown * cellWidth)
        for y in 0..<height * scale {
            for x in 0..<width * scale {
                let source = ((i * height + y / scale) * width + x / scale) * channels
                let target = ((top + y) * outWidth + left + x) * channels
                for c in 0..<channels { picture[target + c] = images[source + c] }
            }
        }
    }
    return (picture, outHeight, outWidth)
}

/// Draws a cloud of points as a grey picture, `size`×`size`: white ground, darker where more points fall. The square
/// shown is centred on the points' bounding box, 5 % wider than it, with equal units on both axes; the second
/// coordinate grows upwards. Points that are not finite are left out.
///
/// - Parameter points: N × 2.
public func pointPlot(_ points: [Float], size: Int = 512) -> (pixels: [UInt8], height: Int, width: Int) {
    precondition(points.count % 2 == 0 && size > 0, "cannot plot \(points.count) numbers as pairs on \(size) pixels")
    var finite: [SIMD2<Double>] = []
    for i in stride(from: 0, to: points.count, by: 2) where points[i].isFinite && points[i + 1].isFinite {
        finite.append(SIMD2(Double(points[i]), Double(points[i + 1])))
    }
    guard let first = finite.first else {
        return ([UInt8](repeating: 255, count: size * size), size, size)
    }
    var (low, high) = (first, first)
    for point in finite {
        low = pointwiseMin(low, point)
        high = pointwiseMax(high, point)
    }
    let extent = max(high.x - low.x, high.y - low.y)
    let side = extent > 0 ? extent * 1.05 : 1
    let corner = (low + high - side) / 2
    var hits = [Int](repeating: 0, count: size * size)
    for point in finite {
        let place = (point - corner) / side * Double(size)
        let column = min(size - 1, max(0, Int(place.x)))
        let row = size - 1 - min(size - 1, max(0, Int(place.y)))
        hits[row * size + column] += 1
    }
    // A lone point is already dark enough to see; more points go on to black.
    let pixels = hits.map { (count: Int) -> UInt8 in count == 0 ? 255 : UInt8(150 - 30 * min(count, 5)) }
    return (pixels, size, size)
}
