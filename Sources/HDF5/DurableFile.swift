import Files
import Glibc

/// Whole files, read and written so that a crash, a kill or a full disk never leaves half of one under its name.
///
/// libhdf5 itself never calls fsync, and can crash when a disk is full: a file that matters is built in memory
/// (`HDF5File.createInMemory`) and written here.
public enum DurableFile {
    /// Reads a whole file.
    ///
    /// - Throws: `HDF5Error` where it is missing, a folder, or cannot be read.
    public static func read(_ path: String) throws -> FileBytes {
        let descriptor = try openForReading(path)
        defer { close(descriptor) }
        let size = try regularFileBytes(descriptor, path)
        // A file that shrinks meanwhile ends early; the caller's check of the contents finds it.
        return try FileBytes(count: size, name: path) { try readFully(descriptor, $0, at: 0, path) }
    }

    /// Writes `bytes` under `path` in this order: a temporary file beside it, fsync, read again and compared, renamed,
    /// fsync of the folder. Same permissions as any new file.
    ///
    /// - Parameter replacing: whether a file may be replaced that is there when the new one is whole.
    /// - Throws: `HDF5Error` where any of it fails; nothing of the attempt is then left, and an older file stays.
    public static func write(_ bytes: UnsafeRawBufferPointer, to path: String, replacing: Bool = true) throws {
        var name = path + temporaryMark
        for _ in 0..<12 { name.append("0123456789abcdefghijklmnopqrstuvwxyz".randomElement() ?? "0") }
        let descriptor = retrying { open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
        guard descriptor >= 0 else { throw failure("create", path) }
        // Marks the temporary as alive for `removeAbandoned`. Where a file system has no locks, none is removed.
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        do {
            // The lock must last until the rename, so the descriptor is closed after it.
            defer { close(descriptor) }
            try write(bytes, to: descriptor, at: 0, path)
            guard retrying({ fsync(descriptor) }) == 0 else { throw failure("write", path) }
            try compare(descriptor, bytes, path)
            guard retrying({ OutputFile.publish(name, as: path, replacing: replacing) }) == 0 else {
                throw failure("rename a temporary file to", path)
            }
        } catch {
            _ = retrying { unlink(name) }
            throw error
        }
        try synchronizeFolder(of: path)
    }

    /// Makes what was renamed, created or removed in the folder of `path` survive a loss of power.
    ///
    /// - Throws: `HDF5Error` where the disk reports a failure.
    public static func synchronizeFolder(of path: String) throws {
        try synchronize(Path.folder(of: path))
    }

    /// Makes what was written to a file or folder survive a loss of power.
    ///
    /// - Throws: `HDF5Error` where the disk reports a failure.
    public static func synchronize(_ path: String) throws {
        let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        // Some file systems cannot synchronise folders, and say so with EINVAL.
        if retrying({ fsync(descriptor) }) != 0, errno != EINVAL { throw failure("synchronise", path) }
    }

    // MARK: Files that grow

    /// Opens a file for reading.
    ///
    /// - Throws: `HDF5Error` where it is missing or cannot be opened.
    public static func openForReading(_ path: String) throws -> Int32 {
        // Without waiting for a writer, if it is a pipe.
        let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else {
            if errno == ENOENT { throw HDF5Error("\(path) does not exist") }
            throw failure("open", path)
        }
        return descriptor
    }

    /// The length of an open file, whose name is for messages.
    ///
    /// - Throws: `HDF5Error` where it is no regular file.
    public static func regularFileBytes(_ descriptor: Int32, _ path: String) throws -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("look at", path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw HDF5Error("\(path) is not a regular file") }
        return Int(status.st_size)
    }

