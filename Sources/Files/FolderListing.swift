import Glibc

/// A call of the system that failed, by its number.
public struct SystemError: Error, CustomStringConvertible {
    /// The value of `errno`.
    public let number: Int32
    /// What the system says about it.
    public var description: String { String(cString: strerror(number)) }

    /// The error that the last failed call of this thread left.
    public static var last: SystemError { SystemError(number: errno) }
}

/// What a path leads to, links followed.
public struct FileFacts: Sendable {
    /// What there is.
    public enum Kind: Sendable { case file, folder, other }

    /// Tells one file or folder from every other, whatever names lead to it.
    public struct Identity: Hashable, Sendable {
        let device: UInt
        let number: UInt
    }

    /// What there is.
    public let kind: Kind
    /// Which it is.
    public let identity: Identity
    /// Bytes of a file.
    public let bytes: Int

    /// Looks at `path`.
    ///
    /// - Throws: `SystemError`; a link to nowhere is "No such file or directory", as a missing file is.
    public init(_ path: BytePath) throws {
        var status = stat()
        guard path.withCString({ stat($0, &status) }) == 0 else { throw SystemError.last }
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            default: .other
            }
        bytes = Int(status.st_size)
        identity = Identity(device: UInt(status.st_dev), number: UInt(status.st_ino))
    }
}

/// Names of everything in a folder but "." and "..", hidden ones too, in the order of their bytes. No name is left out,
/// whatever bytes it has.
///
/// - Throws: `SystemError` where the folder cannot be read, or not to its end.
public func namesInFolder(_ path: BytePath) throws -> [BytePath] {
    guard let folder = path.withCString({ opendir($0) }) else { throw SystemError.last }
    defer { closedir(folder) }
    var names: [BytePath] = []
    while true {
        errno = 0  // the only way to tell an error from the end
        guard let entry = readdir(folder) else {
            guard errno == 0 else { throw SystemError.last }
            return names.sorted()
        }
        let start = UnsafeRawPointer(entry) + (MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
        let name = UnsafeRawBufferPointer(start: start, count: strlen(start.assumingMemoryBound(to: CChar.self)))
        if !name.elementsEqual([0x2E]) && !name.elementsEqual([0x2E, 0x2E]) { names.append(BytePath(bytes: name)) }
    }
}
