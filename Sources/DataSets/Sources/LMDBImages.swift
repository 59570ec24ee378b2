import CLMDB
import Files
import Glibc

/// Image files in an LMDB database, as LSUN comes: keys are their names.
///
/// The database is mapped into memory, so a damaged one is tried in a helper process before (``tryReading(path:)``).
public struct LMDBImages: ImageSource {
    public let path: String
    private let entries: [(name: BytePath, bytes: Int)]

    /// Lists the database at `path`, a folder or a file.
    ///
    /// - Throws: ``DataSetError`` where it is none.
    public init(path: String) throws {
        self.path = path
        let database = try Database(path)
        var entries: [(name: BytePath, bytes: Int)] = []
        while let (key, value) = try database.next() { entries.append((BytePath(bytes: key), value.count)) }
        self.entries = entries
    }

    public var count: Int { entries.count }
    public func name(_ place: Int) -> BytePath { entries[place].name }
    public func bytes(_ place: Int) -> Int { entries[place].bytes }
    public var labels: SourceLabels { .none }
    public func reader() throws -> any ImageReader { try Reader(path) }

    /// Touches every entry of the database, for a helper process: a file that makes liblmdb crash shall do it there.
    ///
    /// - Throws: ``DataSetError`` where it is none.
    public static func tryReading(path: String) throws {
        let database = try Database(path)
        var sum: UInt8 = 0
        while let (key, value) = try database.next() {
            for place in stride(from: 0, to: value.count, by: 4096) { sum ^= value[place] }
            sum ^= (key.last ?? 0) ^ (value.last ?? 0)
        }
        withExtendedLifetime(sum) {}
    }

    private final class Reader: ImageReader {
        private let database: Database
        private var place = 0

        init(_ path: String) throws { database = try Database(path) }

        func read(_ range: Range<Int>) throws -> [@Sendable () throws -> ImageContent] {
            var contents: [@Sendable () throws -> ImageContent] = []
            while place < range.upperBound, let (_, value) = try database.next() {
                defer { place += 1 }
                guard range.contains(place) else { continue }
                let bytes = Array(value)
                contents.append { .file(bytes) }
            }
            guard contents.count == range.count else {
                throw DataSetError("\(database.path): was changed while it was read")
            }
            return contents
        }
    }

    private final class Database {
        let path: String
        private let handle: OpaquePointer

        init(_ path: String) throws {
            self.path = path
            let isFile: Bool
            do {
                isFile = try FileFacts(BytePath(path)).kind == .file
            } catch {
                throw DataSetError("\(path): \(error)")
            }
            var handle: OpaquePointer?
            let (status, message) = Self.call { clmdb_open(path, isFile ? 1 : 0, &handle, $0, $1) }
            guard status == CLMDB_OK, let handle else {
                throw DataSetError("\(path): cannot be read as a database of LMDB: \(message)")
            }
            self.handle = handle
        }

        deinit { clmdb_close(handle) }

        func next() throws -> (key: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>)? {
            var (key, value): (UnsafePointer<UInt8>?, UnsafePointer<UInt8>?) = (nil, nil)
            var (keySize, valueSize) = (0, 0)
            let (status, message) = Self.call { clmdb_next(handle, &key, &keySize, &value, &valueSize, $0, $1) }
            if status == CLMDB_END { return nil }
            guard status == CLMDB_OK else { throw DataSetError("\(path): \(message)") }
            return (
                UnsafeBufferPointer(start: key, count: keySize), UnsafeBufferPointer(start: value, count: valueSize)
            )
        }

        private static func call(
            _ body: (UnsafeMutablePointer<CChar>, Int) -> Int32
        ) -> (status: clmdb_status, message: String) {
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                buffer.initialize(repeating: 0)
                guard let start = buffer.baseAddress else { return (CLMDB_FAILED, "") }
                let status = body(start, buffer.count)
                return (clmdb_status(UInt32(status)), String(cString: start))
            }
        }
    }
}
