import Glibc

/// Whether a file can be written, found out before the work whose result it is to hold.
public enum OutputFile {
    /// Why no file can be written under `path`, in words that follow "path: "; nil where one can. A file is made beside
    /// it, and removed.
    ///
    /// - Parameters:
    ///   - overwrite: whether a file that is there may be replaced.
    ///   - bytes: how large it will be, about.
    public static func problem(_ path: String, overwrite: Bool, bytes: Int = 0) -> String? {
        guard !Path.name(of: path).isEmpty else { return "is no name of a file" }
        var status = stat()
        if lstat(path, &status) == 0 {
            switch status.st_mode & S_IFMT {
            case S_IFDIR: return "is a folder; give the name of a file"
            case S_IFREG, S_IFLNK: break
            default: return "is a device, pipe or socket; a file is wanted"
            }
            if !overwrite { return "exists already; give another name or --overwrite" }
        }
        let folder = Path.folder(of: path)
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            return "there is no folder \(folder); make it first"
        }
        if let reason = trial(path) { return "cannot write into \(folder): \(reason)" }
        var disk = statvfs()
        if statvfs(folder, &disk) == 0, disk.f_frsize > 0, Int(clamping: disk.f_bavail) < bytes / Int(disk.f_frsize) {
            let free = Int(clamping: disk.f_bavail) * Int(disk.f_frsize)
            return "needs \(bytes >> 20) MiB, and its disk has \(free >> 20) MiB free; make some room"
        }
        return nil
    }

    /// Gives a finished temporary file its name.
    ///
    /// - Parameter replacing: whether a file of that name may be replaced, which another process may have made meanwhile.
    /// - Returns: 0, or −1 with the reason in `errno`.
    public static func publish(_ temporary: String, as path: String, replacing: Bool) -> Int32 {
        if replacing { return rename(temporary, path) }
        if link(temporary, path) == 0 { return unlink(temporary) }
        // Not every file system has hard links.
        guard [EPERM, ENOTSUP, ENOSYS, EMLINK].contains(errno) else { return -1 }
        if access(path, F_OK) == 0 {
            errno = EEXIST
            return -1
        }
        return rename(temporary, path)
    }

    /// Makes a file with a name as long as those of temporary files; the reason where that fails.
    private static func trial(_ path: String) -> String? {
        let name = path + ".trial-\(getpid())-0123456789ab"
        let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        close(descriptor)
        unlink(name)
        return nil
    }
}
