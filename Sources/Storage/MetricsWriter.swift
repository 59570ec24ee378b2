import Foundation
import HDF5

/// Writes a run's metrics, one row a step: to a journal at once, where kill -9 does not lose it, and at the latest half
/// a second later to an HDF5 file that others can read while it grows.
///
/// A disk that is full, or fails, does not stop a run: rows wait in memory and are written when it works again. Where
/// the HDF5 file is lost it is built again from the journal.
public final class MetricsWriter {
    /// Name of the column that every file has first.
    public static let stepColumn = "step"
    private static let flushInterval = Duration.milliseconds(500)
    private static let longestPause = Duration.seconds(600)

    /// Path of the HDF5 file.
    public let path: String
    /// The caller's columns, without `step`.
    public let columns: [String]
    private let report: (String) -> Void
    private let journal: MetricsJournal
    /// Nil once a write to it has failed.
    private var file: MetricsFile?
    /// Columns without `step`: the caller's, then those that only earlier rows have.
    private let allColumns: [String]
    /// Rows that are not in the HDF5 file yet.
    private var pendingSteps: [Int64] = []
    private var pendingValues: [[Double]] = []
    private var lastStep: Int?
    private var lastFlush = ContinuousClock.now
    /// How long to wait before the HDF5 file is built again, and since when.
    private var pause = Duration.seconds(1)
    private var isClosed = false
    /// Whether rows wait because something failed, and that was said.
    private var isBehind = false

    /// Whether a run has left metrics at `path`.
    public static func exists(_ path: String) -> Bool {
        [path, MetricsJournal.path(of: path)].contains { FileManager.default.fileExists(atPath: $0) }
    }

    /// Begins a file, or goes on with one.
    ///
    /// - Parameters:
    ///   - columns: names of the quantities, without `step`.
    ///   - units: the unit of a column ("s", "images/s"), for those that have one; `units` attributes in the file.
    ///   - continueAfterStep: `nil` makes a new file and refuses to overwrite. Otherwise rows up to this step are kept
    ///     and later ones dropped, with not-a-number where a column is new; where there is no file, one is made.
    ///   - report: called with one line where old rows cannot be read, and where rows have to wait for the disk.
    /// - Throws: `HDF5Error` or `StorageError` where the folder cannot be written, a new file exists already, or another
    ///   process writes it.
    public init(
        path: String, columns: [String], units: [String: String] = [:], continueAfterStep: Int?,
        report: @escaping (String) -> Void = { _ in }
    ) throws {
        precondition(Set(columns).count == columns.count, "columns are repeated: \(columns)")
        for name in columns {
            precondition(
                !name.isEmpty && name != Self.stepColumn && name != "." && !name.contains { "/, \n\0".contains($0) },
                "'\(name)' cannot name a column")
        }
        (self.path, self.columns, self.report) = (path, columns, report)
        var kept: MetricsTable?
        if Self.exists(path) {
            guard let last = continueAfterStep else { throw HDF5Error("cannot create \(path): it exists already") }
            kept = try MetricsTable.earlier(path, report: report)?.upTo(step: last)
        }
        let extra = kept?.columns.filter { $0 != Self.stepColumn && !columns.contains($0) } ?? []
        allColumns = columns + extra
        let steps = kept?.steps ?? []
        let table = MetricsTable(
            columns: [Self.stepColumn] + allColumns,
            values: [steps.map(Double.init)] + allColumns.map { kept?.column($0) ?? steps.map { _ in .nan } },
            units: (kept?.units ?? [:]).merging(units) { $1 }.merging([Self.stepColumn: "optimizer steps"]) { $1 })
        pendingValues = allColumns.map { _ in [] }
        lastStep = steps.max()
        journal = try MetricsJournal(path: MetricsJournal.path(of: path), table: table)
        do {
            file = try MetricsFile(path: path, table: table)
        } catch  where kept == nil {
            try? journal.remove()
            throw error
        }
    }

