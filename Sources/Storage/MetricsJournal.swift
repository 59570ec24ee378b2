import Files
import Foundation
import HDF5

/// A second copy of a run's rows while `metrics.h5` grows: lines of text, written by this program's own loop, one write
/// a row. libhdf5 can lose a file whose writer is killed, and crash where a write fails; a line of text is there, whole,
/// or it is not.
///
///     smd metrics journal 1*5f6c…
///     columns step,loss,seconds*90e1…
///     unit seconds s*77ab…
///     1,0.5,0.25*c3d0…
///     back 0*4bb1…
///
/// `back N` voids the rows after step N that are above it: the run has gone back to where it was then.
/// Every line ends in `*` and 16 hexadecimal digits, FNV-1a of what is before. Numbers have the fewest digits that give
/// the same bits back.
final class MetricsJournal {
    private static let magic = "smd metrics journal 1"
    let path: String
    private let descriptor: Int32
    /// Bytes of whole lines in the file.
    private var size: Int
    /// Lines that are not in the file yet.
    private var pending: [UInt8] = []

    /// Where the journal of a metrics file lies.
    static func path(of metrics: String) -> String { metrics + ".journal" }

    /// Takes the place of an older journal with the rows of `table`, and is locked until it is closed, or this process
    /// ends.
    ///
    /// - Throws: `HDF5Error` where the folder cannot be written; `StorageError` where another process writes the journal.
    init(path: String, table: MetricsTable) throws {
        self.path = path
        guard Self.isBeingWritten(path) != true else {
            throw StorageError("another process writes \(path): two runs cannot share a folder; end it first")
        }
        var text = Self.line(Self.magic) + Self.line("columns " + table.columns.joined(separator: ","))
        for (name, unit) in table.units.sorted(by: { $0.key < $1.key }) {
            text += Self.line("unit \(name) \(unit.split(whereSeparator: \.isNewline).joined(separator: " "))")
        }
        for row in 0..<table.rowCount { text += Self.line(table.row(row)) }
        let bytes = Array(text.utf8)
        let folder = Path.folder(of: path)
        let own = Path.name(of: path) + DurableFile.temporaryMark
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        DurableFile.removeAbandoned(in: folder, names: names.filter { $0.hasBytes(prefix: own) })
        try bytes.withUnsafeBytes { try DurableFile.write($0, to: path) }
        size = bytes.count
        descriptor = try DurableFile.openForWriting(path)
        // For `MetricsFollower`; what keeps two runs apart is the claim on their folder.
        _ = FileLock.take(descriptor)
    }

