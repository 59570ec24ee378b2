import Foundation
import Plots

/// Standard output as a place for curves.
struct TerminalOutput {
    let width: Int
    let isUnicode: Bool
    let hasColor: Bool

    private static let colors = [34, 33, 32, 35, 36, 31, 94, 90]

    /// What this process writes to. A pipe has 80 columns. Letters beyond ASCII need a locale of UTF-8.
    init(_ color: ColorChoice) {
        let terminal = Terminal(of: STDOUT_FILENO)
        width = terminal?.columns ?? 80
        isUnicode = localeHasUnicode
        hasColor = color.allows(isTerminal: terminal != nil)
    }

    /// Writes a line of pieces in their colours; a line break may begin the first.
    ///
    /// - Throws: `CommandFailure` when standard output is closed or its disk is full.
    func write(_ line: [TerminalChart.Piece]) throws {
        try printOut(
            line.map { piece in
                (
                    piece.text,
                    (hasColor ? piece.color : nil).map { LetterStyle(code: Self.colors[$0 % Self.colors.count]) }
                )
            })
    }
}