    /// Adds a row. On return it survives kill -9, unless `report` was called because rows wait: then it does once
    /// they are written.
    ///
    /// - Parameters:
    ///   - step: larger than that of the row before.
    ///   - values: one for each of `columns`; not-a-number stands for "no value".
    public func append(step: Int, values: [Double]) {
        precondition(values.count == columns.count, "\(values.count) values for the columns \(columns)")
        precondition(lastStep.map { step > $0 } ?? true, "step \(step) after step \(lastStep ?? 0)")
        precondition(!isClosed, "\(path) is closed")
        lastStep = step
        let row = values + allColumns.dropFirst(values.count).map { _ in .nan }
        journal.append([Double(step)] + row)
        pendingSteps.append(Int64(step))
        for index in row.indices { pendingValues[index].append(row[index]) }
        do {
            try journal.flush()
            // While there is something to catch up with, every step is a chance only where that is cheap.
            let wanted = file == nil ? pause : Self.flushInterval
            if ContinuousClock.now - lastFlush >= wanted { try flush() }
            if isBehind && pendingSteps.isEmpty { caughtUp() }
        } catch {
            fellBehind(error)
        }
    }

    /// Drops the rows after `step`: the run goes on from there. Where the disk is full this too waits.
    public func goBack(to step: Int) {
        precondition(!isClosed, "\(path) is closed")
        journal.goBack(to: step)
        lastStep = lastStep.map { min($0, step) }
        pendingSteps.removeAll()
        for index in pendingValues.indices { pendingValues[index].removeAll() }
        // A file that readers have open is not cut: another takes its place, made from the journal.
        if file?.isUsable == true { try? file?.close() }
        file = nil
        pause = .seconds(1)
        do {
            try flush()
        } catch {
            fellBehind(error)
        }
    }

    /// The last rows so far, at most `count` of them; without those that wait for the disk.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where the journal cannot be read.
    public func lastRows(_ count: Int) throws -> MetricsTable {
        try? journal.flush()
        // Where going back waits too, the rows that it voids are still there.
        return try MetricsJournal.read(journal.path).table.upTo(step: lastStep ?? 0).last(count)
    }

    private func fellBehind(_ error: any Error) {
        if !isBehind { report("metrics wait in memory, training goes on: \(error)") }
        isBehind = true
    }

    private func caughtUp() {
        report("metrics are written again: nothing is missing in \(path)")
        isBehind = false
        pause = .seconds(1)
    }

    /// Hands all rows to the operating system, where readers of the HDF5 file see them.
    ///
    /// - Throws: `StorageError` or `HDF5Error` where the disk is full, or fails; the rows wait for the next try.
    public func flush() throws {
        precondition(!isClosed, "\(path) is closed")
        lastFlush = ContinuousClock.now
        try journal.flush()
        if let file {
            do {
                try file.append(steps: pendingSteps, values: pendingValues)
            } catch {
                if !file.isUsable { self.file = nil }
                throw error
            }
        } else {
            // Whatever libhdf5 holds of the failed file stays with it: not too often.
            pause = min(pause * 2, Self.longestPause)
            file = try MetricsFile(path: path, table: MetricsJournal.read(journal.path).table)
        }
        pendingSteps.removeAll(keepingCapacity: true)
        for index in pendingValues.indices { pendingValues[index].removeAll(keepingCapacity: true) }
    }

    /// Hands all rows to the operating system; the function returned makes them survive a loss of power, on any
    /// thread. Meant for when a checkpoint is made.
    ///
    /// - Throws: `HDF5Error` where the journal cannot be written.
    public func synchronizing() throws -> @Sendable () throws -> Void {
        try journal.flush()
        return { [path = journal.path] in try DurableFile.synchronize(path) }
    }

    /// Writes what is left, closes the HDF5 file, makes it survive a loss of power and removes the journal. A second call
    /// does nothing.
    ///
    /// - Throws: as `flush`; the journal then stays, with every row.
    public func close() throws {
        guard !isClosed else { return }
        defer { isClosed = true }
        try flush()
        try file?.close()
        try journal.remove()
    }

    deinit {
        try? close()
    }
}
