import Plots

/// A piece of a page. What is put into a literal as text is escaped, so that it can be neither an element nor leave an
/// attribute (in quotes); only pieces go in as they are.
///
///     let row: HTML = "<td title=\"\(path)\">\(value)</td>"
struct HTML: ExpressibleByStringInterpolation, CustomStringConvertible {
    let description: String

    init(stringLiteral value: String) { description = value }
    init(stringInterpolation: StringInterpolation) { description = stringInterpolation.text }

    /// Markup that this program has made.
    init(trusted: String) { description = trusted }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate(set) var text = ""

        init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }
        mutating func appendLiteral(_ literal: String) { text += literal }
        mutating func appendInterpolation(_ value: String) { text += escapedMarkup(value) }
        mutating func appendInterpolation(_ value: Int) { text += "\(value)" }
        mutating func appendInterpolation(_ piece: HTML) { text += piece.description }
        mutating func appendInterpolation(_ pieces: [HTML]) {
            text += pieces.map(\.description).joined(separator: "\n")
        }
    }
}
