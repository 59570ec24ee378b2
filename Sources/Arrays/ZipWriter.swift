import CArchive
import Files

/// Writes a zip file member by member: what is in it need not fit into memory. Not for use from several threads at once.
public final class ZipWriter {
    private var writer: OpaquePointer?
    /// Bytes of the current member that are still to come.
    private var missing = 0

    /// Begins a file on a descriptor, which the caller closes afterwards.
    ///
    /// - Throws: ``ArrayFileError`` where it cannot be written.
    public init(descriptor: Int32) throws {
        var writer: OpaquePointer?
        let (status, message) = archiveCall { carchive_zip_begin(descriptor, &writer, $0, $1) }
        guard status == CARCHIVE_OK else { throw ArrayFileError(message) }
        self.writer = writer
    }

    deinit { if let writer { carchive_zip_end(writer, 0, nil, 0) } }

    /// Begins a member of `bytes` bytes, which ``append(_:)`` then gets.
    public func begin(_ name: String, bytes: Int) throws {
        precondition(missing == 0, "\(missing) bytes of the member before are missing")
        try check { carchive_zip_member(writer, name, UInt64(bytes), $0, $1) }
        missing = bytes
    }

    /// The next bytes of the current member.
    public func append(_ bytes: [UInt8]) throws {
        precondition(bytes.count <= missing, "\(bytes.count) bytes where \(missing) are missing")
        guard !bytes.isEmpty else { return }
        try check { carchive_zip_append(writer, bytes, bytes.count, $0, $1) }
        missing -= bytes.count
    }

    /// Ends the file.
    public func finish() throws {
        precondition(missing == 0, "\(missing) bytes of the last member are missing")
        let ended = writer
        writer = nil
        let (status, message) = archiveCall { carchive_zip_end(ended, 1, $0, $1) }
        guard status == CARCHIVE_OK else { throw ArrayFileError(message) }
    }

    private func check(_ body: (UnsafeMutablePointer<CChar>, Int) -> Int32) throws {
        let (status, message) = archiveCall(body)
        guard status == CARCHIVE_OK else { throw ArrayFileError(message) }
    }
}
