import CArchive
import Files
import Glibc

/// A zip or tar archive, read from beginning to end. Not for use from several threads at once.
public final class ArchiveReader {
    /// A member of an archive.
    public struct Member: Sendable {
        /// What a member is.
        public enum Kind: Sendable { case file, folder, link, device, encrypted }

        /// As the archive has it.
        public let name: BytePath
        public let kind: Kind
        /// Of the content; nil where the archive does not say it before.
        public let bytes: Int?
    }

    private let path: String
    private let reader: OpaquePointer

    /// Opens the archive at `path`.
    ///
    /// - Throws: ``ArrayFileError`` where it cannot be read or is no archive.
    public init(path: String) throws {
        self.path = path
        do {
            guard try FileFacts(BytePath(path)).kind == .file else { throw ArrayFileError("\(path): is not a file") }
        } catch let error as SystemError {
            throw ArrayFileError("\(path): \(error)")
        }
        var reader: OpaquePointer?
        let (status, message) = archiveCall { carchive_open(path, &reader, $0, $1) }
        guard status == CARCHIVE_OK, let reader else {
            throw ArrayFileError("\(path): cannot be read as an archive: \(message)")
        }
        self.reader = reader
    }

    deinit { carchive_close(reader) }

    /// The next member; nil at the end.
    ///
    /// - Throws: ``ArrayFileError`` where the archive is damaged.
    public func next() throws -> Member? {
        var member = carchive_member()
        let (status, message) = archiveCall { carchive_next(reader, &member, $0, $1) }
        if status == CARCHIVE_MISSING { return nil }
        guard status == CARCHIVE_OK, let name = member.name else {
            throw ArrayFileError("\(path): the archive is damaged: \(message)")
        }
        let kind: Member.Kind =
            switch member.kind {
            case CARCHIVE_FILE: .file
            case CARCHIVE_FOLDER: .folder
            case CARCHIVE_LINK: .link
            case CARCHIVE_ENCRYPTED: .encrypted
            default: .device
            }
        return Member(
            name: BytePath(bytes: UnsafeRawBufferPointer(start: name, count: strlen(name))), kind: kind,
            bytes: member.size < 0 ? nil : Int(member.size))
    }

    /// The content of the current member, of at most `cap` bytes.
    ///
    /// - Throws: ``ArrayFileError``, without the archive's name, where it is larger or damaged.
    public func content(atMost cap: Int) throws -> [UInt8] {
        var memory: UnsafeMutablePointer<UInt8>?
        var count = 0
        let (status, message) = archiveCall { carchive_content(reader, cap, &memory, &count, $0, $1) }
        defer { carchive_free(memory) }
        guard status == CARCHIVE_OK else { throw ArrayFileError("cannot be unpacked: \(message)") }
        return Array(UnsafeBufferPointer(start: memory, count: count))
    }

    /// The next `count` bytes of the content of the current member.
    ///
    /// - Throws: ``ArrayFileError`` where it ends before, or is damaged.
    public func read(_ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let (status, message) = archiveCall { carchive_read(reader, buffer.baseAddress, count, $0, $1) }
            guard status == CARCHIVE_OK else { throw ArrayFileError("\(path): \(message)") }
            filled = count
        }
    }
}

/// A status, and the line that came with it.
func archiveCall(_ body: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> (status: carchive_status, message: String) {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        buffer.initialize(repeating: 0)
        guard let start = buffer.baseAddress else { return (CARCHIVE_NO_MEMORY, "") }
        let status = body(start, buffer.count)
        return (carchive_status(UInt32(status)), String(cString: start))
    }
}
