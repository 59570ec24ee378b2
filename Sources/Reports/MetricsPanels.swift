import Files
import Plots
import Storage
import Training

/// The metrics of a run, and what a legend calls it.
public struct NamedMetrics: Sendable {
    public let name: String
    public let table: MetricsTable

    public init(name: String, table: MetricsTable) { (self.name, self.table) = (name, table) }

    /// The shortest names that tell paths of runs apart: as many of their last parts as that needs.
    public static func names(of paths: [String]) -> [String] {
        let parts = paths.map { path -> [Substring] in
            let all = path.split(separator: "/").filter { $0 != "." }
            return all.last == "metrics.h5" && all.count > 1 ? all.dropLast() : all
        }
        let most = parts.map(\.count).max() ?? 0
        func names(_ count: Int) -> [String] { parts.map { $0.suffix(count).joined(separator: "/") } }
        let short = (1...max(1, most)).map(names).first { Set($0).count == paths.count }
        return zip(short ?? paths, paths).map { $0.isEmpty ? $1 : $0 }
    }
}

extension Figure {
    /// The figure of the metrics of one run or several: of each of these that some run has, a panel: loss, gradient norm,
    /// learning rate, images a second, where the time goes (of each run its own), a discriminator's loss, and the variance
    /// over η or ln Z.
    ///
    /// - Parameter columns: other columns, a panel each; nil for those above.
    /// - Throws: `StorageError` where a column is in none of the runs.
    public static func metrics(_ runs: [NamedMetrics], columns: [String]? = nil) throws -> Figure {
        let shown: [Panel]
        if let columns {
            for name in columns where runs.allSatisfy({ $0.table.column(name) == nil }) {
                _ = try runs.first?.table.selecting([name])  // throws what there is instead
            }
            shown = columns.map { panel($0, runs) }
        } else {
            let single = ["loss", "gradient_norm", "learning_rate", "images_per_second"]
            shown =
                single.filter { name in runs.contains { $0.table.column(name) != nil } }.map { panel($0, runs) }
                + runs.compactMap { timePanel($0, isOnly: runs.count == 1) }
                + ["loss_discriminator", "eta_variance", "log_partition"].filter { name in
                    runs.contains { isMeasured(name, $0.table) }
                }.map { panel($0, runs) }
        }
        let names = runs.map { printable($0.name) }
        return Figure(
            panels: shown.isEmpty ? [panel("loss", runs)] : shown,
            legend: names.enumerated().map { (name: $1, color: $0) },
            label: "metrics of " + names.joined(separator: ", "))
    }

    private static func isMeasured(_ name: String, _ table: MetricsTable) -> Bool {
        table.column(name)?.contains { !$0.isNaN } ?? false
    }

    private static func panel(_ name: String, _ runs: [NamedMetrics]) -> Panel {
        let unit = runs.lazy.compactMap { $0.table.units[name] }.first ?? ""
        // Some units are phrases, of what is measured: they belong into a table.
        let short = unit.prefix { $0 != "," && $0 != ";" }
        return Panel(
            title: title(of: name), unit: short == "1" || short.count > 12 ? "" : printable(short),
            curves: runs.enumerated().compactMap { index, run in
                Curve(of: name, run.table, called: printable(run.name), color: index)
            })
    }

    private static func title(of column: String) -> String {
        switch column {
        case "eta_variance": "variance over η"
        case "log_partition": "ln Z"
        default: printable(column).replacing("_", with: " ")
        }
    }

    private static func timePanel(_ run: NamedMetrics, isOnly: Bool) -> Panel? {
        let curves = MetricsSummary.timeParts(run.table.columns).enumerated().compactMap { index, name in
            Curve(
                of: name, run.table, called: printable(name.dropFirst(MetricsSummary.timePrefix.count)), color: index)
        }
        guard !curves.isEmpty else { return nil }
        return Panel(
            title: "time of a step" + (isOnly ? "" : ", " + printable(run.name)), unit: "s", curves: curves,
            hasLegend: true)
    }
}

extension Curve {
    /// A column of a table over its steps; nil where there is none of that name.
    public init?(of column: String, _ table: MetricsTable, called name: String, color: Int) {
        guard let values = table.column(column) else { return nil }
        let whole = Curve(name: name, color: color, x: table.steps.map(Double.init), y: values)
        // Where a run diverged the line ends; where a quantity is measured now and then it goes on.
        let isVital = MetricsColumn.all.contains { $0.name == column && $0.role == .vital }
        self = isVital ? whole : whole.measured
    }
}
