import ArgumentParser
import Files
import Foundation
import Plots
import Reports
import Storage

extension MetricsCommand {
    /// `smd metrics show`.
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sum up metrics: loss at the start and now, rates, where the time goes, and the loss as a curve.",
            discussion: """
                Works on the file of a running job, of a finished one and of one that was killed. "start" and "now" \
                are means over the first and the last rows, a tenth of all but at most 100. The curve is as wide as the \
                terminal, or 80 letters in a pipe; of several runs the curves lie over each other in colours, or without colour \
                below each other. --last and --around show rows instead.

                EXAMPLES
                  smd metrics show runs/fashion
                  smd metrics show runs/soft runs/vanilla --log
                  smd metrics show runs/fashion/metrics.h5 --last 20 --columns loss,gradient_norm
                  smd metrics show runs/fashion --around 1200 --window 5
                  smd metrics show runs/fashion --json | jq .columns.loss.now
                """)

        @Argument(
            help: ArgumentHelp("Metrics files, or the folders of runs that hold one.", valueName: "run"),
            completion: .file(extensions: ["h5"]))
        var paths: [String]

        @Option(help: ArgumentHelp("Show the last rows as a table, this many.", valueName: "rows"))
        var last: Int?

        @Option(help: ArgumentHelp("Show the rows around this step as a table.", valueName: "step"))
        var around: Int?

        @Option(help: ArgumentHelp("With --around: up to this many steps away.", valueName: "steps"))
        var window = 5

        @Option(
            help: ArgumentHelp("Only these columns, separated by commas; each as a curve.", valueName: "names"),
            completion: .columns)
        var columns: String?

        @Option(
            help: ArgumentHelp("Draw a moving average: weight of the past, 0 to below 1.", valueName: "weight"))
        var smooth = 0.0

        @Flag(help: "Curves on a logarithmic scale.")
        var log = false

        @OptionGroup var color: ColorOption

        @Flag(help: "Write JSON; of several runs a list, \"runs\".")
        var json = false

        func validate() throws {
            if let last, last < 1 { throw ValidationError("--last is \(last), wanted 1 or more") }
            if last != nil && around != nil { throw ValidationError("--last and --around exclude each other") }
            if !(0..<1).contains(smooth) {
                throw ValidationError("--smooth is \(smooth), wanted 0 or more and below 1")
            }
            if window < 0 { throw ValidationError("--window is \(window), wanted 0 or more") }
        }

        func run() throws {
            let files = try paths.map(metricsFile)
            var runs = try namedMetrics(paths, files)
            if let columns {
                runs = try runs.map { NamedMetrics(name: $0.name, table: try $0.table.selecting(columnNames(columns))) }
            }
            let summaries = zip(files, runs).map { MetricsSummary(path: $0, table: $1.table, rows: rows(of: $1.table)) }
            if json {
                if let only = summaries.first, summaries.count == 1 { return try printJSON(only) }
                return try printJSON(Summaries(runs: summaries))
            }
            if last != nil || around != nil {
                for (run, file) in zip(runs, files) { try show(rows(of: run.table), of: file, isOnly: runs.count == 1) }
                return
            }
            for summary in summaries { try printOut(summary.text) }
            try showCharts(runs)
        }

        private func rows(of table: MetricsTable) -> MetricsTable? {
            if let last { return table.last(last) }
            return around.map { step in
                let (low, high) = (step.subtractingReportingOverflow(window), step.addingReportingOverflow(window))
                return table.steps(
                    in: (low.overflow ? .min : low.partialValue)...(high.overflow ? .max : high.partialValue))
            }
        }

        private func show(_ rows: MetricsTable?, of file: String, isOnly: Bool) throws {
            guard let rows else { return }
            if !isOnly { try printOut("\(printable(file)):") }
            // Without units: they are sentences, wider than any terminal together.
            try printOut(MetricsTable(columns: rows.columns, values: rows.values).formatted())
        }

        private func showCharts(_ runs: [NamedMetrics]) throws {
            let runs = runs.filter { $0.table.rowCount > 1 }
            let names = columns.map(columnNames) ?? ["loss"]
            let output = TerminalOutput(color.color)
            let style = TerminalChart.Style(
                width: output.width, isUnicode: output.isUnicode, isLogarithmic: log)
            for name in names where name != MetricsWriter.stepColumn {
                let curves = runs.enumerated().compactMap {
                    Curve(of: name, $1.table, called: $1.name, color: $0)?.smoothed(smooth)
                }
                if curves.isEmpty { continue }
                if output.hasColor {
                    try output.write(title(name, curves))
                    for line in TerminalChart(curves, style).lines { try output.write(line) }
                    continue
                }
                for curve in curves {
                    try output.write(title(name, curves.count > 1 ? [curve] : []))
                    for line in TerminalChart([curve], besides: curves, style).lines { try output.write(line) }
                }
            }
        }

        /// The name of a column, and of the runs whose curves follow.
        private func title(_ column: String, _ curves: [Curve]) -> [TerminalChart.Piece] {
            let names = curves.map { TerminalChart.Piece(text: "  " + $0.name, color: $0.color) }
            return [TerminalChart.Piece(text: "\n" + printable(column) + (log ? ", logarithmic" : ""), color: nil)]
                + names
        }

        private struct Summaries: Encodable {
            let runs: [MetricsSummary]
        }
    }
}
