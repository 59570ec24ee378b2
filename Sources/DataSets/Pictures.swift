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
    (pointPlot(points, size, in: PlotSquare(around: points, margin: 1.05)), size, size)
}

/// Clouds of points in rows of panels, each as ``pointPlot(_:size:)`` draws it; all show the square around the first cloud of
/// their row, 30 % wider, and leave out what lies beyond.
///
/// - Parameters:
///   - rows: of equally many clouds, each N × 2.
///   - size: points of a panel along each side, each drawn as `scale`×`scale` pixels.
public func pointPlots(_ rows: [[[Float]]], size: Int, scale: Int = 1) -> (pixels: [UInt8], height: Int, width: Int) {
    let columns = rows.first?.count ?? 0
    precondition(columns > 0 && rows.allSatisfy { $0.count == columns }, "\(rows.map(\.count)) clouds in rows")
    let panels = rows.flatMap { row in
        let square = PlotSquare(around: row[0], margin: 1.3)
        return row.flatMap { pointPlot($0, size, in: square) }
    }
    return imageGrid(panels, of: (size, size, 1), columns: columns, scale: scale)
}

/// The part of the plane that a plot shows.
private struct PlotSquare {
    var corner: SIMD2<Double>
    var side: Double

    /// The square around the bounding box of the points that are finite, `margin` times as wide.
    init(around points: [Float], margin: Double) {
        let finite = finitePoints(points)
        let low = finite.reduce(finite.first ?? .zero, pointwiseMin)
        let high = finite.reduce(finite.first ?? .zero, pointwiseMax)
        let extent = max(high.x - low.x, high.y - low.y)
        side = extent > 0 ? extent * margin : 1
        corner = (low + high - side) / 2
    }
}

private func finitePoints(_ points: [Float]) -> [SIMD2<Double>] {
    precondition(points.count % 2 == 0, "\(points.count) numbers are no pairs")
    return stride(from: 0, to: points.count, by: 2).compactMap { i in
        points[i].isFinite && points[i + 1].isFinite ? SIMD2(Double(points[i]), Double(points[i + 1])) : nil
    }
}

private func pointPlot(_ points: [Float], _ size: Int, in square: PlotSquare) -> [UInt8] {
    precondition(size > 0, "a plot of \(size) pixels")
    var hits = [Int](repeating: 0, count: size * size)
    for point in finitePoints(points) {
        let place = (point - square.corner) / square.side * Double(size)
        guard place.x >= 0, place.y >= 0, place.x < Double(size), place.y < Double(size) else { continue }
        hits[(size - 1 - Int(place.y)) * size + Int(place.x)] += 1
    }
    // A lone point is already dark enough to see; more points go on to black.
    return hits.map { (count: Int) -> UInt8 in count == 0 ? 255 : UInt8(150 - 30 * min(count, 5)) }
}
