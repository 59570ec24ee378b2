import Foundation

/// Lines of columns, each as wide as its widest cell; the first column left-aligned, the others right-aligned.
public func aligned(_ rows: [[String]]) -> String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
        let cells = row.enumerated().map { column, cell in
            let padding = String(repeating: " ", count: widths[column] - cell.count)
            return column == 0 ? cell + padding : padding + cell
        }
        return "  " + cells.joined(separator: "  ")
    }.joined(separator: "\n")
}

/// `value`, or nil for what JSON cannot hold.
public func finite(_ value: Double) -> Double? {
    value.isFinite ? value : nil
}

/// A number with four significant digits: "0.03125", "12.5", "nan".
public func fourDigits(_ value: Double) -> String {
    String(format: "%.4g", value)
}
