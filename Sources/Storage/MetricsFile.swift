import Foundation
import HDF5

/// The growing HDF5 file of the metrics: one 1-D data set a column at the root, single writer, multiple readers.
final class MetricsFile {
    static let format = "smd metrics"
    static let formatVersion = 1
    private static let chunkRows = 1024

    private let path: String
    private let file: HDF5File
    private let step: HDF5Dataset
    /// Columns without `step`.
    private let data: [HDF5Dataset]

    /// Takes the place of an older file once it has the rows of `table` and is safe on disk.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where the folder cannot be written or the disk is nearly full.
    init(path: String, table: MetricsTable) throws {
        self.path = path
        let place = path + ".continuing"
        _ = unlink(place)
        try Self.requireRoom(at: path, rows: table.rowCount, columns: table.columns.count)
        file = try HDF5File.createForSWMR(place)
        do {
            let root = file.root
            try root.setAttribute("format", .string(Self.format))
            try root.setAttribute("format_version", .integer(Self.formatVersion))
            try root.setAttribute("columns", .string(table.columns.joined(separator: ",")))
            try Self.describeAsPlot(root, table.columns)
            let all = try table.columns.map { name in
                let dataset = try root.createDataset(
                    name, type: name == MetricsWriter.stepColumn ? .int64 : .float64, shape: [0],
                    maximumShape: [nil], chunk: [Self.chunkRows])
                if let unit = table.units[name] { try dataset.setAttribute("units", .string(unit)) }
                return dataset
            }
            (step, data) = (all[0], Array(all.dropFirst()))
            try file.startSWMRWriting()
            try append(steps: table.steps.map { Int64($0) }, values: Array(table.values.dropFirst()))
            try file.flush()
            try DurableFile.synchronize(place)
            try DurableFile.move(place, to: path)
        } catch {
            file.abandon()
            _ = unlink(place)
            throw error
        }
    }

    /// NeXus (manual.nexusformat.org, NXdata): what to plot over what, so that viewers such as H5Web draw it unasked.
    private static func describeAsPlot(_ root: HDF5Group, _ columns: [String]) throws {
        guard let signal = columns.first(where: { $0 == "loss" }) ?? columns.dropFirst().first else { return }
        try root.setAttribute("NX_class", .string("NXdata"))
        try root.setAttribute("signal", .string(signal))
        try root.setAttribute("axes", .strings([MetricsWriter.stepColumn]))
    }

    /// Adds rows and hands them to the operating system. After an error the file must not be used any more.
    ///
    /// - Throws: `StorageError` where the disk is nearly full, before anything is written; `HDF5Error` where a write
    ///   failed, after which `isUsable` is false.
    func append(steps: [Int64], values: [[Double]]) throws {
        guard !steps.isEmpty else { return }
        try Self.requireRoom(at: path, rows: steps.count, columns: data.count + 1)
        do {
            for (dataset, values) in zip(data, values) { try Self.append(values, to: dataset) }
            // Last, so that a step is there only when its values are.
            try Self.append(steps, to: step)
        } catch {
            file.abandon()
            isUsable = false
            throw error
        }
    }

    private(set) var isUsable = true

    private static func append<T: HDF5Scalar>(_ values: [T], to dataset: HDF5Dataset) throws {
        let rows = dataset.shape[0]
        try dataset.extend(to: [rows + values.count])
        try dataset.write(values, offset: [rows], count: [values.count])
        try dataset.flush()
    }

    /// libhdf5 can crash the process when a write fails for want of room: do not let it come to that.
    private static func requireRoom(at path: String, rows: Int, columns: Int) throws {
        let chunkBytes = chunkRows * 8
        let chunks = (rows / chunkRows + 2) * columns
        if let free = DurableFile.freeBytes(at: path), free < 2 * chunks * chunkBytes + 1 << 18 {
            throw StorageError("cannot write \(path): only \(free) bytes are free on its disk; make some room")
        }
    }

    /// Closes the file and makes it survive a loss of power.
    ///
    /// - Throws: `HDF5Error` where a write failed.
    func close() throws {
        do {
            try file.close()
        } catch {
            file.abandon()
            isUsable = false
            throw error
        }
        try DurableFile.synchronize(path)
    }
}
