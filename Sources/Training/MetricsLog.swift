import Foundation
import Storage

/// The columns of `metrics.h5`, one row a step.
struct MetricsLog {
    static let columns: [(name: String, unit: String)] =
        [
            ("loss", "weighted squared error, mean over the global batch"),
            ("gradient_norm", "L2 norm over all parameters, before clipping"),
            ("learning_rate", "1"),
            ("epoch", "passes over the data set"),
            ("images_per_second", "1/s, all ranks"),
        ]
        + phases.flatMap { phase -> [(name: String, unit: String)] in
            let what = phase == .communication ? ", not hidden behind the computation" : ""
            return [
                ("seconds_\(phase)", "s, mean over ranks\(what)"),
                ("seconds_\(phase)_min", "s, lowest of all ranks\(what)"),
                ("seconds_\(phase)_max", "s, highest of all ranks\(what)"),
            ]
        } + [
            ("skipped", "1 where the step was bad and changed nothing, else 0"),
            ("slowest_rank", "number of the rank that computed longest"),
            ("eta_variance", "variance of the output over eta, mean over elements; NaN where not measured"),
        ]
    private static let phases = StepClock.Phase.allCases

    private let writer: MetricsWriter

    /// Opens the file at `path`: new, or continued after `step` with later rows dropped.
    ///
    /// - Parameter report: is told when an unreadable old file had to be put aside, and when rows wait for the disk.
    init(path: String, continueAfterStep step: Int?, report: @escaping (String) -> Void) throws {
        writer = try MetricsWriter(
            path: path, columns: Self.columns.map(\.name),
            units: Dictionary(uniqueKeysWithValues: Self.columns.map { ($0.name, $0.unit) }), continueAfterStep: step,
            report: report)
    }

    func append(_ report: StepReport, _ ranks: RankSeconds, etaVariance: Double?, learningRate: Double, skipped: Bool) {
        let seconds = Self.phases.flatMap { phase -> [Double] in
            let all = ranks[phase]
            return [all.reduce(0, +) / Double(all.count), all.min() ?? .nan, all.max() ?? .nan]
        }
        writer.append(
            step: report.step,
            values: [report.loss, report.gradientNorm, learningRate, report.epoch, report.imagesPerSecond] + seconds
                + [skipped ? 1 : 0, Double(ranks.slowestRank), etaVariance ?? .nan])
    }

    /// Drops the rows after `step`.
    func goBack(to step: Int) { writer.goBack(to: step) }

    /// The last rows, at most `count` of them.
    func lastRows(_ count: Int) throws -> MetricsTable { try writer.lastRows(count) }

    /// Flushes every row; what is returned brings them to the disk, on any thread.
    func synchronizing() throws -> @Sendable () throws -> Void { try writer.synchronizing() }
    func close() throws { try writer.close() }
}
