import Foundation
import HDF5

/// The rows of a metrics file, all in memory.
public struct MetricsTable: Equatable, Sendable {
    /// Names of the columns; `step` is the first.
    public let columns: [String]
    /// The columns' values: `values[c][r]` is row `r` of `columns[c]`. All have the same length; a value that was not
    /// measured is not-a-number.
    public let values: [[Double]]
    /// Units of the columns that have one.
    public let units: [String: String]

    /// Puts a table together from columns of one length.
    public init(columns: [String], values: [[Double]], units: [String: String] = [:]) {
        precondition(columns.count == values.count, "\(values.count) columns of values for \(columns)")
        precondition(Set(values.map(\.count)).count <= 1, "columns of the lengths \(values.map(\.count))")
        self.columns = columns
        self.values = values
        self.units = units
    }

    /// Reads the metrics of a run: one that goes on, has finished, or was killed. Rows that are not in the HDF5 file yet,
    /// or never will be, come from the journal beside it, as do all where the file is damaged. Tries a few times where a
    /// writer is in the way, for about a second at most.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where the file is missing, damaged, or holds no metrics.
    public static func read(_ path: String) throws -> MetricsTable {
        let contents = try? MetricsJournal.read(MetricsJournal.path(of: path))
        let file: MetricsTable
        do {
            file = try readFile(path)
        } catch {
            guard let contents else { throw error }
            return contents.table
        }
        return contents.map { merged($0, with: file) } ?? file
    }

    /// The last rows, at least one where there are any, in a time that does not grow with the length of the run.
    ///
    /// - Throws: as `read`.
    public static func readEnd(_ path: String) throws -> MetricsTable {
        // While there is a journal, it has all that the HDF5 file has.
        if let contents = try? MetricsJournal.readLast(MetricsJournal.path(of: path)) { return contents.table }
        return try table(of: HDF5File.openSWMR(path), path: path, last: 1)
    }

    /// The files that `read` may read.
    public static func files(of path: String) -> [String] { [path, MetricsJournal.path(of: path)] }

    /// The HDF5 file adds what a loss of power, or damage, took from the journal. Of a run that has gone back it may
    /// still hold rows that are void.
    private static func merged(_ journal: MetricsJournal.Contents, with file: MetricsTable) -> MetricsTable {
        journal.wentBack && journal.damagedLines == 0 ? journal.table : journal.table.completed(by: file)
    }

    /// The rows that a run has left: those of its HDF5 file and of the journal, which misses none that was acknowledged.
    /// Metrics must not keep a run from going on: what cannot be read is put aside, loudly.
    static func earlier(_ path: String, report: (String) -> Void) throws -> MetricsTable? {
        let journalPath = MetricsJournal.path(of: path)
        var journal: MetricsJournal.Contents?
        if FileManager.default.fileExists(atPath: journalPath) {
            do {
                let contents = try MetricsJournal.read(journalPath)
                journal = contents
                if contents.damagedLines > 0 {
                    report("\(contents.damagedLines) lines of \(journalPath) are damaged and passed over")
                }
            } catch {
                report("the journal of the metrics is kept as \(try setAside(journalPath)): \(error)")
            }
        }
        guard FileManager.default.fileExists(atPath: path) else { return journal?.table }
        do {
            let file = try readFile(path)
            return journal.map { merged($0, with: file) } ?? file
        } catch {
            let aside = try setAside(path)
            report(
                journal.map {
                    "\(path) is damaged and kept as \(aside); it is built again from its journal, "
                        + "\($0.rows.count) rows: \(error)"
                } ?? "the metrics so far cannot be read and are kept as \(aside): \(error)")
            return journal?.table
        }
    }

    /// Renames a file to a name that is free.
    private static func setAside(_ path: String) throws -> String {
        var aside = path + ".damaged"
        var number = 2
        while FileManager.default.fileExists(atPath: aside) {
            aside = path + ".damaged-\(number)"
            number += 1
        }
        try DurableFile.move(path, to: aside)
        return aside
    }

    /// With the rows and columns of another table that this one lacks, in the order of steps.
    private func completed(by other: MetricsTable) -> MetricsTable {
        let known = Set(steps)
        let missing = other.steps.indices.filter { !known.contains(other.steps[$0]) }
        let extra = other.columns.filter { !columns.contains($0) }
        guard !missing.isEmpty || !extra.isEmpty else { return self }
        let order = (steps + missing.map { other.steps[$0] }).enumerated().sorted { $0.element < $1.element }
        let values = (columns + extra).map { name in
            let all =
                (column(name) ?? steps.map { _ in .nan }) + missing.map { other.column(name)?[$0] ?? .nan }
            return order.map { all[$0.offset] }
        }
        return MetricsTable(columns: columns + extra, values: values, units: other.units.merging(units) { $1 })
    }

