import Foundation

extension CaseReport {
    /// The report as a table: a title, a row for each quantity, notes and the verdict.
    public var table: String {
        let header = ["quantity", "largest error", "allowed", "", "worst at"]
        let rows = measurements.map {
            [
                $0.quantity, Self.short($0.error),
                String(format: "%.0e", $0.tolerance) + ($0.isRelative ? " relative" : " absolute"),
                $0.passes ? "ok" : "MISS", $0.worst,
            ]
        }
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        let lines = ([header] + rows).map { row in
            let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            return "  " + cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces)
        }
        let missed = measurements.filter { !$0.passes }
        let verdict =
            missed.isEmpty
            ? "pass"
            : "FAIL: "
                + missed.map { "\($0.quantity) has an error of \(Self.short($0.error)) at \($0.worst)" }
                .joined(separator: "; ")
        return (["\(path)", "  \(summary)"] + lines + notes.map { "  note: \($0)" } + ["  \(verdict)"])
            .joined(separator: "\n")
    }

    private static func short(_ error: Double) -> String {
        error.isFinite ? String(format: "%.1e", error) : "not finite"
    }
}

/// The outcome of some reference files, as `--json` prints it.
public struct ConformanceSummary: Encodable, Sendable {
    /// One file that was compared, or could not be.
    public struct Entry: Encodable, Sendable {
        /// The file.
        public let path: String
        /// Whether everything was within its tolerance.
        public let passes: Bool
        /// The measurements; missing when the file could not be used.
        public let report: CaseReport?
        /// Why the file could not be used.
        public let error: String?
    }

    /// Every file in the order given.
    public private(set) var files: [Entry] = []
    /// Whether every file passed.
    public private(set) var passes = true

    public init() {}

    /// Adds a file that was compared.
    public mutating func add(_ report: CaseReport) {
        files.append(Entry(path: report.path, passes: report.passes, report: report, error: nil))
        passes = passes && report.passes
    }

    /// Adds a file that could not be used.
    public mutating func add(_ path: String, error: String) {
        files.append(Entry(path: path, passes: false, report: nil, error: error))
        passes = false
    }

    /// The summary as JSON; an infinite error is the string "inf".
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
