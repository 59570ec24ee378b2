import CHDF5
import Glibc

/// An open HDF5 file.
///
/// `close()` tells whether everything reached the file; without it the file is closed, quietly, once the file and
/// every group and data set of it are released. After `close()` the file's groups and data sets throw when used.
/// Not for use from several threads at once.
public final class HDF5File {
    private let handle: FileHandle
    /// The root group, "/".
    public let root: HDF5Group
    /// The path, or the name given for one in memory.
    public var name: String { handle.name }

    /// Bytes of the file that was opened, as they are now; `nil` for one that this process writes.
    public var byteCount: Int? { handle.byteCount }

    private let userBlockBytes: Int

    private init(_ handle: FileHandle, userBlockBytes: Int = 0) throws {
        self.userBlockBytes = userBlockBytes
        self.handle = handle
        root = try HDF5Group(parent: handle.id, file: handle, path: "/", full: "/")
    }

    /// Files, groups, data sets, attributes and types that libhdf5 holds open in this process: a number that must not
    /// grow.
    ///
    /// - Throws: `HDF5Error` where libhdf5 does not tell.
    public static func openObjectCount() throws -> Int {
        var count = 0
        try check(chdf5_open_count(&count), "cannot count what libhdf5 has open")
        return count
    }

    /// Opens a file for reading.
    ///
    /// - Throws: `HDF5Error`, one line that tells apart: missing, a folder, no permission, not HDF5, truncated, locked
    ///   or being written, damaged.
    public static func open(_ path: String) throws -> HDF5File {
        if let problem = FileDiagnosis.problem(path) { throw HDF5Error(problem) }
        var id: chdf5_id = 0
        guard chdf5_file_open(path, 0, &id) == 0 else { throw FileDiagnosis.explain(path, reason: lastReason()) }
        return try HDF5File(FileHandle(id: id, name: path, measure: { FileDiagnosis.bytes(path) }))
    }

    /// Opens bytes that are already in memory, for reading. They are not copied, and kept while the file is.
    ///
    /// - Parameter name: what messages call it.
    /// - Throws: `HDF5Error` where the bytes are no HDF5 file.
    public static func open(image: FileBytes, name: String) throws -> HDF5File {
        var id: chdf5_id = 0
        guard chdf5_file_open_image(image.raw.baseAddress, image.raw.count, &id) == 0 else {
            throw FileDiagnosis.explain(name, reason: lastReason())
        }
        let count = image.raw.count
        return try HDF5File(FileHandle(id: id, name: name, image: image, measure: { count }))
    }

    /// Opens a copy of bytes that are already in memory, for reading.
    ///
    /// - Parameter name: what messages call it.
    /// - Throws: `HDF5Error` where the bytes are no HDF5 file.
    public static func open(image: [UInt8], name: String) throws -> HDF5File {
        try open(image: FileBytes(image), name: name)
    }

    /// Creates a file for writing, in the earliest format that serves.
    ///
    /// - Throws: `HDF5Error` where it exists (unless `overwrite`) or cannot be created.
    public static func create(_ path: String, overwrite: Bool = false) throws -> HDF5File {
        var id: chdf5_id = 0
        guard chdf5_file_create(path, overwrite ? 1 : 0, &id) == 0 else {
            throw FileDiagnosis.explainCreation(path, reason: lastReason())
        }
        return try HDF5File(FileHandle(id: id, name: path))
    }

    /// Creates a file in memory; `image()` gives its bytes. The same calls give the same bytes.
    ///
    /// - Parameters:
    ///   - userBlockBytes: how many of its first bytes are left to the caller: 0, or a power of two from 512.
    ///   - expectedBytes: how large it will become. Memory grows by this much at a time: once, where it is enough.
    /// - Throws: `HDF5Error` where memory is short.
    public static func createInMemory(userBlockBytes: Int = 0, expectedBytes: Int = 1 << 20) throws -> HDF5File {
        precondition(
            userBlockBytes == 0 || (userBlockBytes >= 512 && userBlockBytes & (userBlockBytes - 1) == 0),
            "a user block of \(userBlockBytes) bytes is neither 0 nor a power of two from 512")
        var id: chdf5_id = 0
        try check(chdf5_file_create_core(userBlockBytes, expectedBytes, &id), "cannot create a file in memory")
        return try HDF5File(FileHandle(id: id, name: "a file in memory"), userBlockBytes: userBlockBytes)
    }

