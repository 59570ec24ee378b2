import CHDF5

/// Owns libhdf5's identifier of an open file. Every group and data set keeps its file's handle alive.
final class FileHandle {
    let id: chdf5_id
    /// How messages name the file: its path.
    let name: String
    private(set) var isOpen = true
    /// The bytes that the file is read from, where they are in memory.
    private let image: FileBytes?
    private let measure: () -> Int?

    /// - Parameter measure: bytes of the file as they are now; `nil` for one that this process writes.
    init(id: chdf5_id, name: String, image: FileBytes? = nil, measure: @escaping () -> Int? = { nil }) {
        self.id = id
        self.name = name
        self.image = image
        self.measure = measure
    }

    var byteCount: Int? { image?.count ?? measure() }

    /// Throws where something claims to be larger than what the whole file could hold: `bytes` is only a number that
    /// the file states, and nothing may be allocated for it before. Deflate shrinks at most 1032 to 1.
    func checkPlausible(bytes: UInt64, stored: UInt64 = .max, _ claim: @autoclosure () -> String) throws {
        guard bytes > 16 << 20, let size = byteCount else { return }
        let room = min(stored, UInt64(max(size, 0)))
        if bytes / 1100 > room {
            throw HDF5Error("\(claim()), which \(room) bytes cannot hold: the file is damaged, or meant to do harm")
        }
    }

    /// The funnel for calls on an open file. After the system has refused a write, libhdf5 1.10 crashes when the file
    /// is closed: it is then never touched again.
    func check(_ call: @autoclosure () -> Int32, _ action: @autoclosure () -> String) throws {
        if !isOpen { throw HDF5Error("\(action()): the file is closed, or a write to it has failed") }
        if call() != 0 {
            let reason = lastReason()
            if reason.contains("write failed") { isOpen = false }
            throw HDF5Error("\(action()): \(reason)")
        }
    }

    func close() throws {
        guard isOpen else { return }
        // Whatever the system refuses shall be refused here, not while closing.
        try check(chdf5_file_flush(id), "cannot finish writing \(name)")
        defer { isOpen = false }
        try check(chdf5_file_close(id), "cannot close \(name)")
    }

    func abandon() { isOpen = false }

    deinit {
        try? close()
    }
}

/// Owns libhdf5's identifier of an open group or data set.
final class ObjectHandle {
    let id: chdf5_id
    let file: FileHandle
    /// Path inside the file, from the root: "/" or "/a/b".
    let path: String
    private let closeObject: (chdf5_id) -> Int32

    init(id: chdf5_id, file: FileHandle, path: String, close: @escaping (chdf5_id) -> Int32) {
        self.id = id
        self.file = file
        self.path = path
        closeObject = close
    }

    deinit {
        // Closing the file has closed its objects.
        if file.isOpen { _ = closeObject(id) }
    }

    /// How messages name the object.
    var place: String { path == "/" ? file.name : "\(path) in \(file.name)" }

    func path(of child: String) -> String {
        if child.hasPrefix("/") { return child }
        return path == "/" ? "/" + child : path + "/" + child
    }
}
