import ArgumentParser
import Files
import Foundation
import Reports
import Storage

extension MetricsCommand {
    /// `smd metrics export`.
    struct Export: ParsableCommand {
        /// What other programs read.
        enum Format: String, ExpressibleByArgument, CaseIterable { case csv, jsonl, tensorboard }

        static let configuration = CommandConfiguration(
            abstract:
                "Write the metrics of a run for other programs: CSV, JSON lines, or an event file of TensorBoard.",
            discussion: """
                CSV and JSON lines hold every digit; what was not measured is nan in CSV and null in JSON. TensorBoard wants \
                a folder: PATH is made, and gets one event file with a tag for each column. TensorBoard keeps float32, and \
                metrics hold no dates: the wall time there counts the seconds of training. The same metrics give the same \
                bytes.

                EXAMPLES
                  smd metrics export runs/fashion --format csv --output fashion.csv
                  smd metrics export runs/fashion --format jsonl --output - | jq .loss
                  smd metrics export runs/fashion --format tensorboard --output logs/fashion; tensorboard --logdir logs
                """)

        @Argument(
            help: ArgumentHelp("The metrics file, or the folder of a run that holds one.", valueName: "run"),
            completion: .file(extensions: ["h5"]))
        var path: String

        @Option(help: ArgumentHelp("csv, jsonl or tensorboard.", valueName: "format"))
        var format: Format

        @Option(
            name: .shortAndLong,
            help: ArgumentHelp("The file to write, - for standard output; for TensorBoard a folder.", valueName: "path")
        )
        var output: String

        @Option(
            help: ArgumentHelp("Only these columns, separated by commas.", valueName: "names"), completion: .columns)
        var columns: String?

        @Flag(name: [.customShort("f"), .long], help: "Replace the file if it is there.")
        var overwrite = false

        func run() throws {
            let file = try metricsFile(path)
            switch format {
            case .csv: try write(file, as: MetricsExport.csv)
            case .jsonl: try write(file, as: MetricsExport.jsonLines)
            case .tensorboard: try writeEvents(file)
            }
        }

        private func write(_ file: String, as text: (MetricsTable) -> String) throws {
            if output == "-" {
                let text = text(try table(file))
                return try format == .csv ? printOut(text) : printOut(json: text)
            }
            try requireWritable(output, overwrite: overwrite, inputs: [file])
            let table = try table(file)
            let bytes = Array(text(table).utf8)
            try creatingOutput { try writeOutput(bytes, to: output) }
            try printOut("\(output): \(rows(table))")
        }

        /// Writes an event file into the folder `output`, which is made, and goes again where that fails.
        private func writeEvents(_ file: String) throws {
            guard !output.isEmpty && output != "-" else {
                throw CommandFailure(.usage, "TensorBoard reads a folder: give its name to --output")
            }
            let isNew = mkdir(output, 0o777) == 0
            guard isNew || errno == EEXIST && isFolder(output) else {
                throw CommandFailure(
                    .cannotCreateOutput, "cannot make the folder \(output): \(String(cString: strerror(errno)))")
            }
            do {
                // Any name with "tfevents" is one to TensorBoard.
                let place = Path.join(output, "events.out.tfevents.0.smd")
                try requireWritable(place, overwrite: overwrite, inputs: [file])
                let table = try table(file)
                let events = MetricsExport.eventFile(table)
                try creatingOutput { try writeOutput(events, to: place) }
                try printOut("\(place): \(rows(table))")
            } catch {
                if isNew { rmdir(output) }
                throw error
            }
        }

        private func rows(_ table: MetricsTable) -> String {
            "\(grouped(table.rowCount)) \(table.rowCount == 1 ? "row" : "rows") of \(table.columns.count) columns"
        }

        private func table(_ file: String) throws -> MetricsTable {
            let table = try triedMetrics(file)
            return try columns.map { try table.selecting(columnNames($0)) } ?? table
        }
    }
}