    /// A copy of the bytes of a file made with `createInMemory`, without a user block, as they would lie on disk.
    ///
    /// - Throws: `HDF5Error` where memory is short.
    public func image() throws -> [UInt8] {
        precondition(userBlockBytes == 0, "the user block of \(name) would be lost")
        var bytes = 0
        try handle.check(chdf5_file_image(handle.id, nil, 0, &bytes), "cannot measure \(name)")
        return try [UInt8](unsafeUninitializedCapacity: bytes) { buffer, filled in
            try handle.check(chdf5_file_image(handle.id, buffer.baseAddress, bytes, &filled), "cannot copy \(name)")
        }
    }

    /// A file made with `createInMemory`, finished: its bytes where they are, user block included, without a copy.
    /// Nothing more may be written to the file.
    ///
    /// - Throws: `HDF5Error` where memory is short.
    public func finishedImage() throws -> FileImage {
        var memory: UnsafeMutableRawPointer?
        var bytes = 0
        try handle.check(
            chdf5_file_core_memory(handle.id, userBlockBytes, &memory, &bytes), "cannot finish \(name)")
        return FileImage(file: self, bytes: UnsafeMutableRawBufferPointer(start: memory, count: bytes))
    }

    /// Creates a file that one program can append to while others read it ("single writer, multiple readers"). Make
    /// all data sets and attributes first, then call `startSWMRWriting()`, then extend, write and flush.
    ///
    /// - Throws: `HDF5Error` where it exists or cannot be created.
    public static func createForSWMR(_ path: String) throws -> HDF5File {
        var id: chdf5_id = 0
        guard chdf5_file_create_swmr(path, &id) == 0 else {
            throw FileDiagnosis.explainCreation(path, reason: lastReason())
        }
        return try HDF5File(FileHandle(id: id, name: path))
    }

    /// Lets readers in. From here on no data set, group or attribute can be added.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func startSWMRWriting() throws {
        try handle.check(chdf5_file_start_swmr_write(handle.id), "cannot share \(name) with readers")
    }

    /// Opens for reading a file made with `createForSWMR`: one still being written, finished, or left behind by a
    /// writer that was killed. Ordinary HDF5 files open too. Tries a few times, for a fraction of a second.
    ///
    /// - Throws: `HDF5Error` as `open`.
    public static func openSWMR(_ path: String) throws -> HDF5File {
        var pauses: ArraySlice<UInt32> = [20, 40, 80, 160, 320]
        while true {
            var failure = FileDiagnosis.problem(path).map { HDF5Error($0) }
            var id: chdf5_id = 0
            if failure == nil {
                if chdf5_file_open(path, 1, &id) == 0 {
                    return try HDF5File(FileHandle(id: id, name: path, measure: { FileDiagnosis.bytes(path) }))
                }
                failure = FileDiagnosis.explain(path, reason: lastReason())
            }
            guard FileDiagnosis.exists(path), let milliseconds = pauses.popFirst() else {
                throw failure ?? HDF5Error("cannot open \(path)")
            }
            usleep(milliseconds * 1000)  // which a signal may cut short
        }
    }

    /// Hands everything written so far to the operating system.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func flush() throws {
        try handle.check(chdf5_file_flush(handle.id), "cannot write \(name)")
    }

    /// Gives the file up after a write to it has failed: it is never touched again, because libhdf5 can crash where it
    /// closes such a file. What libhdf5 holds of it stays in memory.
    public func abandon() { handle.abandon() }

    /// Writes what is left and closes the file with its groups and data sets. A second call does nothing.
    ///
    /// - Throws: `HDF5Error` where the file cannot be written.
    public func close() throws {
        try handle.close()
    }
}
