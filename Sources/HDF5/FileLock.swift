import Glibc

/// Locks of open files against other processes. They end with the process, however it ends.
public enum FileLock {
    /// What became of a lock that was asked for.
    public enum Outcome: Equatable, Sendable {
        case taken
        case heldByAnother
        /// The file system, or its server, has no locks: why, in the system's words.
        case unavailable(String)
    }

    // F_OFD_GETLK and F_OFD_SETLK of Linux, which the C library names only for GNU's dialect: locks of the open file,
    // not of the process.
    private static let (getLock, setLock): (Int32, Int32) = (36, 37)

    private static func whole() -> Glibc.flock {
        Glibc.flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
    }

    /// Locks an open file for writing, until it is closed or this process ends. Does not wait.
    ///
    /// Where there are no locks of ranges (`fcntl`), those of whole files (`flock`) serve: some file systems have one
    /// kind only, and all processes then come to the same.
    public static func take(_ descriptor: Int32) -> Outcome {
        var range = whole()
        if fcntl(descriptor, setLock, &range) == 0 { return .taken }
        if [EAGAIN, EACCES].contains(errno) { return .heldByAnother }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return .taken }
        return errno == EWOULDBLOCK ? .heldByAnother : .unavailable(String(cString: strerror(errno)))
    }

    /// Whether another process has locked an open file with `take`; nil where the file system does not say. Takes no
    /// lock itself, so it is in nobody's way.
    public static func isTaken(_ descriptor: Int32) -> Bool? {
        var range = whole()
        return fcntl(descriptor, getLock, &range) == 0 ? range.l_type != Int16(F_UNLCK) : nil
    }

    /// Whether a program that locks as libhdf5 does has the file at `path` open for writing; false where the file system
    /// has no locks.
    static func isHeldByWriter(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { _ = close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}
