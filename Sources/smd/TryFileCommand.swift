import ArgumentParser
import Conformance
import Files
import Foundation
import HDF5
import DataSets
import Reports
import Storage

/// Kinds of files that are tried in a helper process before they are used.
enum TriedFile: String, CaseIterable, ExpressibleByArgument {
    case dataset, checkpoint, metrics, run, conformance
    /// Arrays of any HDF5 file, named as members.
    case arrays
    case lmdb
    /// What a checkpoint says beside its tensors, and their names and shapes.
    case checkpointOutline = "checkpoint-outline"
    /// All of a checkpoint, its digest aside.
    case checkpointNumbers = "checkpoint-numbers"
}

/// `smd try-file`: the helper process of `FileTrial`. Not for people.
struct TryFileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try-file", abstract: "Read a file under limits, to see whether that is safe.",
        shouldDisplay: false)

    @Argument(help: ArgumentHelp("One of: \(TriedFile.allCases.map(\.rawValue).joined(separator: ", "))."))
    var kind: TriedFile

    @Argument(help: "The file.")
    var path: String

    @Argument(help: "What in the file is to be read, where that is not all.")
    var members: [String] = []

    func run() throws {
        endWithParent()
        try TrialLimits(kind, path: path).apply()
        switch kind {
        case .dataset: try DataSet.tryReading(path: path)
        case .checkpoint, .checkpointNumbers:
            let file = try CheckpointFile(path, isVerified: kind == .checkpoint)
            for group in file.groups {
                for tensor in file.tensors(group) { _ = try file.tensor(tensor.name, of: group) }
            }
        case .checkpointOutline: _ = try CheckpointFile(path, isVerified: false)
        case .run: for run in try RunOverview.runs(in: path) { RunOverview.tryReading(run.path) }
        case .metrics: _ = try MetricsTable.read(path)
        case .conformance: try Conformance.tryReading(path)
        case .arrays: try HDF5Images.tryReading(path: path, members)
        case .lmdb: try LMDBImages.tryReading(path: path)
        }
    }

    /// Whoever waits for the result may be killed.
    private func endWithParent() {
        let parent = getppid()
        Thread {
            while getppid() == parent { usleep(500_000) }
            _exit(ExitStatus.failure.rawValue)
        }.start()
    }
}

/// What a helper process may use.
struct TrialLimits {
    /// Seconds of processor time.
    let processorSeconds: Int
    /// Bytes of memory beyond what the process has when it starts.
    let memoryBytes: Int

    /// Limits that no honest file comes near: they grow with its size.
    init(_ kind: TriedFile, path: String) {
        let files =
            switch kind {
            case .metrics: MetricsTable.files(of: path)
            case .lmdb: [path, Path.join(path, "data.mdb")]
            default: [path]
            }
        let size = files.reduce(0) { sum, file in
            sum + max(0, (try? FileFacts(BytePath(file)))?.bytes ?? 0)
        }
        // A checkpoint is in memory twice: its bytes and the tensors.
        memoryBytes = 2 << 30 + 4 * min(size, 1 << 50)
        processorSeconds = 10 + size >> 22  // inflating a MiB a hundredfold takes less than a tenth of a second
    }

    /// Puts the limits on this process, for good.
    ///
    /// - Throws: `HDF5Error` where the system refuses them.
    func apply() throws {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.prefix { $0 != " " }
        let present = (pages.flatMap { Int($0) } ?? 0) * Int(getpagesize())
        try set(RLIMIT_AS, present + memoryBytes)
        try set(RLIMIT_CPU, processorSeconds, hard: processorSeconds + 5)  // the soft limit's signal says what happened
        try set(RLIMIT_CORE, 0)
        try set(RLIMIT_FSIZE, 0)
    }

    private func set(_ name: __rlimit_resource, _ most: Int, hard: Int? = nil) throws {
        let resource = __rlimit_resource_t(name.rawValue)
        var limit = rlimit()
        getrlimit(resource, &limit)
        limit.rlim_max = min(rlim_t(hard ?? most), limit.rlim_max)
        limit.rlim_cur = min(rlim_t(most), limit.rlim_max)
        guard setrlimit(resource, &limit) == 0 else {
            throw HDF5Error("cannot limit a helper process: \(String(cString: strerror(errno)))")
        }
    }
}
