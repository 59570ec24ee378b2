import CHDF5

/// Owns libhdf5's identifier of an open file. Every group and data set keeps its file's handle alive.
final class FileHandle {
    let id: chdf5_id
    /// How messages name the file: its path.
    let name: String
    private(set) var isOpen = true

    init(id: chdf5_id, name: String) {
        self.id = id
        self.name = name
    }

    func close() throws {
        guard isOpen else { return }
        isOpen = false
        try check(chdf5_file_close(id), "cannot finish writing or close \(name)")
    }

    deinit {
        if isOpen { _ = chdf5_file_close(id) }
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
