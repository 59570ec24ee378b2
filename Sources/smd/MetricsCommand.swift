import ArgumentParser
import Files
import Foundation
import Reports
import Storage

/// `smd metrics`: reads the rows that training writes, while it writes them or later.
struct MetricsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Read, plot, export and compare the metrics of runs, live or finished.",
        discussion: """
            EXAMPLES
              smd metrics show runs/fashion
              smd metrics show runs/fashion/metrics.h5 --last 20 --columns loss,gradient_norm
              smd metrics follow runs/fashion
              smd metrics plot runs/fashion --output fashion.png
              smd metrics export runs/fashion --format csv --output fashion.csv
              smd metrics diff runs/one runs/other
            """,
        subcommands: [Show.self, Follow.self, Plot.self, Export.self, Diff.self])
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
