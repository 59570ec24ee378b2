import Communication
import Files
import Foundation
import Sampling
import Storage

/// The folder of a run: `metrics.h5`, `checkpoints/*.h5`, `averages/*.h5`, `previews/*.png`.
public final class RunFolder {
    let path: String
    /// On the rank that reads and writes here: what keeps all other jobs out.
    private let lock: RunLock?
    private var made: [String] = []

    /// The folder as the ranks see it that touch nothing there.
    public init(_ path: String) {
        self.path = path
        lock = nil
    }

    /// Claims the folder for this job until this process ends, before anything in it is looked at, and tries whether it
    /// can be written to.
    ///
    /// - Parameters:
    ///   - launcher: as for ``RunLock``.
    ///   - report: as for ``RunLock``.
    /// - Throws: `StorageError` or ``RunError`` that names the folder and the reason.
    public init(claiming path: String, launcher: Int32?, report: @escaping (String) -> Void) throws {
        // A limit on the size of files is then an error of a write, not the end of the process.
        signal(SIGXFSZ, SIG_IGN)
        self.path = path
        let lock = try RunLock(folder: path, launcher: launcher, whileWaiting: Watchdog.beat, report: report)
        self.lock = lock
        do {
            for folder in [path, Path.join(path, "checkpoints"), Path.join(path, "previews")] { try prepare(folder) }
        } catch {
            leave()
            throw error
        }
    }

    /// For a job that ends before its first step: removes what it has made here, if nothing else is in it.
    public func leave() {
        for folder in made.reversed() { rmdir(folder) }
        lock?.takeBack()
    }

    var metrics: String { Path.join(path, "metrics.h5") }
    var checkpoints: CheckpointFolder { CheckpointFolder(path: Path.join(path, "checkpoints")) }

    /// Snapshots of averages.
    var averages: CheckpointFolder { CheckpointFolder(path: Path.join(path, "averages")) }

    func preview(step: Int, _ kind: String) -> String {
        Path.join(path, "previews/step-" + String(format: "%08d", step) + "-\(kind).png")
    }

    /// True when a run has left files here.
    func holdsRun() throws -> Bool {
        try MetricsWriter.exists(metrics) || !checkpoints.steps().isEmpty
    }

    /// Makes a folder if it is missing and tries whether it can be written to.
    private func prepare(_ folder: String) throws {
        if mkdir(folder, 0o777) == 0 {
            made.append(folder)
        } else if errno != EEXIST {
            throw unusable("cannot make the run folder \(folder)")
        }
        let probe = Path.join(folder, ".writable-\(getpid())")
        let file = open(probe, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard file >= 0 else { throw unusable("cannot write to the run folder \(folder)") }
        close(file)
        unlink(probe)
    }

    private func unusable(_ what: String) -> RunError {
        RunError(
            "\(what): \(String(cString: strerror(errno))); choose another --output", status: .cannotCreateOutput)
    }
}
