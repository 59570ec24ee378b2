import DataSets

extension Scene {
    /// The drawing as a PNG file, two pixels for each of the drawing's. The same drawing gives the same bytes.
    ///
    /// - Throws: `DataSetError` where it is too large.
    public func png() throws -> [UInt8] {
        var canvas = Canvas(
            width: Int((width * Canvas.scale).rounded()), height: Int((height * Canvas.scale).rounded()))
        for mark in marks { canvas.draw(mark) }
        return try PNG.encode(canvas.pixels, height: canvas.height, width: canvas.width, channels: 3)
    }
}

/// Pixels that marks are drawn on, RGB on white.
private struct Canvas {
    static let scale = 2.0
    let width: Int
    let height: Int
    private(set) var pixels: [UInt8]

    init(width: Int, height: Int) {
        (self.width, self.height) = (width, height)
        pixels = [UInt8](repeating: 255, count: width * height * 3)
    }

    mutating func draw(_ mark: Mark) {
        switch mark {
        case .line(let points, let ink, let width, let opacity):
            stroke(points.map { Point($0.x * Self.scale, $0.y * Self.scale) }, ink, width * Self.scale, opacity)
        case .text(let text, let point, let ink, _, let anchor, _):
            write(text, at: Point(point.x * Self.scale, point.y * Self.scale), ink, anchor)
        }
    }

    private mutating func blend(_ x: Int, _ y: Int, _ ink: Ink, _ share: Double) {
        guard x >= 0, y >= 0, x < width, y < height, share > 0 else { return }
        let color = ink.onLight
        for channel in 0..<3 {
            let wanted = Double((color >> UInt32(16 - 8 * channel)) & 0xFF)
            let index = (y * width + x) * 3 + channel
            pixels[index] = UInt8((Double(pixels[index]) + (wanted - Double(pixels[index])) * share).rounded())
        }
    }

    /// Strokes a whole line at once: where its pieces meet or cross, it is not darker.
    private mutating func stroke(_ points: [Point], _ ink: Ink, _ lineWidth: Double, _ opacity: Double) {
        let reach = lineWidth / 2 + 1
        func span(_ values: [Double], _ limit: Int) -> Range<Int> {
            let low = max(0, min(Double(limit), ((values.min() ?? 0) - reach).rounded(.down)))
            let high = max(low, min(Double(limit), ((values.max() ?? 0) + reach).rounded(.up)))
            return Int(low)..<Int(high)
        }
        let (columns, rows) = (span(points.map(\.x), width), span(points.map(\.y), height))
        guard !columns.isEmpty, !rows.isEmpty else { return }
        var cover = [Double](repeating: 0, count: columns.count * rows.count)
        for (start, end) in zip(points, points.count > 1 ? Array(points.dropFirst()) : points) {
            for y in span([start.y, end.y], height) {
                for x in span([start.x, end.x], width) {
                    let away = distance(Point(Double(x) + 0.5, Double(y) + 0.5), from: start, to: end)
                    let share = min(1, max(0, lineWidth / 2 + 0.5 - away))
                    let index = (y - rows.lowerBound) * columns.count + x - columns.lowerBound
                    if share > cover[index] { cover[index] = share }
                }
            }
        }
        for y in rows {
            for x in columns {
                let share = cover[(y - rows.lowerBound) * columns.count + x - columns.lowerBound]
                if share > 0 { blend(x, y, ink, share * opacity) }
            }
        }
    }

    private func distance(_ point: Point, from start: Point, to end: Point) -> Double {
        let (dx, dy) = (end.x - start.x, end.y - start.y)
        let length = dx * dx + dy * dy
        let along = length > 0 ? ((point.x - start.x) * dx + (point.y - start.y) * dy) / length : 0
        let part = min(1, max(0, along))
        let (ex, ey) = (point.x - start.x - part * dx, point.y - start.y - part * dy)
        return (ex * ex + ey * ey).squareRoot()
    }

    /// Letters of the one size and weight that the font has.
    private mutating func write(_ text: String, at point: Point, _ ink: Ink, _ anchor: Mark.Anchor) {
        let length = text.unicodeScalars.count * BitmapFont.width
        let shift = anchor == .start ? 0 : anchor == .middle ? length / 2 : length
        var left = Int(point.x.rounded()) - shift
        let top = Int(point.y.rounded()) - BitmapFont.ascent
        for scalar in text.unicodeScalars {
            for (row, bits) in BitmapFont.rows(of: scalar).enumerated() {
                for column in 0..<BitmapFont.width where bits >> UInt16(BitmapFont.width - 1 - column) & 1 == 1 {
                    blend(left + column, top + row, ink, 1)
                }
            }
            left += BitmapFont.width
        }
    }
}
