import Files
import Foundation
import Storage
import Training

/// What `smd metrics show` tells of a table of metrics.
public struct MetricsSummary: Encodable {
    /// One column in numbers; nil where nothing was measured.
    public struct Column: Encodable {
        public let start: Double?
        public let now: Double?
        public let minimum: Double?
        public let maximum: Double?
        /// Rows whose value is no finite number, though the quantity is measured at every step.
        public let notFinite: Int
    }

    /// How far apart the ranks are in one part of the time: means over rows of the fastest and the slowest one's seconds.
    public struct RankRange: Encodable {
        public let minimum: Double
        public let maximum: Double
    }

    /// The rank that most often computed longest, and in which share of the rows.
    public struct SlowestRank: Encodable {
        public let rank: Int
        public let share: Double
    }

    public let path: String
    public let rows: Int
    public let firstStep: Int?
    public let lastStep: Int?
    /// Rows that `start` and `now` are means of.
    public let window: Int
    public let columns: [String: Column]
    /// Share of each `seconds_…` column in their sum, over the last `window` rows.
    public let timeShares: [String: Double]
    /// By `seconds_…` column, over the last `window` rows; empty for a single rank.
    public let rankSeconds: [String: RankRange]
    public let slowestRank: SlowestRank?
    /// The rows that were asked for: values by column.
    public let lastRows: [[String: Double?]]?
    private let order: [String]

    // All but `order`.
    enum CodingKeys: CodingKey {
        case path, rows, firstStep, lastStep, window, columns, timeShares, rankSeconds, slowestRank, lastRows
    }

    static let timePrefix = "seconds_"
    private static let (lowest, highest) = ("_min", "_max")
    private static let roles = Dictionary(uniqueKeysWithValues: MetricsColumn.all.map { ($0.name, $0.role) })

    /// - Parameter shown: the rows to tell one by one; nil for none.
    public init(path: String, table: MetricsTable, rows shown: MetricsTable?) {
        self.path = path
        rows = table.rowCount
        firstStep = table.steps.first
        lastStep = table.steps.last
        let window = max(1, min(100, table.rowCount / 10))
        self.window = window
        order = table.columns.filter { $0 != MetricsWriter.stepColumn }
        var columns: [String: Column] = [:]
        for name in order {
            let values = table.column(name) ?? []
            let measured = values.filter(\.isFinite)
            columns[name] = Column(
                start: mean(values.prefix(window)) ?? measured.first, now: mean(values.suffix(window)) ?? measured.last,
                minimum: measured.min(), maximum: measured.max(),
                // Not-a-number is a run that diverged, or elsewhere a value that was not measured.
                notFinite: values.count { $0.isInfinite || ($0.isNaN && Self.roles[name] == .vital) })
        }
        self.columns = columns
        let parts = Self.timeParts(order)
        let seconds = parts.map { mean((table.column($0) ?? []).suffix(window)) ?? 0 }
        let total = seconds.reduce(0, +)
        timeShares =
            total > 0
            ? Dictionary(zip(parts, seconds.map { $0 / total }), uniquingKeysWith: { first, _ in first }) : [:]
        let ranges = parts.compactMap { name -> (String, RankRange)? in
            guard let low = mean((table.column(name + Self.lowest) ?? []).suffix(window)),
                let high = mean((table.column(name + Self.highest) ?? []).suffix(window))
            else { return nil }
            return (name, RankRange(minimum: low, maximum: high))
        }
        let differ = ranges.contains { $0.1.minimum < $0.1.maximum }
        rankSeconds = differ ? Dictionary(ranges, uniquingKeysWith: { first, _ in first }) : [:]
        let slowest = order.first { Self.roles[$0] == .rank }
        let slow = (slowest.flatMap(table.column) ?? []).suffix(window).compactMap { Int(exactly: $0) }
        let counts = Dictionary(slow.map { ($0, 1) }, uniquingKeysWith: +).sorted {
            ($1.value, $0.key) < ($0.value, $1.key)
        }
        slowestRank = differ ? counts.first.map { .init(rank: $0, share: Double($1) / Double(slow.count)) } : nil
        lastRows = shown.map { shown in
            (0..<shown.rowCount).map { row in
                Dictionary(zip(shown.columns, shown.row(row).map(finite)), uniquingKeysWith: { first, _ in first })
            }
        }
    }

    /// The columns that together are the time of a step. A whole step's time, or that of single ranks, would count every part
    /// twice.
    static func timeParts(_ columns: [String]) -> [String] {
        columns.filter { name in
            name.hasPrefix(timePrefix) && name != timePrefix + "step"
                && ![lowest, highest].contains { name.hasSuffix($0) }
        }
    }

    /// The summary for a person.
    public var text: String {
        guard let firstStep, let lastStep else { return "\(printable(path)): no steps yet" }
        var lines = ["\(printable(path)): steps \(firstStep) to \(lastStep), \(grouped(rows)) rows"]
        func cell(_ value: Double?) -> String { value.map(fourDigits) ?? "-" }
        var cells = [["", "start", "now", "lowest", "highest"]]
        for (name, column) in shownColumns {
            cells.append([printable(name)] + [column.start, column.now, column.minimum, column.maximum].map(cell))
        }
        lines.append(aligned(cells))
        lines += notes.map { "  " + $0 }
        return lines.joined(separator: "\n")
    }

    /// The columns that a reader wants to see in numbers, in the order of the file.
    var shownColumns: [(name: String, column: Column)] {
        order.compactMap { name in
            guard !name.hasPrefix(Self.timePrefix), Self.roles[name] != .rank, let column = columns[name],
                Self.roles[name] != .flag || column.maximum != 0
            else { return nil }
            return (name, column)
        }
    }

    /// Where the time goes, how far ranks are apart, and what is not finite, a line each.
    var notes: [String] {
        var lines: [String] = []
        if !timeShares.isEmpty {
            let shares = timeShares.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { name, share in
                "\(printable(String(name.dropFirst(Self.timePrefix.count)))) \(String(format: "%.1f", 100 * share)) %"
            }
            lines.append("time now: " + shares.joined(separator: ", "))
        }
        if !rankSeconds.isEmpty {
            let ranges = order.compactMap { name in rankSeconds[name].map { (name, $0) } }.map { name, range in
                "\(printable(String(name.dropFirst(Self.timePrefix.count)))) "
                    + "\(fourDigits(range.minimum)) to \(fourDigits(range.maximum)) s"
            }
            let slowest = slowestRank.map {
                "; rank \($0.rank) computes longest in \(String(format: "%.0f", 100 * $0.share)) % of the steps"
            }
            lines.append("by rank: " + ranges.joined(separator: ", ") + (slowest ?? ""))
        }
        for name in order {
            guard let count = columns[name]?.notFinite, count > 0 else { continue }
            lines.append("\(printable(name)) is not finite in \(grouped(count)) rows")
        }
        return lines
    }
}

/// Mean of the finite values, nil when there is none.
private func mean(_ values: ArraySlice<Double>) -> Double? {
    let measured = values.filter(\.isFinite)
    return measured.isEmpty ? nil : measured.reduce(0, +) / Double(measured.count)
}
