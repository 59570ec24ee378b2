import Files
import Foundation

// What this program says: all text of all commands goes through here, to a terminal, a pipe or a log. Text from outside
// (names of files, attributes, labels, keys) may hold anything; what leaves here are whole lines of printable characters.
// Results go to standard output; progress, notes, warnings and errors to standard error. Only progress, curves and
// verdicts, whose text is this program's own, have escape sequences (`LetterStyle`).

/// Writes text to standard output, line by line printable, and makes sure that it arrived, which `print` does not.
///
/// - Throws: `CommandFailure` when standard output is closed or its disk is full.
func printOut(_ text: String) throws { try printOut([(text, nil)]) }

/// The same of text in parts, some of them in a style.
func printOut(_ parts: [(text: String, style: LetterStyle?)]) throws {
    let whole = parts.map { part in
        let lines = part.text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map {
            printable(Substring($0))
        }
        let text = lines.joined(separator: "\n")
        return part.style?(text) ?? text
    }.joined()
    if let reason = StandardStreams.write(whole.hasSuffix("\n") ? whole : whole + "\n", to: STDOUT_FILENO) {
        throw CommandFailure(.cannotCreateOutput, "cannot write to standard output: \(reason)")
    }
}

/// Writes indented JSON with sorted keys, the names of properties in snake case; several values become one object.
func printJSON(_ parts: any Encodable...) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    try printOut(json: String(decoding: encoder.encode(JoinedParts(parts: parts)), as: UTF8.self))
}

/// Whether the locale has more characters than ASCII, by the variables that say so, the first that is set.
var localeHasUnicode: Bool {
    let environment = ProcessInfo.processInfo.environment
    let name = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    return ["utf-8", "utf8"].contains { name.lowercased().contains($0) }
}

/// The keys of all parts side by side.
private struct JoinedParts: Encodable {
    let parts: [any Encodable]

    func encode(to encoder: any Encoder) throws { for part in parts { try part.encode(to: encoder) } }
}

/// Writes JSON. Characters in it that are not printable are escaped.
func printOut(json: String) throws { try printOut(escaped(json: json)) }

/// JSON in which what is not printable is written as `\u…`. Outside of texts there is nothing but spaces and line breaks.
private func escaped(json: String) -> String {
    if json.utf8.allSatisfy({ (0x20..<0x7F).contains($0) || $0 == UInt8(ascii: "\n") }) { return json }
    return json.unicodeScalars.map { scalar in
        if scalar.isPrintable || scalar == "\n" { return String(scalar) }
        return String(scalar).utf16.map { unit in
            let digits = String(unit, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }.joined()
    }.joined()
}

/// Writes a note to standard error: what is done, for whoever watches; left out with `--quiet`.
func note(_ text: String) { if !isQuiet { printError(text) } }

/// Writes a warning to standard error.
func warn(_ text: String) { printError("smd: warning: \(text)") }