    /// Reads the HDF5 file alone, as `read`.
    package static func readFile(_ path: String) throws -> MetricsTable {
        let pausesMilliseconds = [20, 50, 100, 200]
        for pause in pausesMilliseconds {
            let file = try HDF5File.openSWMR(path)
            // What a writer was just changing can look damaged for a moment.
            if let table = try? table(of: file, path: path) { return table }
            Thread.sleep(forTimeInterval: Double(pause) / 1000)
        }
        return try table(of: HDF5File.openSWMR(path), path: path)
    }

    private static func table(of file: HDF5File, path: String, last count: Int = .max) throws -> MetricsTable {
        let root = file.root
        let step = MetricsWriter.stepColumn
        let names: [String]
        if case .string(let list)? = try root.attribute("columns") {
            names = list.split(separator: ",").map(String.init)
        } else {
            names = [step] + (try root.names().filter { $0 != step })
        }
        guard root.isDataset(step), names.first == step else {
            throw StorageError("\(path) holds no metrics: it has no data set /\(step)")
        }
        // Steps are written last, so their number is read first: every column is then at least that long.
        let datasets = try names.map { try root.dataset($0) }
        for dataset in datasets where dataset.shape.count != 1 || !dataset.isNumeric {
            throw StorageError(
                "\(path) holds no metrics: \(dataset.path) is \(dataset.elementType) of shape \(dataset.shape)")
        }
        let rows = datasets.map { $0.shape[0] }.min() ?? 0
        guard datasets[0].elementType == .int64 else {
            throw StorageError("\(path) holds no metrics: /\(step) is \(datasets[0].elementType), not int64")
        }
        var units: [String: String] = [:]
        for (name, dataset) in zip(names, datasets) {
            if case .string(let unit)? = try dataset.attribute("units") { units[name] = unit }
        }
        let taken = min(count, rows)
        let values = try datasets.map { try $0.read(as: Double.self, offset: [rows - taken], count: [taken]) }
        try file.close()
        return MetricsTable(columns: names, values: values, units: units)
    }

    // MARK: Looking at rows

    /// Number of rows.
    public var rowCount: Int { values.first?.count ?? 0 }

    /// The steps of the rows.
    public var steps: [Int] { (column(MetricsWriter.stepColumn) ?? []).map { Int(exactly: $0) ?? Int.max } }

    /// The values of a column, `nil` where there is none of that name.
    public func column(_ name: String) -> [Double]? {
        columns.firstIndex(of: name).map { values[$0] }
    }

    /// The values of a row, one a column.
    public func row(_ index: Int) -> [Double] {
        precondition((0..<rowCount).contains(index), "row \(index) of \(rowCount)")
        return values.map { $0[index] }
    }

    /// The last rows, at most `count` of them.
    public func last(_ count: Int) -> MetricsTable {
        MetricsTable(columns: columns, values: values.map { Array($0.suffix(max(0, count))) }, units: units)
    }

    /// The rows up to a step, that one included.
    public func upTo(step: Int) -> MetricsTable {
        let steps = self.steps
        let kept = steps.indices.filter { steps[$0] <= step }
        return MetricsTable(columns: columns, values: values.map { column in kept.map { column[$0] } }, units: units)
    }

    /// The rows of the steps in `range`.
    public func steps(in range: ClosedRange<Int>) -> MetricsTable {
        let steps = self.steps
        let kept = steps.indices.filter { range.contains(steps[$0]) }
        return MetricsTable(columns: columns, values: values.map { column in kept.map { column[$0] } }, units: units)
    }

    /// The named columns only, in that order, `step` first.
    ///
    /// - Throws: `StorageError` where one is missing; it says which there are.
    public func selecting(_ names: [String]) throws -> MetricsTable {
        let wanted = [MetricsWriter.stepColumn] + names.filter { $0 != MetricsWriter.stepColumn }
        let selected = try wanted.map { name in
            guard let values = column(name) else {
                throw StorageError("no column '\(name)'; there are \(columns.joined(separator: ", "))")
            }
            return values
        }
        return MetricsTable(columns: wanted, values: selected, units: units.filter { wanted.contains($0.key) })
    }

    // MARK: As text

    private static func text(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        return Int(exactly: value).map { String($0) } ?? String(format: "%.5g", value)
    }

    /// Lines of right-aligned columns under their names and (where short) units, five significant digits.
    public func formatted() -> String {
        var lines = [columns]
        // A unit can be a phrase ("s, rank 0"): its first word must do, or the column would grow wide.
        let short = columns.map { name in String(units[name]?.prefix { $0 != "," && $0 != ";" } ?? "") }
        let fits = short.map { $0.count <= 12 ? $0 : "" }
        if fits.contains(where: { !$0.isEmpty }) { lines.append(fits) }
        lines += (0..<rowCount).map { row($0).map(Self.text) }
        let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        let padded = lines.map { line in
            zip(line, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
        }
        return padded.joined(separator: "\n") + "\n"
    }
}
