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
///
/// - Parameter beginning: gets the first bytes before the rest is read; what it throws ends the reading.
func readFile(
    _ path: BytePath, atMost limit: Int, beginning: ([UInt8]) throws -> Void = { _ in }
) throws -> [UInt8] {
    let (descriptor, status) = try openRegularFile(path)
    defer { close(descriptor) }
    let size = Int(status.st_size)
    let first = min(size, 64 << 10)
    // A file that shrinks meanwhile ends early, and one that grows is cut: its parser finds either.
    var bytes = try read(descriptor, first)
    try beginning(bytes)
    guard size <= limit else {
        throw DataSetError("\(sizeText(size)) is too large; at most \(sizeText(limit)) are read")
    }
    if size > first { bytes += try read(descriptor, size - first) }
    return bytes
}

/// The next `size` bytes of a file, or what there is of them.
private func read(_ descriptor: Int32, _ size: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
        while filled < size {
            let count = Glibc.read(descriptor, buffer.baseAddress.map { $0 + filled }, min(size - filled, 1 << 30))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw unreadable() }
            if count == 0 { break }
            filled += count
        }
    }
}

/// The same as for text; errors do not name the file.
func readBeginning(_ path: BytePath, count: Int) throws -> [UInt8] {
    let (descriptor, _) = try openRegularFile(path)
    defer { close(descriptor) }
    return try read(descriptor, count)
}

/// A descriptor of a regular file, to be closed by the caller.
private func openRegularFile(_ path: BytePath) throws -> (descriptor: Int32, status: stat) {
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
    return (descriptor, status)
}

private func unreadable() -> DataSetError { DataSetError("cannot be read: \(SystemError.last)") }

private func naming<T>(_ path: String, _ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let error as DataSetError {
        throw DataSetError("\(path): \(error)")
    }
}
