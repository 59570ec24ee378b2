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
        let exists = FileManager.default.fileExists(atPath: metrics)
        return try exists || !checkpoints.steps().isEmpty
    }

    /// Makes the folders and tries whether they can be written to.
    ///
    /// - Throws: ``TrainingError`` that names the folder and the reason.
    func prepare() throws {
        for folder in [path, path + "/checkpoints", path + "/previews"] {
            do {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            } catch {
                throw TrainingError("cannot make the run folder \(folder): \(reason(error)); choose another --output")
            }
            let probe = folder + "/.writable-\(getpid())"
            guard FileManager.default.createFile(atPath: probe, contents: Data([0])) else {
                throw TrainingError("cannot write to the run folder \(folder): \(String(cString: strerror(errno)))")
            }
            try? FileManager.default.removeItem(atPath: probe)
        }
    }

    private func reason(_ error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        if let code = underlying?.code, underlying?.domain == NSPOSIXErrorDomain {
            return String(cString: strerror(Int32(code)))
        }
        return String(describing: error)
    }
}
