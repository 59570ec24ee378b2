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

        @Argument(help: ArgumentHelp("The metrics file, or the folder of a run that holds one.", valueName: "run"))
        var path: String

        @Option(help: ArgumentHelp("csv, jsonl or tensorboard.", valueName: "format"))
        var format: Format

        @Option(
            name: .shortAndLong,
            help: ArgumentHelp("The file to write, - for standard output; for TensorBoard a folder.", valueName: "path")
        )
        var output: String

        @Option(help: ArgumentHelp("Only these columns, separated by commas.", valueName: "names"))
        var columns: String?

        @Flag(name: .shortAndLong, help: "Replace the file if it is there.")
        var force = false

        @Flag(help: "The same as --force.")
        var overwrite = false

        func run() throws {
            let file = try metricsFile(path)
            let isStandardOutput = output == "-"
            if isStandardOutput && format == .tensorboard {
                throw CommandFailure(.usage, "TensorBoard reads a folder: give its name to --output")
            }
            let place = format == .tensorboard ? try eventFile(in: output) : output
            if !isStandardOutput { try requireWritable(place, overwrite: overwrite || force, inputs: [file]) }
            var table = try triedMetrics(file)
            if let columns { table = try table.selecting(columnNames(columns)) }
            switch format {
            case .tensorboard: try creatingOutput { try writeOutput(MetricsExport.eventFile(table), to: place) }
            case .csv, .jsonl:
                let text = format == .csv ? MetricsExport.csv(table) : MetricsExport.jsonLines(table)
                if isStandardOutput { return try format == .csv ? printOut(text) : printOut(json: text) }
                try creatingOutput { try writeOutput(Array(text.utf8), to: place) }
            }
        }

        /// The path of the event file in a folder, which is made.
        private func eventFile(in folder: String) throws -> String {
            guard !folder.isEmpty else { throw CommandFailure(.usage, "the name of the folder to write is empty") }
            if mkdir(folder, 0o777) != 0, errno != EEXIST || !isFolder(folder) {
                throw CommandFailure(
                    .cannotCreateOutput, "cannot make the folder \(folder): \(String(cString: strerror(errno)))")
            }
            // Any name with "tfevents" is one to TensorBoard.
            return Path.join(folder, "events.out.tfevents.0.smd")
        }
    }
}