    /// Whether a process holds the journal for writing; nil where the file system has no locks to see it by.
    static func isBeingWritten(_ path: String) -> Bool? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return FileLock.isTaken(descriptor)
    }

    deinit { close(descriptor) }

    // MARK: Writing

    /// Adds a row: to the file at the next `flush`.
    func append(_ row: [Double]) {
        pending += Array(Self.line(row).utf8)
    }

    /// Voids the rows after `step`: in the file at the next `flush`.
    func goBack(to step: Int) {
        pending += Array(Self.line("back \(step)").utf8)
    }

    /// Hands all rows to the operating system, where kill -9 does not lose them.
    ///
    /// - Throws: `HDF5Error` where the disk is full or fails; the rows wait for the next try.
    func flush() throws {
        guard !pending.isEmpty else { return }
        // At a known place: what a failed try has left is written over.
        try pending.withUnsafeBytes { try DurableFile.write($0, to: descriptor, at: size, path) }
        size += pending.count
        pending.removeAll(keepingCapacity: true)
    }

    /// Removes the file: its rows are safe elsewhere.
    ///
    /// - Throws: `HDF5Error` where it cannot be removed.
    func remove() throws { try DurableFile.remove(path) }

    // MARK: Lines

    private static func line(_ payload: String) -> String {
        let digits = String(checksum(payload.utf8), radix: 16)
        return payload + "*" + String(repeating: "0", count: 16 - digits.count) + digits + "\n"
    }

    private static func line(_ row: [Double]) -> String {
        line(row.map { Int(exactly: $0).map(String.init) ?? $0.description }.joined(separator: ","))
    }

    private static func checksum(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// The payload of a line without its newline; nil where it is damaged.
    private static func payload(_ line: ArraySlice<UInt8>) -> Substring? {
        guard let star = line.lastIndex(of: UInt8(ascii: "*")), line.endIndex - star == 17 else { return nil }
        let digits = String(decoding: line[(star + 1)...], as: UTF8.self)
        guard UInt64(digits, radix: 16) == checksum(line[..<star]) else { return nil }
        return Substring(String(decoding: line[..<star], as: UTF8.self))
    }

    // MARK: Reading

    /// What the lines so far say.
    struct Contents {
        var columns: [String] = []
        var units: [String: String] = [:]
        var rows: [[Double]] = []
        /// Lines that are damaged; a torn last line does not count.
        var damagedLines = 0
        /// Whether rows above were voided.
        var wentBack = false
        private var isJournal = false

        /// Takes whole lines from the front of `bytes`.
        mutating func take(_ bytes: inout [UInt8]) {
            var start = bytes.startIndex
            while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
                take(line: bytes[start..<end])
                start = end + 1
            }
            bytes.removeSubrange(..<start)
        }

        private mutating func take(line: ArraySlice<UInt8>) {
            guard let payload = payload(line) else { return damagedLines += 1 }
            // Nearly all lines are rows, of which a long run has many: they are split by bytes.
            if payload.utf8.first.map({ (0x30...0x39).contains($0) }) == true {
                let row = payload.utf8.split(separator: UInt8(ascii: ",")).compactMap { Double(Substring($0)) }
                if row.count == columns.count { rows.append(row) } else { damagedLines += 1 }
                return
            }
            let words = payload.split(separator: " ", maxSplits: 2)
            if payload == magic {
                isJournal = true
            } else if words.first == "columns", words.count == 2 {
                columns = words[1].split(separator: ",").map(String.init)
            } else if words.first == "unit", words.count == 3 {
                units[String(words[1])] = String(words[2])
            } else if words.first == "back", words.count == 2, let step = Double(words[1]) {
                rows.removeAll { $0[0] > step }
                wentBack = true
            } else {
                damagedLines += 1
            }
        }

        /// Whether the first lines are those of a journal.
        var isReadable: Bool { isJournal && columns.first == MetricsWriter.stepColumn }

        var table: MetricsTable {
            MetricsTable(
                columns: columns, values: columns.indices.map { column in rows.map { $0[column] } }, units: units)
        }
    }

    /// The last rows of a journal, from its end alone; at least one where it has any.
    ///
    /// - Throws: as `read`.
    static func readLast(_ path: String) throws -> Contents {
        let piece = 1 << 16
        let descriptor = try DurableFile.openForReading(path)
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 4 * piece else { return try read(path) }
        var contents = Contents()
        var head = try DurableFile.read(descriptor, at: 0, atMost: piece, path)
        contents.take(&head)
        contents.rows = []
        var end = try DurableFile.read(descriptor, at: Int(status.st_size) - piece, atMost: piece, path)
        // It begins inside a line.
        end.removeSubrange(...(end.firstIndex(of: UInt8(ascii: "\n")) ?? end.endIndex - 1))
        contents.take(&end)
        return contents.isReadable && !contents.rows.isEmpty ? contents : try read(path)
    }

    /// Reads a journal: one being written, or left behind.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where it is missing, cannot be read, or its head is damaged.
    static func read(_ path: String) throws -> Contents {
        var bytes = try DurableFile.read(path).withUnsafeBytes { Array($0) }
        var contents = Contents()
        contents.take(&bytes)
        guard contents.isReadable else { throw StorageError("\(path) is damaged, or no journal of metrics") }
        return contents
    }
}
