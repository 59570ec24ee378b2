import ArgumentParser
import Files
import Foundation
import Reports
import Storage

/// `smd metrics`: reads the rows that training writes, while it writes them or later.
struct MetricsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Read the metrics of a run, live or finished.",
        discussion: """
            EXAMPLES
              smd metrics show runs/fashion
              smd metrics show runs/fashion/metrics.h5 --last 20 --columns loss,gradient_norm
              smd metrics follow runs/fashion
            """,
        subcommands: [Show.self, Follow.self])

    /// `smd metrics show`.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sum up a metrics file: loss at the start and now, rates, and where the time of the ranks goes.",
            discussion: """
                Works on the file of a running job, of a finished one and of one that was killed. "start" and "now" \
                are means over the first and the last rows, a tenth of all but at most 100.

                EXAMPLES
                  smd metrics show runs/fashion
                  smd metrics show runs/fashion/metrics.h5 --last 20 --columns loss,gradient_norm
                  smd metrics show runs/fashion --json | jq .columns.loss.now
                """)

        @Argument(help: ArgumentHelp("The metrics file, or the folder of a run that holds one.", valueName: "file"))
        var path: String

        @Option(help: ArgumentHelp("Show the last rows as a table, this many.", valueName: "rows"))
        var last: Int?

        @Option(help: ArgumentHelp("Only these columns, separated by commas.", valueName: "names"))
        var columns: String?

        @Flag(help: "Write JSON.")
        var json = false

        func validate() throws {
            if let last, last < 1 { throw ValidationError("--last is \(last), wanted 1 or more") }
        }

        func run() throws {
            let file = try metricsFile(path)
            try FileTrial.run(.metrics, file)
            var table = try MetricsTable.read(file)
            if let columns { table = try table.selecting(columnNames(columns)) }
            let summary = MetricsSummary(path: file, table: table, lastRows: last)
            if json { return try printJSON(summary) }
            guard let last else { return try printOut(summary.text) }
            // Without units: they are sentences, wider than any terminal together.
            let rows = table.last(last)
            try printOut(MetricsTable(columns: rows.columns, values: rows.values).formatted())
        }
    }
}

/// The metrics file that is meant by `path`, which may be the folder of a run.
///
/// - Throws: `CommandFailure` where there are no metrics.
func metricsFile(_ path: String) throws -> String {
    let isRun = isFolder(path)
    let file = isRun ? Path.join(path, "metrics.h5") : path
    guard MetricsWriter.exists(file) else {
        throw CommandFailure(
            .badInput,
            isRun ? "\(path) holds no run: there is no \(file)" : "there is no run folder or file \(path)")
    }
    return file
}

/// Names of columns, separated by commas.
func columnNames(_ text: String) -> [String] {
    text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
}
