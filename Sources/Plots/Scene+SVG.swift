import Files
import Foundation

extension Scene {
    /// The drawing as text in SVG 1.1. The same drawing gives the same bytes.
    ///
    /// Every mark has the class of its ink, and the colour for a light ground as an attribute, which a style sheet
    /// overrides.
    ///
    /// - Parameters:
    ///   - label: what it shows, for those who cannot see it.
    ///   - hasGround: whether the ground is filled: in a file, but not in a page, which has its own.
    public func svg(label: String, hasGround: Bool = true) -> String {
        let (w, h) = (number(width), number(height))
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(w) \(h)\" width=\"\(w)\" height=\"\(h)\" "
                + "role=\"img\" aria-label=\"\(escapedMarkup(label))\" "
                + "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\">"
        ]
        if hasGround {
            lines.append("<rect class=\"ground\" width=\"\(w)\" height=\"\(h)\" fill=\"\(hex(Ink.ground.onLight))\"/>")
        }
        lines += marks.map(element)
        return lines.joined(separator: "\n") + "\n</svg>\n"
    }

    private func element(_ mark: Mark) -> String {
        switch mark {
        case .line(let points, let ink, let width, let opacity):
            // A path of one point has no length, and so no ends to be drawn, unless it goes somewhere.
            let whole = points.count == 1 ? points + points : points
            let path = whole.enumerated().map { ($0 == 0 ? "M" : "L") + number($1.x) + " " + number($1.y) }
            let faint = opacity < 1 ? " stroke-opacity=\"\(number(opacity))\"" : ""
            return
                "<path class=\"\(ink.className)\" d=\"\(path.joined())\" fill=\"none\" stroke=\"\(hex(ink.onLight))\" "
                + "stroke-width=\"\(number(width))\"\(faint) stroke-linecap=\"round\" stroke-linejoin=\"round\"/>"
        case .text(let text, let point, let ink, let size, let anchor, let isBold):
            let place = anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\""
            return "<text class=\"\(ink.className)\" x=\"\(number(point.x))\" y=\"\(number(point.y))\" "
                + "font-size=\"\(number(size))\"\(isBold ? " font-weight=\"600\"" : "")\(place) "
                + "fill=\"\(hex(ink.onLight))\">\(escapedMarkup(text))</text>"
        }
    }

    /// A style sheet for drawings inside a page: the colours of both themes.
    public static var styleSheet: String {
        func rules(_ color: (Ink) -> UInt32) -> String {
            Ink.all.map { ink in
                "svg path.\(ink.className){stroke:\(hex(color(ink)))}svg text.\(ink.className){fill:\(hex(color(ink)))}"
            }.joined()
        }
        return rules(\.onLight) + "@media (prefers-color-scheme:dark){\(rules(\.onDark))}"
    }
}

/// Two decimals at most, without the locale's ideas.
private func number(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let (whole, part) = (abs(hundredths) / 100, abs(hundredths) % 100)
    let digits = part == 0 ? "" : part % 10 == 0 ? ".\(part / 10)" : part < 10 ? ".0\(part)" : ".\(part)"
    return (hundredths < 0 ? "-" : "") + "\(whole)\(digits)"
}

private func hex(_ color: UInt32) -> String {
    let digits = String(color, radix: 16)
    return "#" + String(repeating: "0", count: 6 - digits.count) + digits
}

/// Text from anywhere as the content, or an attribute, of an element of SVG, HTML or XML. What could move a cursor,
/// reorder text or is no character of XML becomes a space.
public func escapedMarkup(_ text: String) -> String {
    var escaped = ""
    for scalar in printable(text).unicodeScalars {
        switch scalar {
        case "&": escaped += "&amp;"
        case "<": escaped += "&lt;"
        case ">": escaped += "&gt;"
        case "\"": escaped += "&quot;"
        case "'": escaped += "&#39;"
        case "\u{FFFE}", "\u{FFFF}": escaped += " "
        default: escaped.unicodeScalars.append(scalar)
        }
    }
    return escaped
}
