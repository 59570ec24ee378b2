/// One plot: curves over steps, with axes.
public struct Panel: Sendable {
    /// What is plotted.
    public let title: String
    /// Its unit, or what it is, in a few words; may be empty.
    public let unit: String
    public let curves: [Curve]
    /// Whether it says itself which curve is which.
    public let hasLegend: Bool

    public init(title: String, unit: String, curves: [Curve], hasLegend: Bool = false) {
        (self.title, self.unit, self.curves, self.hasLegend) = (title, unit, curves, hasLegend)
    }
}

/// How panels are drawn.
public struct PlotStyle: Sendable {
    /// Weight of the past in the moving average that is drawn over the pale values; 0 draws the values alone.
    public var smoothing = 0.0
    /// Whether values are on a logarithmic scale, on which those that are not above 0 have no place.
    public var isLogarithmic = false

    public init(smoothing: Double = 0, isLogarithmic: Bool = false) {
        precondition((0..<1).contains(smoothing), "a smoothing of \(smoothing)")
        (self.smoothing, self.isLogarithmic) = (smoothing, isLogarithmic)
    }
}

extension Panel {
    /// The plot alone, `width` × `height` pixels.
    public func scene(width: Double, height: Double, _ style: PlotStyle) -> Scene {
        var scene = Scene(width: width, height: height)
        draw(into: &scene, at: Point(0, 0), width: width, height: height, style)
        return scene
    }

    /// Draws it into a rectangle of a drawing.
    func draw(into scene: inout Scene, at corner: Point, width: Double, height: Double, _ style: PlotStyle) {
        let plain = curves.map { style.smoothing > 0 ? $0.smoothed(style.smoothing) : $0 }
        let values = (style.smoothing > 0 ? curves + plain : plain).lazy.flatMap(\.y)
        let vertical = Axis(values, isLogarithmic: style.isLogarithmic, wanted: height > 150 ? 5 : 3)
        let horizontal = Axis(
            curves.lazy.flatMap(\.x), margin: 0, wanted: max(2, Int(width / 90)))
        let labels = vertical.ticks.map { Scene.width(of: $0.label, size: 10) }.max() ?? 0
        let frame = Frame(
            left: corner.x + max(30, labels + 10), right: corner.x + width - 14, top: corner.y + (hasLegend ? 44 : 30),
            bottom: corner.y + height - 24, horizontal: horizontal, vertical: vertical)
        scene.text(title, at: Point(corner.x + 6, corner.y + 16), .text, size: 12, isBold: true)
        let taken = Scene.width(of: title, size: 12) + 22
        let words = [style.isLogarithmic ? "log" : "", unit].filter { !$0.isEmpty }
        let note = fitted(words.joined(separator: ", "), width - taken - 14)
        if !note.isEmpty {
            scene.text(note, at: Point(corner.x + width - 14, corner.y + 16), .muted, size: 10, anchor: .end)
        }
        if hasLegend {
            drawLegend(curves.map { ($0.name, $0.color) }, into: &scene, at: Point(frame.left, corner.y + 34), width)
        }
        drawAxes(frame, into: &scene)
        if style.smoothing > 0 { for curve in curves { stroke(curve, in: frame, opacity: 0.28, into: &scene) } }
        for curve in plain { stroke(curve, in: frame, opacity: 1, into: &scene) }
        if !curves.contains(where: { $0.y.contains { vertical.place(of: $0) != nil } }) {
            let middle = Point((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2)
            scene.text("nothing to draw", at: middle, .muted, anchor: .middle)
        }
    }

    private func drawAxes(_ frame: Frame, into scene: inout Scene) {
        for (value, label) in frame.vertical.ticks {
            guard let y = frame.y(value) else { continue }
            scene.line([Point(frame.left, y), Point(frame.right, y)], .grid, width: 1)
            scene.text(label, at: Point(frame.left - 6, y + 3.5), .muted, size: 10, anchor: .end)
        }
        scene.line([Point(frame.left, frame.bottom), Point(frame.right, frame.bottom)], .muted, width: 1)
        for (value, label) in frame.horizontal.ticks {
            guard let x = frame.x(value) else { continue }
            scene.line([Point(x, frame.bottom), Point(x, frame.bottom + 4)], .muted, width: 1)
            // The outermost labels stay inside the drawing.
            let half = Scene.width(of: label, size: 10) / 2
            let isLast = x + half > frame.right + 12
            scene.text(
                label, at: Point(isLast ? frame.right + 12 : x, frame.bottom + 17), .muted, size: 10,
                anchor: isLast ? .end : .middle)
        }
    }

    private func stroke(_ curve: Curve, in frame: Frame, opacity: Double, into scene: inout Scene) {
        let pixels = max(1, Int(frame.right - frame.left))
        let (low, high) = (frame.horizontal.low, frame.horizontal.high)
        var piece: [Point] = []
        let thin = curve.thinned(to: pixels, from: low, to: high)
        for (x, y) in zip(thin.x, thin.y) {
            if let x = frame.x(x), let y = frame.y(y) {
                piece.append(Point(x, y))
            } else {
                scene.line(piece, .series(curve.color), width: piece.count == 1 ? 3 : 1.5, opacity: opacity)
                piece = []
            }
        }
        scene.line(piece, .series(curve.color), width: piece.count == 1 ? 3 : 1.5, opacity: opacity)
    }
}

/// Where the axes lie.
private struct Frame {
    let left: Double
    let right: Double
    let top: Double
    let bottom: Double
    let horizontal: Axis
    let vertical: Axis

    init(left: Double, right: Double, top: Double, bottom: Double, horizontal: Axis, vertical: Axis) {
        (self.left, self.right) = (left, max(left + 1, right))
        (self.top, self.bottom) = (top, max(top + 1, bottom))
        (self.horizontal, self.vertical) = (horizontal, vertical)
    }

    func x(_ value: Double) -> Double? { horizontal.place(of: value).map { left + $0 * (right - left) } }
    func y(_ value: Double) -> Double? { vertical.place(of: value).map { bottom - $0 * (bottom - top) } }
}

/// `text`, or as much of its beginning as fits into `width` pixels, with "…".
func fitted(_ text: String, _ width: Double) -> String {
    let letters = max(0, Int(width / Scene.width(of: "n", size: 10)))
    if text.count <= letters { return text }
    return letters < 4 ? "" : text.prefix(letters - 1) + "…"
}

/// Draws names beside strokes of their colours, in rows that are no wider than `width`; returns the number of rows.
@discardableResult
func drawLegend(
    _ entries: [(name: String, color: Int)], into scene: inout Scene, at corner: Point, _ width: Double
) -> Int {
    var (place, rows) = (corner, 1)
    for (name, color) in entries {
        let name = fitted(name, width - 40)
        let length = 24 + Scene.width(of: name, size: 10) + 14
        if place.x > corner.x, place.x + length > corner.x + width {
            place = Point(corner.x, place.y + 16)
            rows += 1
        }
        scene.line([Point(place.x, place.y - 3.5), Point(place.x + 16, place.y - 3.5)], .series(color), width: 2.5)
        scene.text(name, at: Point(place.x + 22, place.y), .muted, size: 10)
        place.x += length
    }
    return rows
}
