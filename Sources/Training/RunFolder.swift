import Foundation
import Storage

/// The folder of a run: `metrics.h5`, `checkpoints/*.h5`, `previews/*.png`.
struct RunFolder {
    let path: String

    init(_ path: String) { self.path = path }

    var metrics: String { path + "/metrics.h5" }
    var checkpoints: CheckpointFolder { CheckpointFolder(path: path + "/checkpoints") }

    func preview(step: Int, _ kind: String) -> String {
        path + "/previews/step-" + String(format: "%08d", step) + "-\(kind).png"
    }

    /// True when a run has left files here.
    func holdsRun() throws -> Bool {
        try MetricsWriter.exists(metrics) || !checkpoints.steps().isEmpty
    }

    /// Makes the folders and tries whether they can be written to.
    ///
    /// - Throws: ``TrainingError`` that names the folder and the reason.
    func prepare() throws {
        // A limit on the size of files is then an error of a write, not the end of the process.
        signal(SIGXFSZ, SIG_IGN)
        for folder in [path, path + "/checkpoints", path + "/previews"] {
            try make(folder)
            let probe = folder + "/.writable-\(getpid())"
            let file = open(probe, O_WRONLY | O_CREAT | O_EXCL, 0o600)
            guard file >= 0 else { throw unusable("cannot write to the run folder \(folder)") }
            close(file)
            unlink(probe)
        }
    }

    /// Makes a folder and those above it, as `mkdir -p` does.
    private func make(_ folder: String) throws {
        var information = stat()
        if stat(folder, &information) == 0 {
            guard information.st_mode & S_IFMT == S_IFDIR else {
                errno = ENOTDIR
                throw unusable("cannot make the run folder \(folder)")
            }
            return
        }
        // Foundation's deletingLastPathComponent traps at a name of one letter.
        let parent = folder.lastIndex(of: "/").map { String(folder[..<$0]) } ?? ""
        if !parent.isEmpty { try make(parent) }
        guard mkdir(folder, 0o777) == 0 || errno == EEXIST else {
            throw unusable("cannot make the run folder \(folder)")
        }
    }

    private func unusable(_ what: String) -> TrainingError {
        TrainingError("\(what): \(String(cString: strerror(errno))); choose another --output")
    }
}
