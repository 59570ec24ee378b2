import Glibc

/// Standard output and standard error, written to directly: what they do not take is an answer, never a trap.
public enum StandardStreams {
    /// Gives input, output and error a place where they were closed at the start: the next files that are opened would
    /// get their numbers, and text would be written into them. Writing to such a one fails, as it should.
    public static func occupy() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// Writes all of `text` to an open file; the system's reason where it does not take it, else nil.
    public static func write(_ text: String, to descriptor: Int32) -> String? {
        write(Array(text.utf8), to: descriptor)
    }

    /// The same of bytes.
    public static func write(_ bytes: [UInt8], to descriptor: Int32) -> String? {
        bytes.withUnsafeBytes { write($0, to: descriptor) }
    }

    /// The same of memory.
    public static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> String? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return String(cString: strerror(errno)) }
            rest = rest.dropFirst(count)
        }
        return nil
    }
}

/// Writes a line to standard error, in one piece so that those of several ranks do not mix, and printable. Where nobody
/// takes it there is nobody to tell.
public func printError(_ line: String) { _ = StandardStreams.write(printable(line) + "\n", to: STDERR_FILENO) }
