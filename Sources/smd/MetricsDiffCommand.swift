import ArgumentParser
import Files
import Foundation
import Reports
import Storage

extension MetricsCommand {
    /// `smd metrics diff`.
    struct Diff: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Find the first step at which two runs have another number.",
            discussion: """
                Compares to the bit, over the steps that both have, all columns that repeat: not seconds, images per second \
                and the slowest rank, which are another number each time. Ends with status 0 where nothing differs, 1 \
                where something does, 64 or more where the metrics cannot be compared.

                EXAMPLES
                  smd metrics diff runs/one-rank runs/four-ranks
                  smd metrics diff runs/a runs/b --columns loss --json | jq .step
                  smd metrics diff runs/a runs/b --quiet || echo they differ
                """)

        @Argument(
            help: ArgumentHelp("The metrics file, or the folder of a run that holds one.", valueName: "run"),
            completion: .file(extensions: ["h5"]))
        var first: String

        @Argument(
            help: ArgumentHelp("The same of the other run.", valueName: "run"), completion: .file(extensions: ["h5"]))
        var second: String

        @Option(
            help: ArgumentHelp("Only these columns, separated by commas, whatever they are.", valueName: "names"),
            completion: .columns)
        var columns: String?

        @OptionGroup var silence: SilenceOption

        @Flag(help: "Write JSON.")
        var json = false

        func run() throws {
            let difference = try comparing {
                let difference = try MetricsDifference(
                    triedMetrics(metricsFile(first)), triedMetrics(metricsFile(second)),
                    columns: columns.map(columnNames))
                guard difference.commonSteps > 0, !difference.columns.isEmpty else {
                    throw CommandFailure(
                        .badInput,
                        "\(first) and \(second) have no \(difference.columns.isEmpty ? "column" : "step") in common that "
                            + "could be compared")
                }
                return difference
            }
            if !silence.quiet {
                if json {
                    try printJSON(difference, Sameness(same: difference.isSame))
                } else {
                    try printOut(text(difference))
                }
            }
            if !difference.isSame { throw ExitCode(1) }
        }

        private func text(_ difference: MetricsDifference) -> String {
            var lines: [String] = []
            if let step = difference.step {
                lines = ["step \(step) is the first that differs, of \(grouped(difference.differentSteps)) that do:"]
                lines += difference.values.map { "  \(printable($0.column)): \($0.firstText) and \($0.secondText)" }
            } else {
                let last = difference.lastCommonStep.map { " up to step \($0)" } ?? ""
                lines = ["equal to the bit in \(grouped(difference.commonSteps)) common steps\(last)"]
            }
            if difference.lastFirst != difference.lastSecond {
                let ends = [difference.lastFirst, difference.lastSecond].map { $0.map { "\($0)" } ?? "none" }
                lines.append("the last step is \(ends[0]) of the first, \(ends[1]) of the second")
            }
            for (names, which) in [(difference.onlyFirst, "first"), (difference.onlySecond, "second")]
            where !names.isEmpty {
                lines.append("only the \(which) has \(names.map { printable($0) }.joined(separator: ", "))")
            }
            return lines.joined(separator: "\n")
        }
    }
}

/// A key that the outputs of comparisons have.
struct Sameness: Encodable {
    let same: Bool
}

/// Runs what finds a difference: status 1 is taken, it says that there is one, so no failure ends with it.
func comparing<T>(_ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch  where ExitStatus(error) == .failure {
        throw CommandFailure(.badInput, describeOnOneLine(error))
    }
}
