import Files
import Foundation

/// The whole content of a regular file of at most `limit` bytes; ``DataSetError`` says why it cannot be had.
///
/// Never waits for a pipe and never reads a device: a folder from elsewhere may hold both.
func readFile(_ path: String, atMost limit: Int) throws -> [UInt8] {
    try naming(path) { try readFile(BytePath(path), atMost: limit) }
}

/// The first bytes of a regular file, at most `count`; fewer where it is shorter.
func readBeginning(_ path: String, count: Int) throws -> [UInt8] {
    try naming(path) { try readBeginning(BytePath(path), count: count) }
}

/// The same as for text; errors do not name the file.
func readFile(_ path: BytePath, atMost limit: Int) throws -> [UInt8] {
    let descriptor = try openRegularFile(path)
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unreadable() }
    guard status.st_size <= limit else {
        throw DataSetError("\(sizeText(Int(status.st_size))) is too large; at most \(sizeText(limit)) are read")
    }
    let size = Int(status.st_size)
    return try [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
        // A file that shrinks meanwhile ends early, and one that grows is cut: its parser finds either.
        while filled < size {
            let count = read(descriptor, buffer.baseAddress.map { $0 + filled }, min(size - filled, 1 << 30))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw unreadable() }
            if count == 0 { break }
            filled += count
        }
    }
}

/// The same as for text; errors do not name the file.
func readBeginning(_ path: BytePath, count: Int) throws -> [UInt8] {
    let descriptor = try openRegularFile(path)
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: count)
    let found = read(descriptor, &bytes, count)
    guard found >= 0 else { throw unreadable() }
    return Array(bytes[..<found])
}

/// A descriptor of a regular file, to be closed by the caller.
private func openRegularFile(_ path: BytePath) throws -> Int32 {
    let descriptor = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
    guard descriptor >= 0 else {
        throw errno == ENOENT || errno == ENOTDIR ? DataSetError("no such file") : unreadable()
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        throw DataSetError("is a \(isFolder ? "folder" : "pipe or device"), not a file")
    }
    return descriptor
}

private func unreadable() -> DataSetError { DataSetError("cannot be read: \(SystemError.last)") }

private func naming<T>(_ path: String, _ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let error as DataSetError {
        throw DataSetError("\(path): \(error)")
    }
}
