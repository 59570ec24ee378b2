import Foundation
import HDF5

/// Writes a run's metrics, one row a step, to an HDF5 file that others can read while it grows and that survives
/// kill -9 with every flushed row.
///
/// One growing 1-D data set a column at the root: `step` (int64) and the caller's columns (float64). Rows are collected
/// and handed to the operating system at the latest half a second after the one before, when a row is appended.
public final class MetricsWriter {
    /// Name of the column that every file has first.
    public static let stepColumn = "step"
    static let format = "smd metrics"
    static let formatVersion = 1
    private static let chunkRows = 1024
    private static let flushInterval = Duration.milliseconds(500)

    /// Path of the file.
    public let path: String
    /// The caller's columns, without `step`.
    public let columns: [String]
    private let file: HDF5File
    private let step: HDF5Dataset
    /// Columns of the file without `step`: the caller's, then those that only earlier rows have.
    private let data: [HDF5Dataset]
    private var pendingSteps: [Int64] = []
    private var pendingValues: [[Double]] = []
    private var lastStep: Int?
    private var lastFlush = ContinuousClock.now
    private var state = State.open

    private enum State { case open, failed, closed }

    /// Begins a file, or goes on with one.
    ///
    /// - Parameters:
    ///   - columns: names of the quantities, without `step`.
    ///   - units: the unit of a column ("s", "images/s"), for those that have one; `units` attributes in the file.
    ///   - continueAfterStep: `nil` makes a new file and refuses to overwrite. Otherwise rows up to this step are kept
    ///     and later ones dropped, with not-a-number where a column is new; where there is no file, one is made.
    ///   - report: called with one line where the old file cannot be read; it is then kept under another name.
    /// - Throws: `HDF5Error` or `StorageError` where the folder cannot be written or a new file exists already.
    public init(
        path: String, columns: [String], units: [String: String] = [:], continueAfterStep: Int?,
        report: (String) -> Void = { _ in }
    ) throws {
        precondition(Set(columns).count == columns.count, "columns are repeated: \(columns)")
        for name in columns {
            precondition(
                !name.isEmpty && name != Self.stepColumn && name != "." && !name.contains { "/,\0".contains($0) },
                "'\(name)' cannot name a column")
        }
        self.path = path
        self.columns = columns
        var kept: MetricsTable?
        if let last = continueAfterStep, FileManager.default.fileExists(atPath: path) {
            kept = try Self.readOrSetAside(path, report: report)?.upTo(step: last)
        }
        let extra = kept?.columns.filter { $0 != Self.stepColumn && !columns.contains($0) } ?? []
        let all = columns + extra
        // An old file stays until the new one has everything that is kept of it.
        let place = kept == nil ? path : path + ".continuing"
        if kept != nil { _ = unlink(place) }
        file = try HDF5File.createForSWMR(place)
        do {
            let root = file.root
            try root.setAttribute("format", .string(Self.format))
            try root.setAttribute("format_version", .integer(Self.formatVersion))
            try root.setAttribute("columns", .string(([Self.stepColumn] + all).joined(separator: ",")))
            step = try Self.column(Self.stepColumn, .int64, unit: "optimizer steps", in: root)
            data = try all.map { name in
                try Self.column(name, .float64, unit: units[name] ?? kept?.units[name], in: root)
            }
            try file.startSWMRWriting()
            if let kept {
                pendingSteps = kept.steps.map { Int64($0) }
                pendingValues = all.map { kept.column($0) ?? kept.steps.map { _ in .nan } }
                lastStep = kept.steps.max()
            } else {
                pendingValues = all.map { _ in [] }
            }
            try flush()
            try file.flush()
            try DurableFile.synchronize(place)
            if kept != nil, rename(place, path) != 0 {
                throw StorageError("cannot replace \(path): \(String(cString: strerror(errno)))")
            }
            try DurableFile.synchronizeFolder(of: path)
        } catch {
            _ = unlink(place)
            throw error
        }
    }

