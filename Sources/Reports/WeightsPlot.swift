import Files
import Foundation
import Plots
import Storage

/// Tensors as a picture: a row a tensor, and side by side the groups that it is in. Each has its histogram from the
/// smallest to the largest value, these two, mean and standard deviation in numbers, and the deviation on a
/// logarithmic axis that the tensors of a group share, where one that vanishes or explodes stands out.
public struct WeightsPlot {
    private let title: String
    private let groups: [(name: String, axis: DeviationAxis)]
    /// Name of the tensor, and what there is of it in each group.
    private let rows: [(name: String, cells: [TensorStatistics?])]

    private static let (rowHeight, histogramHeight, head, margin) = (32.0, 20.0, 60.0, 16.0)
    private static let (binWidth, textWidth, axisWidth, gap) = (6.0, 124.0, 72.0, 12.0)
    private static let letter = 5.0
    private static let binsWidth = binWidth * Double(TensorStatistics.binCount)
    private static let cellWidth = binsWidth + textWidth + axisWidth + 4 * gap

    /// A picture of `tensors`, which is not empty; groups and tensors are in their order there.
    public init(_ tensors: [TensorStatistics], title: String) {
        precondition(!tensors.isEmpty, "a picture of no tensors")
        self.title = title
        let names = tensors.map(\.group).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        groups = names.map { name in (name, DeviationAxis(tensors.filter { $0.group == name })) }
        // Groups of one network have the same tensors.
        var order: [String] = []
        var places: [String: Int] = [:]
        var cells: [[TensorStatistics?]] = []
        for tensor in tensors {
            let place = places[tensor.name] ?? order.count
            if place == order.count {
                places[tensor.name] = place
                order.append(tensor.name)
                cells.append(names.map { _ in nil })
            }
            if let column = names.firstIndex(of: tensor.group) { cells[place][column] = tensor }
        }
        rows = zip(order, cells).map { ($0, $1) }
    }

    /// The picture as a PNG file; the same numbers give the same bytes.
    ///
    /// - Throws: `DataSetError` where it is too large.
    public func png() throws -> [UInt8] {
        let nameWidth = Double(rows.map(\.name.count).max() ?? 0) * Self.letter + Self.gap
        let left = Self.margin + nameWidth
        var scene = Scene(
            width: max(left + Double(groups.count) * Self.cellWidth, 320),
            height: Self.head + Double(rows.count) * Self.rowHeight + Self.margin)
        scene.text(title, at: Point(Self.margin, 20), .text, isBold: true)
        for (column, group) in groups.enumerated() {
            drawHead(group.name, group.axis, at: left + Double(column) * Self.cellWidth, into: &scene)
        }
        for (row, (name, cells)) in rows.enumerated() {
            let top = Self.head + Double(row) * Self.rowHeight
            scene.line([Point(Self.margin, top), Point(scene.width - Self.gap, top)], .grid)
            scene.text(printable(name), at: Point(Self.margin, top + 19), .text)
            for (column, cell) in cells.enumerated() {
                guard let cell else { continue }
                let x = left + Double(column) * Self.cellWidth
                draw(cell, groups[column].axis, at: Point(x, top), into: &scene)
            }
        }
        return try scene.png()
    }

    private func drawHead(_ name: String, _ axis: DeviationAxis, at x: Double, into scene: inout Scene) {
        scene.text(printable(name), at: Point(x + Self.gap, 38), .text, isBold: true)
        scene.text("minimum … maximum", at: Point(x + 2 * Self.gap + Self.binsWidth, 38), .muted)
        scene.text("mean ± deviation", at: Point(x + 2 * Self.gap + Self.binsWidth, 51), .muted)
        guard let range = axis.range else { return }
        let start = x + 3 * Self.gap + Self.binsWidth + Self.textWidth
        scene.text("deviation", at: Point(start + Self.axisWidth / 2, 38), .muted, anchor: .middle)
        scene.text("1e\(range.lowerBound)", at: Point(start, 51), .muted)
        scene.text("1e\(range.upperBound)", at: Point(start + Self.axisWidth, 51), .muted, anchor: .end)
    }

    private func draw(_ tensor: TensorStatistics, _ axis: DeviationAxis, at corner: Point, into scene: inout Scene) {
        let (left, base) = (corner.x + Self.gap, corner.y + (Self.rowHeight + Self.histogramHeight) / 2)
        scene.line([Point(left, base), Point(left + Self.binsWidth, base)], .grid)
        let most = Double(tensor.histogram.max() ?? 0)
        for (bin, count) in tensor.histogram.enumerated() where count > 0 {
            let x = left + (Double(bin) + 0.5) * Self.binWidth
            let height = max(1, Double(count) / most * (Self.histogramHeight - 2))
            scene.line([Point(x, base - 1), Point(x, base - height)], .series(0), width: 3)
        }
        func figure(_ value: Double?) -> String { value.map { String(format: "%.3g", $0) } ?? "-" }
        let words = left + Self.gap + Self.binsWidth
        scene.text("\(figure(tensor.minimum)) … \(figure(tensor.maximum))", at: Point(words, corner.y + 13), .text)
        if tensor.notFinite > 0 {
            scene.text(
                "\(grouped(tensor.notFinite)) not finite", at: Point(words, corner.y + 26), .series(1), isBold: true)
        } else {
            scene.text("\(figure(tensor.mean)) ± \(figure(tensor.deviation))", at: Point(words, corner.y + 26), .muted)
        }
        let start = words + Self.textWidth + Self.gap
        let middle = corner.y + Self.rowHeight / 2
        scene.line([Point(start, middle), Point(start + Self.axisWidth, middle)], .grid)
        if let place = axis.place(of: tensor.deviation) {
            scene.line([Point(start + place * Self.axisWidth, middle)], .series(0), width: 7)
        }
    }
}

/// Powers of ten around the deviations of tensors.
private struct DeviationAxis {
    /// Exponents at its ends; nil where no deviation is above 0.
    let range: ClosedRange<Int>?

    init(_ tensors: [TensorStatistics]) {
        let logarithms = tensors.compactMap(\.deviation).filter { $0 > 0 }.map(log10)
        guard let low = logarithms.min(), let high = logarithms.max() else {
            range = nil
            return
        }
        let first = Int(low.rounded(.down))
        range = first...max(first + 1, Int(high.rounded(.up)))
    }

    /// Where a deviation lies: 0 at the start, 1 at the end; nil for none above 0.
    func place(of deviation: Double?) -> Double? {
        guard let range, let deviation, deviation > 0 else { return nil }
        return (log10(deviation) - Double(range.lowerBound)) / Double(range.upperBound - range.lowerBound)
    }
}
