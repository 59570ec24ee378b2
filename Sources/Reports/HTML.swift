import Plots

/// A piece of a page. What is put into a literal as text is escaped, so that it can be neither an element nor leave an
/// attribute (in quotes); only pieces go in as they are.
///
///     let row: HTML = "<td title=\"\(path)\">\(value)</td>"
package struct HTML: ExpressibleByStringInterpolation, CustomStringConvertible {
    package let description: String

    package init(stringLiteral value: String) { description = value }
    package init(stringInterpolation: StringInterpolation) { description = stringInterpolation.text }

    /// Markup that this program has made.
    package init(trusted: String) { description = trusted }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate(set) var text = ""

        package init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }
        package mutating func appendLiteral(_ literal: String) { text += literal }
        package mutating func appendInterpolation(_ value: String) { text += escapedMarkup(value) }
        package mutating func appendInterpolation(_ value: Int) { text += "\(value)" }
        package mutating func appendInterpolation(_ piece: HTML) { text += piece.description }
        package mutating func appendInterpolation(_ pieces: [HTML]) {
            text += pieces.map(\.description).joined(separator: "\n")
        }
    }
}
