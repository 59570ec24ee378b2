import Foundation

/// Curves drawn with letters: braille, eight dots a letter, or two dots a letter in ASCII.
public struct TerminalChart: Sendable {
    /// What a terminal can show.
    public struct Style: Sendable {
        public let width: Int
        public let isUnicode: Bool
        public let isLogarithmic: Bool

        /// - Parameter width: letters a line, the labels of the axis included; at least 40 are taken.
        public init(width: Int, isUnicode: Bool, isLogarithmic: Bool = false) {
            self.width = max(40, width)
            self.isUnicode = isUnicode
            self.isLogarithmic = isLogarithmic
        }
    }

    /// Letters in a row of one colour: that of a curve, or none.
    public struct Piece: Equatable, Sendable {
        public let text: String
        public let color: Int?

        public init(text: String, color: Int?) { (self.text, self.color) = (text, color) }
    }

    private static let height = 10
    private let curves: [Curve]
    private let style: Style
    private let vertical: Axis
    private let horizontal: Axis

    /// A chart of `curves`.
    ///
    /// - Parameter others: curves that are not drawn, but whose values the axes have room for, so that charts below each
    ///   other can be compared.
    public init(_ curves: [Curve], besides others: [Curve] = [], _ style: Style) {
        (self.curves, self.style) = (curves, style)
        let all = curves + others
        vertical = Axis(all.lazy.flatMap(\.y), isLogarithmic: style.isLogarithmic, margin: 0, wanted: 4)
        horizontal = Axis(all.lazy.flatMap(\.x), margin: 0, wanted: 4)
    }

    /// Lines from the top, each in pieces of one colour: the plot between the highest and the lowest value, and the first and
    /// last step below it.
    public var lines: [[Piece]] {
        let labels = [vertical.high, vertical.low].map(Self.label)
        let margin = (labels.map(\.count).max() ?? 0) + 1
        let columns = max(1, style.width - margin - 1)
        let dots = drawn(columns: columns)
        let bar = style.isUnicode ? "│" : "|"
        let plot = (0..<Self.height).map { row -> [Piece] in
            let label = row == 0 ? labels[0] : row == Self.height - 1 ? labels[1] : ""
            let head = String(repeating: " ", count: margin - 1 - label.count) + label + " " + bar
            return joined([Piece(text: head, color: nil)] + (0..<columns).map { dots[row * columns + $0] })
        }
        let (first, last) = (Self.label(horizontal.low), Self.label(horizontal.high))
        let between = max(1, columns - first.count - last.count)
        let foot = String(repeating: " ", count: margin + 1) + first + String(repeating: " ", count: between) + last
        return plot + [[Piece(text: foot, color: nil)]]
    }

    private static func label(_ value: Double) -> String {
        Int(exactly: value).map(String.init) ?? String(format: "%.4g", value)
    }

    /// The letters of the plot, row by row. Where curves cross in a letter, it has the colour of the last.
    private func drawn(columns: Int) -> [Piece] {
        let (across, down) = style.isUnicode ? (2, 4) : (1, 2)
        var bits = [UInt8](repeating: 0, count: columns * Self.height)
        var colors = [Int?](repeating: nil, count: bits.count)
        for curve in curves {
            for (x, y) in places(of: curve, width: columns * across, height: Self.height * down) {
                let cell = y / down * columns + x / across
                bits[cell] |= style.isUnicode ? Self.braille[y % 4][x % 2] : 1 << UInt8(y % 2)
                colors[cell] = curve.color
            }
        }
        return bits.indices.map { index in
            let text =
                bits[index] == 0
                ? " "
                : style.isUnicode
                    ? String(Unicode.Scalar(0x2800 + UInt32(bits[index])) ?? " ")
                    : ["'", ".", ":"][Int(bits[index]) - 1]
            return Piece(text: text, color: bits[index] == 0 ? nil : colors[index])
        }
    }

    /// Bits of the dots in a letter of braille (Unicode 15, section 21.1), by row and column.
    private static let braille: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]

    /// The dots of a curve on a field of `width` × `height`, from the top left; two in a row are joined by others.
    private func places(of curve: Curve, width: Int, height: Int) -> [(x: Int, y: Int)] {
        let thin = curve.thinned(to: width, from: horizontal.low, to: horizontal.high)
        var dots: [(x: Int, y: Int)] = []
        var previous: (x: Int, y: Int)?
        for (x, y) in zip(thin.x, thin.y) {
            guard let right = horizontal.place(of: x), let up = vertical.place(of: y) else {
                previous = nil
                continue
            }
            let dot = (
                x: Int((right * Double(width - 1)).rounded()), y: Int(((1 - up) * Double(height - 1)).rounded())
            )
            let start = previous ?? dot
            let steps = max(abs(dot.x - start.x), abs(dot.y - start.y))
            for step in 0...steps {
                let part = steps == 0 ? 1 : Double(step) / Double(steps)
                dots.append(
                    (
                        start.x + Int((Double(dot.x - start.x) * part).rounded()),
                        start.y + Int((Double(dot.y - start.y) * part).rounded())
                    ))
            }
            previous = dot
        }
        return dots
    }

    private func joined(_ pieces: [Piece]) -> [Piece] {
        pieces.reduce(into: []) { joined, piece in
            if let last = joined.last, last.color == piece.color {
                joined[joined.count - 1] = Piece(text: last.text + piece.text, color: last.color)
            } else {
                joined.append(piece)
            }
        }
    }
}
