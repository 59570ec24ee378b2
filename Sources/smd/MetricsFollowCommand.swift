import Reports
import ArgumentParser
import Files
import Foundation
import Storage

extension MetricsCommand {
    /// `smd metrics follow`.
    struct Follow: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the rows of a running job as they come, until it ends.",
            discussion: """
                Reads the run's journal, a text file beside metrics.h5, and nothing else: the job cannot notice. Ends \
                with status 0 when the run ends, with 1 when its writer was killed, and on ^C. A run that was resumed \
                from an earlier step gives rows of those steps again.

                EXAMPLES
                  smd metrics follow runs/fashion
                  smd metrics follow runs/fashion --columns loss,eta_variance --last 100 | grep -v nan
                  smd metrics follow runs/fashion --json | jq --unbuffered .loss
                """)

        @Argument(
            help: ArgumentHelp("The metrics file, or the folder of a run that holds one.", valueName: "file"),
            completion: .file(extensions: ["h5"]))
        var path: String

        @Option(help: ArgumentHelp("Begin with this many rows that are there already.", valueName: "rows"))
        var last = 10

        @Option(help: ArgumentHelp("These columns, separated by commas.", valueName: "names"), completion: .columns)
        var columns = "loss,gradient_norm,images_per_second"

        @Option(help: ArgumentHelp("Look for new rows this often.", valueName: "seconds"))
        var interval = 0.5

        @Flag(help: "Write a line of JSON for each row; what is no finite number is null.")
        var json = false

        func validate() throws {
            if last < 0 { throw ValidationError("--last is \(last), wanted 0 or more") }
            if !(0.01...3600).contains(interval) {
                throw ValidationError("--interval is \(interval), wanted 0.01 to 3600 seconds")
            }
        }

        func run() throws {
            let file = try metricsFile(path)
            if FileManager.default.fileExists(atPath: file) { try FileTrial.run(.metrics, file) }
            let follower = MetricsFollower(path: file)
            var isFirst = true
            var lastStep = 0
            while true {
                let (rows, state) = try follower.look()
                if let rows {
                    var table = try rows.selecting(columnNames(columns))
                    if isFirst && !json { try printOut(Self.line(table.columns)) }
                    if isFirst { table = table.last(last) }
                    isFirst = false
                    try show(table)
                    lastStep = rows.steps.last ?? lastStep
                }
                switch state {
                case .running: Thread.sleep(forTimeInterval: interval)
                case .ended: return
                case .abandoned:
                    throw CommandFailure(
                        .failure,
                        "\(printable(file)): nobody writes it any more; the run was killed after step \(lastStep)")
                }
            }
        }

        private func show(_ table: MetricsTable) throws {
            if json {
                if table.rowCount > 0 { try printOut(json: MetricsExport.jsonLines(table)) }
                return
            }
            for (row, step) in table.steps.enumerated() {
                try printOut(Self.line(["\(step)"] + table.row(row).dropFirst().map(fourDigits)))
            }
        }

        private static func line(_ cells: [String]) -> String {
            cells.map { String(repeating: " ", count: max(0, 12 - $0.count)) + printable($0) }.joined(separator: "  ")
        }
    }
}