    /// When an open file, whose name is for messages, was last written.
    ///
    /// - Throws: `HDF5Error` where the system does not tell.
    public static func timeOfChange(_ descriptor: Int32, _ path: String) throws -> timespec {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("look at", path) }
        return status.st_mtim
    }

    /// Closes what was opened here.
    public static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    /// Reads from a place of an open file, whose name is for messages: less than `count` bytes at its end.
    ///
    /// - Throws: `HDF5Error` where it cannot be read.
    public static func read(_ descriptor: Int32, at start: Int, atMost count: Int, _ path: String) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = try readFully(descriptor, UnsafeMutableRawBufferPointer(buffer), at: start, path)
        }
    }

    /// Opens an existing file for writing.
    ///
    /// - Throws: `HDF5Error` where it cannot be opened.
    public static func openForWriting(_ path: String) throws -> Int32 {
        let descriptor = retrying { open(path, O_RDWR | O_CLOEXEC) }
        guard descriptor >= 0 else { throw failure("open", path) }
        return descriptor
    }

    /// Writes `bytes` at a place of an open file, whose name is for messages.
    ///
    /// - Throws: `HDF5Error` where the disk is full or fails; a part may then have been written.
    public static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at start: Int, _ path: String
    ) throws {
        var done = 0
        while done < bytes.count {
            // Linux writes at most 2 GiB at once.
            let piece = UnsafeRawBufferPointer(rebasing: bytes[done..<min(done + 1 << 30, bytes.count)])
            let written = retrying { pwrite(descriptor, piece.baseAddress, piece.count, start + done) }
            // A write of nothing, which the system does not explain, is a disk that takes no more.
            if written == 0 { errno = ENOSPC }
            guard written > 0 else { throw failure("write", path) }
            done += written
        }
    }

    // MARK: Names

    /// Renames a file, over one that is there, and makes that survive a loss of power.
    ///
    /// - Throws: `HDF5Error` where it cannot be renamed.
    public static func move(_ path: String, to new: String) throws {
        guard retrying({ rename(path, new) }) == 0 else { throw failure("rename \(path) to", new) }
        try synchronizeFolder(of: new)
    }

    /// Removes a file; none is fine.
    ///
    /// - Throws: `HDF5Error` where it cannot be removed.
    public static func remove(_ path: String) throws {
        guard retrying({ unlink(path) }) == 0 || errno == ENOENT else { throw failure("remove", path) }
    }

    /// Removes the temporary files that writers of `path` left behind when they were killed; those of writers still
    /// at work stay.
    public static func removeAbandoned(in folder: String, names: [String]) {
        for name in names where name.contains(temporaryMark) {
            let path = Path.join(folder, name)
            let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { _ = unlink(path) }
            close(descriptor)
        }
    }

    /// What the name of a temporary has after the name of the file that it will become.
    public static let temporaryMark = ".tmp-"

    /// Bytes that an ordinary user can still write to the file system of `path`; `nil` where it does not tell.
    public static func freeBytes(at path: String) -> Int? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 || statvfs(Path.folder(of: path), &status) == 0 else { return nil }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return overflow ? Int.max : Int(clamping: bytes)
    }

    // MARK: Loops over system calls

    private static func failure(_ verb: String, _ path: String) -> HDF5Error {
        let number = errno
        let reason = String(cString: strerror(number))
        switch number {
        case ENOSPC, EDQUOT: return HDF5Error("cannot \(verb) \(path): \(reason); free some space and try again")
        // Some file systems say so of a name that they do not take, too.
        case ENOENT where access(Path.folder(of: path), F_OK) != 0:
            return HDF5Error("cannot \(verb) \(path): the folder \(Path.folder(of: path)) does not exist")
        default: return HDF5Error("cannot \(verb) \(path): \(reason)")
        }
    }

    /// Repeats a call that a signal interrupted.
    private static func retrying<T: SignedInteger>(_ call: () -> T) -> T {
        while true {
            let result = call()
            if result != -1 || errno != EINTR { return result }
        }
    }

    private static func readFully(
        _ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer, at start: Int, _ path: String
    ) throws -> Int {
        var done = 0
        while done < buffer.count {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<min(done + 1 << 30, buffer.count)])
            let count = retrying { pread(descriptor, piece.baseAddress, piece.count, start + done) }
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Reads a file again, from the disk where the kernel can be talked into it.
    private static func compare(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, _ path: String) throws {
        _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
        let pieceBytes = 1 << 22
        try withUnsafeTemporaryAllocation(byteCount: min(pieceBytes, max(bytes.count, 1)), alignment: 16) { buffer in
            for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
                let count = min(pieceBytes, bytes.count - start)
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                let expected = UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
                guard try readFully(descriptor, piece, at: start, path) == count,
                    let left = piece.baseAddress, let right = expected.baseAddress, memcmp(left, right, count) == 0
                else { throw HDF5Error("cannot write \(path): the disk gives back other bytes than were written") }
            }
        }
    }
}
