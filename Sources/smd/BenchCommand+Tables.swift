import Reports
import Benchmarks
import CPUBackend
import Files
import Foundation
import Training

extension OperationProfile {
    /// Two tables, after an empty line.
    var text: String {
        """

        By kind, medians of \(repetitions) repetitions:
        \(operationTable(kinds, limit: kinds.count))

        By operation and size:
        \(operationTable(operations, limit: 25))
        """
    }
}

/// A table of operations: time in a step, share, rate, fraction of what the machine can.
///
/// - Parameter limit: rows to show; the others are summed up in one.
func operationTable(_ rows: [OperationRow], limit: Int) -> String {
    var cells = [["operation", "count", "ms", "share", "rate", "of peak"]]
    func percent(_ value: Double) -> String { String(format: "%.1f %%", 100 * value) }
    func milliseconds(_ seconds: Double) -> String { String(format: "%.3f", seconds * 1e3) }
    for row in rows.prefix(limit) {
        let rate =
            row.gflops.map { "\(fourDigits($0)) GFLOP/s" } ?? row.gigabytesPerSecond.map { "\(fourDigits($0)) GB/s" }
        cells.append([
            row.shape.isEmpty ? row.operation : row.operation + " " + row.shape, String(row.count),
            milliseconds(row.seconds), percent(row.share), rate ?? "", row.fraction.map { fourDigits($0) } ?? "",
        ])
    }
    let rest = rows.dropFirst(limit)
    if !rest.isEmpty {
        cells.append([
            "everything else", String(rest.reduce(0) { $0 + $1.count }),
            milliseconds(rest.reduce(0) { $0 + $1.seconds }), percent(rest.reduce(0) { $0 + $1.share }), "", "",
        ])
    }
    return aligned(cells)
}
