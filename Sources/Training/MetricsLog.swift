import Foundation
import Storage

/// All that is known of a step once it has ended.
struct StepRecord {
    let report: StepReport
    let ranks: RankSeconds
    /// Parts of the losses, where there are some.
    let parts: [String: Double]
    /// Not-a-number where it was not measured.
    let etaVariance: Double
    /// ln of the mean weight of the step's paths; not-a-number where there are none.
    let logPartition: Double
    let learningRate: Double
    /// 1 or 0.
    let skipped: Double
    var slowestRank: Double { Double(ranks.slowestRank) }
}

/// A column of `metrics.h5`, one row a step. A new one is a row of `all`.
public struct MetricsColumn: Sendable {
    /// How a column is read: `vital` has a number in every step of a healthy run, elsewhere not-a-number is a value that
    /// was not measured; `flag` is 1 or 0; `rank` names one; `speed` is another number each time, also in a run that repeats
    /// to the bit.
    public enum Role: Sendable { case plain, vital, flag, rank, speed }

    public let name: String
    public let role: Role
    public let unit: String
    let value: @Sendable (StepRecord) -> Double

    init(
        _ name: String, _ value: @escaping @Sendable (StepRecord) -> Double, _ unit: String, _ role: Role = .plain
    ) {
        (self.name, self.role, self.value, self.unit) = (name, role, value, unit)
    }

    /// All columns, in the order of the file.
    public static let all =
        [
            MetricsColumn("loss", \.report.loss, "what is trained by, mean over the global batch", .vital),
            MetricsColumn(
                "gradient_norm", \.report.gradientNorm, "L2 norm over all parameters, before clipping", .vital),
            MetricsColumn("learning_rate", \.learningRate, "1"),
            MetricsColumn("epoch", \.report.epoch, "passes over the data set"),
            MetricsColumn("images_per_second", \.report.imagesPerSecond, "1/s, all ranks", .speed),
        ] + StepClock.Phase.allCases.flatMap(seconds) + [
            MetricsColumn("skipped", \.skipped, "1 where the step was bad and changed nothing, else 0", .flag),
            MetricsColumn("slowest_rank", \.slowestRank, "number of the rank that computed longest", .rank),
            MetricsColumn(
                "eta_variance", \.etaVariance,
                "variance of the output over eta, mean over elements; NaN where not measured"),
            part("loss_adversarial", "what the discriminator leaves to the generator's loss; NaN with another loss"),
            part("loss_conditional", "what the forward step leaves to the generator's loss; NaN with another loss"),
            part("loss_discriminator", "nats, of a real and a generated sample together; NaN with another loss"),
            MetricsColumn(
                "log_partition", \.logPartition, "ln Z by the paths of the step; NaN where there are none"),
        ]

    private static func part(_ name: String, _ unit: String) -> MetricsColumn {
        MetricsColumn(name, { $0.parts[name] ?? .nan }, unit)
    }

    private static func seconds(of phase: StepClock.Phase) -> [MetricsColumn] {
        let (name, hidden) = ("seconds_\(phase)", phase == .communication ? ", not hidden behind the computation" : "")
        return [
            MetricsColumn(name, { mean($0.ranks[phase]) }, "s, mean over ranks\(hidden)", .speed),
            MetricsColumn(name + "_min", { $0.ranks[phase].min() ?? .nan }, "s, lowest of all ranks\(hidden)", .speed),
            MetricsColumn(name + "_max", { $0.ranks[phase].max() ?? .nan }, "s, highest of all ranks\(hidden)", .speed),
        ]
    }

    private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
}

/// `metrics.h5` of a run that goes on.
struct MetricsLog {
    private let writer: MetricsWriter

    /// Opens the file at `path`: new, or continued after `step` with later rows dropped.
    ///
    /// - Parameter report: is told when an unreadable old file had to be put aside, and when rows wait for the disk.
    init(path: String, continueAfterStep step: Int?, report: @escaping (String) -> Void) throws {
        writer = try MetricsWriter(
            path: path, columns: MetricsColumn.all.map(\.name),
            units: Dictionary(uniqueKeysWithValues: MetricsColumn.all.map { ($0.name, $0.unit) }),
            continueAfterStep: step, report: report)
    }

    func append(_ record: StepRecord) {
        writer.append(step: record.report.step, values: MetricsColumn.all.map { $0.value(record) })
    }

    /// Drops the rows after `step`.
    func goBack(to step: Int) { writer.goBack(to: step) }

    /// The last rows, at most `count` of them.
    func lastRows(_ count: Int) throws -> MetricsTable { try writer.lastRows(count) }

    /// Flushes every row; what is returned brings them to the disk, on any thread.
    func synchronizing() throws -> @Sendable () throws -> Void { try writer.synchronizing() }
    func close() throws { try writer.close() }
}
