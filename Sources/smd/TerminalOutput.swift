import Files
import Foundation
import Plots

/// Standard output as a place for curves.
struct TerminalOutput {
    let width: Int
    let isUnicode: Bool
    let hasColor: Bool

    private static let colors = [34, 33, 32, 35, 36, 31, 94, 90]

    /// What this process writes to. A pipe has 80 columns and no colour; `NO_COLOR` (not empty) switches it off, and so does
    /// `TERM=dumb`. Letters beyond ASCII need a locale of UTF-8.
    static var standard: TerminalOutput {
        let environment = ProcessInfo.processInfo.environment
        let isTerminal = isatty(STDOUT_FILENO) == 1
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        let isUnicode = ["utf-8", "utf8"].contains { locale.lowercased().hasSuffix($0) }
        let isPlain = environment["TERM"] == "dumb" || !(environment["NO_COLOR"] ?? "").isEmpty
        return TerminalOutput(
            width: isTerminal ? terminalColumns() : 80, isUnicode: isUnicode, hasColor: isTerminal && !isPlain)
    }

    /// Writes a line of pieces in their colours; a line break may begin the first.
    ///
    /// - Throws: `CommandFailure` when standard output is closed or its disk is full.
    func write(_ line: [TerminalChart.Piece]) throws {
        guard hasColor, line.contains(where: { $0.color != nil }) else {
            return try printOut(line.map(\.text).joined())
        }
        let text = line.map { piece -> String in
            let lines = piece.text.split(separator: "\n", omittingEmptySubsequences: false).map { printable($0) }
            let text = lines.joined(separator: "\n")
            return piece.color.map { "\u{1B}[\(Self.colors[$0 % Self.colors.count])m\(text)\u{1B}[0m" } ?? text
        }
        if let reason = StandardStreams.write(text.joined() + "\n", to: STDOUT_FILENO) {
            throw CommandFailure(.cannotCreateOutput, "cannot write to standard output: \(reason)")
        }
    }
}
