import Foundation
import HDF5

/// Follows the metrics of a run while it goes on, by reading the journal: nothing that a writer, or libhdf5, could
/// notice.
public final class MetricsFollower {
    /// Where the run stands.
    public enum State: Equatable, Sendable {
        /// A process writes.
        case running
        /// The writer has closed the file: all rows are in it.
        case ended
        /// Nobody writes, though the file was not closed: the writer was killed.
        case abandoned
    }

    private let path: String
    private let journal: String
    private var descriptor: Int32 = -1
    private var identity: (device: UInt, inode: UInt) = (0, 0)
    private var offset = 0
    private var rest: [UInt8] = []
    private var contents = MetricsJournal.Contents()
    /// Looks in a row at which nobody held the journal: it takes a writer a moment to lock a new one.
    private var unlocked = 0
    private static let patience = 5

    /// Follows the metrics file at `path`.
    public init(path: String) {
        self.path = path
        journal = MetricsJournal.path(of: path)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The rows since the last look (at first, all), where there are any, and whether there can be more. A run that was
    /// resumed from an earlier step gives rows of those steps again.
    ///
    /// - Throws: `HDF5Error` or `StorageError` where there are no metrics, or they cannot be read.
    public func look() throws -> (rows: MetricsTable?, state: State) {
        if descriptor < 0 {
            guard try open() else { return (try MetricsTable.read(path), .ended) }
        }
        // In this order: a writer that ends between the two has written all that is read then.
        let replaced = isReplaced
        // Where the file system has no locks nobody can tell a writer that waits from one that is gone.
        unlocked = FileLock.isTaken(descriptor) == false ? unlocked + 1 : 0
        let rows = try newRows()
        if replaced {
            close(descriptor)
            descriptor = -1
            // Closed in good order, or another process has taken over.
            return (rows, FileManager.default.fileExists(atPath: journal) ? .running : .ended)
        }
        return (rows, unlocked < Self.patience ? .running : .abandoned)
    }

    /// Opens the journal; false where there is none.
    private func open() throws -> Bool {
        guard FileManager.default.fileExists(atPath: journal) else { return false }
        descriptor = try DurableFile.openForReading(journal)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw StorageError("cannot look at \(journal)") }
        identity = (UInt(status.st_dev), UInt(status.st_ino))
        (offset, rest, unlocked, contents) = (0, [], 0, MetricsJournal.Contents())
        return true
    }

    /// Whether the name leads to another file now, or to none.
    private var isReplaced: Bool {
        var status = stat()
        guard stat(journal, &status) == 0 else { return true }
        return (UInt(status.st_dev), UInt(status.st_ino)) != identity
    }

    private func newRows() throws -> MetricsTable? {
        while true {
            let bytes = try DurableFile.read(descriptor, at: offset, atMost: 1 << 20, journal)
            if bytes.isEmpty { break }
            offset += bytes.count
            rest += bytes
            contents.take(&rest)
        }
        guard contents.isReadable else {
            if contents.damagedLines > 0 { throw StorageError("\(journal) is damaged, or no journal of metrics") }
            return nil
        }
        defer { contents.rows = [] }
        return contents.rows.isEmpty ? nil : contents.table
    }
}
