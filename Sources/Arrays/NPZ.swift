import CArchive
import Files
import Glibc

/// A file of several arrays of NumPy under names: a zip of `.npy` files, stored or deflated.
public struct NPZ {
    /// The file.
    public let path: String

    /// What a member holds.
    public enum Content: Equatable, Sendable {
        case numbers(NumericArray)
        case text(String)
    }

    /// The file at `path`.
    ///
    /// - Throws: ``ArrayFileError`` where there is no regular file.
    public init(path: String) throws {
        do {
            guard try FileFacts(BytePath(path)).kind == .file else {
                throw ArrayFileError("\(path): is not a file; a file of arrays (.npz) is wanted")
            }
        } catch let error as SystemError {
            throw ArrayFileError("\(path): cannot be read: \(error)")
        }
        self.path = path
    }

    /// The array called `name`, of at most `elements` numbers; nil where there is none.
    ///
    /// - Throws: ``ArrayFileError`` where it is larger, damaged, or of a type that is not read.
    public func numbers(_ name: String, atMost elements: Int) throws -> NumericArray? {
        let most = elements * MemoryLayout<Double>.stride + NPY.maximumHeaderBytes
        return try member(name, atMost: most).map { try NPY.numbers($0, name: "\(path): \(name)") }
    }

    /// The text called `name`; nil where there is none.
    ///
    /// - Throws: ``ArrayFileError`` where it is damaged, or no text.
    public func text(_ name: String) throws -> String? {
        try member(name, atMost: NPY.maximumHeaderBytes + 1 << 16).map { try NPY.text($0, name: "\(path): \(name)") }
    }

    private func member(_ name: String, atMost cap: Int) throws -> [UInt8]? {
        var content: UnsafeMutablePointer<UInt8>?
        var count = 0
        var status: Int32 = 0
        let message = reason { status = carchive_zip_read(path, name + ".npy", cap, &content, &count, $0, $1) }
        defer { carchive_free(content) }
        switch carchive_status(UInt32(status)) {
        case CARCHIVE_OK: return Array(UnsafeBufferPointer(start: content, count: count))
        case CARCHIVE_MISSING: return nil
        case CARCHIVE_TOO_LARGE: throw ArrayFileError("\(path): \(name) has \(message), too many for what it is to be")
        default: throw ArrayFileError("\(path): cannot be read as a file of arrays (.npz): \(message)")
        }
    }

    /// The bytes of a file of `members`, which NumPy's `load` opens; the same members give the same bytes.
    ///
    /// - Throws: ``ArrayFileError`` where there is no memory for it.
    public static func encode(_ members: [(name: String, content: Content)]) throws -> [UInt8] {
        let files = members.map { member in
            switch member.content {
            case .numbers(let array): NPY.encode(array)
            case .text(let text): NPY.encode(text)
            }
        }
        return try ZipFile.encode(zip(members, files).map { ($0.name + ".npy", $1) })
    }
}

/// Whole zip files, of members that are stored as they are.
public enum ZipFile {
    /// The bytes of a file of `members`, without times: the same members give the same bytes.
    ///
    /// - Throws: ``ArrayFileError`` where there is no memory for it.
    public static func encode(_ members: [(name: String, content: [UInt8])]) throws -> [UInt8] {
        let files = members.map(\.content)
        let contents = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: files.reduce(0) { $0 + $1.count })
        defer { contents.deallocate() }
        _ = contents.initialize(from: files.joined())
        var begin = 0
        let places = files.map { file -> UnsafePointer<UInt8>? in
            defer { begin += file.count }
            return contents.baseAddress.map { UnsafePointer($0 + begin) }
        }
        let names = members.map { strdup($0.name) }
        defer { for name in names { free(name) } }
        var zip: UnsafeMutablePointer<UInt8>?
        var count = 0
        var status: Int32 = 0
        let message = reason {
            status = carchive_zip_write(
                Int32(files.count), names.map { UnsafePointer($0) }, places, files.map(\.count), &zip, &count, $0, $1)
        }
        defer { carchive_free(zip) }
        guard status == 0 else { throw ArrayFileError("cannot make a zip file of \(files.count) members: \(message)") }
        return Array(UnsafeBufferPointer(start: zip, count: count))
    }
}

/// The line that `body` leaves in the buffer it is given.
private func reason(_ body: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        buffer.initialize(repeating: 0)
        guard let start = buffer.baseAddress else { return "" }
        body(start, buffer.count)
        return String(cString: start)
    }
}