    private static func column(
        _ name: String, _ type: ElementType, unit: String?, in root: HDF5Group
    ) throws -> HDF5Dataset {
        let dataset = try root.createDataset(
            name, type: type, shape: [0], maximumShape: [nil], chunk: [chunkRows])
        if let unit { try dataset.setAttribute("units", .string(unit)) }
        return dataset
    }

    /// Metrics must not keep a run from going on: a file that cannot be read is put aside, loudly.
    private static func readOrSetAside(_ path: String, report: (String) -> Void) throws -> MetricsTable? {
        do {
            return try MetricsTable.read(path)
        } catch {
            var aside = path + ".damaged"
            var number = 2
            while FileManager.default.fileExists(atPath: aside) {
                aside = path + ".damaged-\(number)"
                number += 1
            }
            guard rename(path, aside) == 0 else { throw error }
            report("the metrics so far cannot be read and are kept as \(aside): \(error)")
            return nil
        }
    }

    /// Adds a row.
    ///
    /// - Parameters:
    ///   - step: larger than that of the row before.
    ///   - values: one for each of `columns`; not-a-number stands for "no value".
    /// - Throws: as `flush`, where it is time for one.
    public func append(step: Int, values: [Double]) throws {
        precondition(values.count == columns.count, "\(values.count) values for the columns \(columns)")
        precondition(lastStep.map { step > $0 } ?? true, "step \(step) after step \(lastStep ?? 0)")
        try requireOpen()
        lastStep = step
        pendingSteps.append(Int64(step))
        for index in data.indices { pendingValues[index].append(index < values.count ? values[index] : .nan) }
        if ContinuousClock.now - lastFlush >= Self.flushInterval { try flush() }
    }

    /// Hands all rows to the operating system, where readers see them and kill -9 does not lose them.
    ///
    /// - Throws: `StorageError` where the disk is nearly full (the rows wait for the next try), `HDF5Error` where a
    ///   write failed; the file then takes no more rows.
    public func flush() throws {
        try requireOpen()
        lastFlush = ContinuousClock.now
        guard !pendingSteps.isEmpty else { return }
        try requireRoom()
        do {
            for (dataset, values) in zip(data, pendingValues) { try Self.append(values, to: dataset) }
            // Last, so that a step is there only when its values are.
            try Self.append(pendingSteps, to: step)
        } catch {
            state = .failed
            throw error
        }
        pendingSteps.removeAll(keepingCapacity: true)
        for index in pendingValues.indices { pendingValues[index].removeAll(keepingCapacity: true) }
    }

    private static func append<T: HDF5Scalar>(_ values: [T], to dataset: HDF5Dataset) throws {
        let rows = dataset.shape[0]
        try dataset.extend(to: [rows + values.count])
        try dataset.write(values, offset: [rows], count: [values.count])
        try dataset.flush()
    }

    /// libhdf5 can crash the process when a write fails for want of room: do not let it come to that.
    private func requireRoom() throws {
        let chunkBytes = Self.chunkRows * 8
        let chunks = (pendingSteps.count / Self.chunkRows + 2) * (data.count + 1)
        if let free = DurableFile.freeBytes(at: path), free < 2 * chunks * chunkBytes + 1 << 18 {
            throw StorageError("cannot write \(path): only \(free) bytes are free on its disk; make some room")
        }
    }

    private func requireOpen() throws {
        switch state {
        case .open: return
        case .failed: throw StorageError("cannot write \(path): an earlier write failed")
        case .closed: preconditionFailure("\(path) is closed")
        }
    }

    /// Flushes, and makes all rows survive a loss of power: meant for when a checkpoint is made.
    ///
    /// - Throws: as `flush`.
    public func synchronize() throws {
        try flush()
        try DurableFile.synchronize(path)
    }

    /// Writes what is left, closes the file and makes it survive a loss of power. A second call does nothing.
    ///
    /// - Throws: as `flush`.
    public func close() throws {
        guard state != .closed else { return }
        defer { state = .closed }
        try flush()
        try file.close()
        try DurableFile.synchronize(path)
    }

    deinit {
        if state == .open { try? close() }
    }
}
