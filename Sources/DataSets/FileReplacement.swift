import Files
import Foundation

/// A file that appears under its name whole or not at all: bytes go to a hidden file beside it, which is synced to the
/// disk and renamed at the end.
struct FileReplacement {
    /// Where the file will appear.
    let path: String
    /// Where its bytes go until then. The name tells the host and the process, so that leftovers of dead processes
    /// can be told from files in progress.
    let temporary: String

    init(path: String) {
        self.path = path
        let name = Path.name(of: path)
        temporary = Path.join(
            Path.folder(of: path), ".\(name).\(localHostName())-\(ProcessInfo.processInfo.processIdentifier).partial")
    }

    /// Refuses what cannot end well, before any work is done: an existing file, a missing or unwritable folder, a disk
    /// without room for about `bytes`.
    func check(overwrite: Bool, bytes: Int = 0) throws {
        if let problem = OutputFile.problem(path, overwrite: overwrite, bytes: bytes) {
            throw DataSetError("\(path): \(problem)", status: .cannotCreateOutput)
        }
    }

    /// Removes temporaries of this file that processes of this host left when they died.
    func removeStaleTemporaries() {
        let folder = Path.folder(of: path)
        let prefix = Array(".\(Path.name(of: path)).\(localHostName())-".utf8)
        let suffix = Array(".partial".utf8)
        for name in (try? namesInFolder(BytePath(folder))) ?? [] {
            let (head, end) = (name.bytes.prefix(prefix.count), name.bytes.suffix(suffix.count))
            guard head.elementsEqual(prefix), end.elementsEqual(suffix) else { continue }
            let number = name.bytes.dropFirst(prefix.count).dropLast(suffix.count)
            guard let process = Int32(String(decoding: number, as: UTF8.self)), process > 0 else { continue }
            let place = Path.join(folder, String(decoding: name.bytes, as: UTF8.self))
            if kill(process, 0) != 0 && errno == ESRCH { discard(place) }
        }
    }

    /// Writes the whole content and publishes it.
    func write(_ bytes: [UInt8], replacing: Bool) throws {
        try bytes.withUnsafeBytes { try write($0, replacing: replacing) }
    }

    /// The same of memory.
    func write(_ bytes: UnsafeRawBufferPointer, replacing: Bool) throws {
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure("create") }
        var problem = StandardStreams.write(bytes, to: descriptor).map { _ in failure("write") }
        if close(descriptor) != 0, problem == nil { problem = failure("close") }
        if let problem {
            discard(temporary)
            throw problem
        }
        try publish(replacing: replacing)
    }

    /// Syncs the temporary file, gives it its name and syncs the folder.
    ///
    /// - Parameter replacing: whether a file may be replaced that has come there meanwhile.
    func publish(replacing: Bool) throws {
        do {
            try sync(temporary, flags: O_RDONLY)
            guard OutputFile.publish(temporary, as: path, replacing: replacing) == 0 else { throw failure("name") }
        } catch {
            discard(temporary)
            throw error
        }
        try sync(Path.folder(of: path), flags: O_RDONLY | O_DIRECTORY)
    }

    /// Drops the temporary file after a failure.
    func abandon() { discard(temporary) }

    private func sync(_ name: String, flags: Int32) throws {
        let descriptor = open(name, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("sync") }
        defer { close(descriptor) }
        // Some network file systems cannot sync a folder and say EINVAL: then the rename is as safe as it gets.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure("sync") }
    }

    private func discard(_ name: String) { unlink(name) }

    private func failure(_ what: String) -> DataSetError {
        let reason = errno == ENOSPC ? "the disk is full" : String(cString: strerror(errno))
        return DataSetError("\(path): cannot \(what) the file: \(reason)", status: .cannotCreateOutput)
    }
}
