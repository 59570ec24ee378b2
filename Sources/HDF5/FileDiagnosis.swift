import Files
import Glibc

/// Says in plain words why a file cannot be opened, before and after libhdf5 has tried.
enum FileDiagnosis {
    /// What is wrong with the file as seen from outside, or `nil` where it looks like HDF5.
    static func problem(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            switch errno {
            case ENOENT, ENOTDIR: return "\(path) does not exist"
            case EACCES: return "no permission to look at \(path)"
            default: return "cannot open \(path): \(String(cString: strerror(errno)))"
            }
        }
        if status.st_mode & S_IFMT == S_IFDIR { return "\(path) is a folder, not an HDF5 file" }
        if status.st_mode & S_IFMT != S_IFREG { return "\(path) is not a regular file" }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == EACCES || errno == EPERM { return "no permission to read \(path)" }
            return "cannot open \(path): \(String(cString: strerror(errno)))"
        }
        defer { _ = Glibc.close(descriptor) }
        if status.st_size == 0 { return "\(path) is empty, not an HDF5 file" }
        if FileLock.isHeldByWriter(path) {
            return "\(path) is locked: another program is writing it; wait for it or stop it"
        }
        return hasSignature(descriptor, bytes: Int(status.st_size)) ? nil : "\(path) is not an HDF5 file"
    }

    /// Size of the file now; 0 where it is unknown.
    static func bytes(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The signature lies at byte 0, 512, 1024, 2048, …
    private static func hasSignature(_ descriptor: Int32, bytes: Int) -> Bool {
        let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
        var start = 0
        while start + signature.count <= bytes {
            var head = [UInt8](repeating: 0, count: signature.count)
            if pread(descriptor, &head, head.count, start) == head.count, head == signature { return true }
            start = start == 0 ? 512 : start * 2
        }
        return false
    }

    /// Turns libhdf5's reason into advice.
    static func explain(_ path: String, reason: String) -> HDF5Error {
        if reason.contains("truncated file") {
            return HDF5Error("\(path) is truncated: it is shorter than its header says; copy or make it again")
        }
        if reason.contains("already open for write") || reason.contains("h5clear") {
            return HDF5Error(
                "\(path) is open for writing in another program, or its writer was killed before closing it")
        }
        return HDF5Error("\(path) is damaged, or no HDF5 file that can be read: \(reason)")
    }

    /// Why a file could not be created.
    static func explainCreation(_ path: String, reason: String) -> HDF5Error {
        var status = stat()
        let parent = Path.folder(of: path)
        if stat(parent, &status) != 0 { return HDF5Error("cannot create \(path): the folder \(parent) does not exist") }
        if status.st_mode & S_IFMT != S_IFDIR { return HDF5Error("cannot create \(path): \(parent) is not a folder") }
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            return HDF5Error("cannot create \(path): it is a folder")
        }
        if access(parent, W_OK) != 0 {
            return HDF5Error("cannot create \(path): \(parent): \(String(cString: strerror(errno)))")
        }
        if reason.contains("File exists") || reason.contains("file exists") {
            return HDF5Error("cannot create \(path): it exists already")
        }
        return HDF5Error("cannot create \(path): \(reason)")
    }
}
