import Foundation
import Storage
import Training

/// Metrics as other programs read them.
public enum MetricsExport {
    /// Comma-separated values (RFC 4180, but with newlines alone): a line of names, then a line a row. Numbers have the
    /// fewest digits that give the same bits back; what is none is `nan`, `inf` or `-inf`.
    public static func csv(_ table: MetricsTable) -> String {
        var text = table.columns.map(quoted).joined(separator: ",") + "\n"
        for row in 0..<table.rowCount { text += table.row(row).map(digits).joined(separator: ",") + "\n" }
        return text
    }

    /// One JSON object a line, columns in their order; what is no finite number is `null`.
    public static func jsonLines(_ table: MetricsTable) -> String {
        let names = table.columns.map(jsonText)
        var text = ""
        for row in 0..<table.rowCount {
            let members = zip(names, table.row(row)).map { "\($0): \($1.isFinite ? digits($1) : "null")" }
            text += "{\(members.joined(separator: ", "))}\n"
        }
        return text
    }

    private static func quoted(_ name: String) -> String {
        let isPlain = !name.unicodeScalars.contains { ",\"\r\n".unicodeScalars.contains($0) }
        return isPlain ? name : "\"" + name.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }

    /// A text in JSON.
    private static func jsonText(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }

    private static func digits(_ value: Double) -> String {
        Int(exactly: value).map(String.init) ?? value.description
    }

    // MARK: TensorBoard

    /// An event file of TensorBoard: each column a tag, each row an event per step.
    ///
    /// TensorBoard keeps scalars as float32, so values are rounded to that. What was not measured is left out. Metrics
    /// hold no dates: the wall time counts the seconds of training, so that TensorBoard's axis "relative" is right.
    public static func eventFile(_ table: MetricsTable) -> [UInt8] {
        let vital = Set(MetricsColumn.all.filter { $0.role == .vital }.map(\.name))
        let parts = MetricsSummary.timeParts(table.columns).compactMap(table.column)
        var file = EventFile()
        var time = 0.0
        for (row, step) in table.steps.enumerated() {
            time += parts.map { $0[row].isFinite ? max(0, $0[row]) : 0 }.reduce(0, +)
            let scalars = zip(table.columns, table.row(row)).dropFirst().filter { name, value in
                !value.isNaN || vital.contains(name)
            }
            file.append(step: step, wallTime: time, scalars: scalars.map { (tag: $0, value: Float($1)) })
        }
        return file.bytes
    }
}
