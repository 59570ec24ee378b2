import Foundation

/// Writes text to standard output and makes sure that it arrived, which `print` does not.
///
/// - Throws: `CommandFailure` when standard output is closed or its disk is full.
func printOut(_ text: String) throws {
    do {
        try FileHandle.standardOutput.write(contentsOf: Data((text.hasSuffix("\n") ? text : text + "\n").utf8))
    } catch {
        throw CommandFailure(.cannotCreateOutput, "cannot write to standard output: \(describeOnOneLine(error))")
    }
}

/// Writes a value as indented JSON with sorted keys.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    try printOut(String(decoding: encoder.encode(value), as: UTF8.self))
}

/// Writes a warning to standard error.
func warn(_ text: String) { FileHandle.standardError.write(Data("smd: warning: \(printable(text))\n".utf8)) }

/// Text of a file for a terminal: its control characters become spaces.
func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.isControl ? " " : $0 }))
}

extension Unicode.Scalar.Properties {
    /// True for characters that move a cursor or break a line.
    fileprivate var isControl: Bool {
        [.control, .format, .lineSeparator, .paragraphSeparator].contains(generalCategory)
    }
}

/// "28,512,003".
func grouped(_ number: Int) -> String {
    var digits = String(number.magnitude)
    var groups: [String] = []
    while digits.count > 3 {
        groups.insert(String(digits.suffix(3)), at: 0)
        digits.removeLast(3)
    }
    return (number < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

/// Lines of columns, each as wide as its widest cell; the first column left-aligned, the others right-aligned.
func aligned(_ rows: [[String]]) -> String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
        let cells = row.enumerated().map { column, cell in
            let padding = String(repeating: " ", count: widths[column] - cell.count)
            return column == 0 ? cell + padding : padding + cell
        }
        return "  " + cells.joined(separator: "  ")
    }.joined(separator: "\n")
}

/// `value`, or nil for what JSON cannot hold.
func finite(_ value: Double) -> Double? {
    value.isFinite ? value : nil
}
