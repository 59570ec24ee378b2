import Foundation
import HDF5
import Storage
import StorageSupport

/// Whether `pwrite` writes only a part, and how often it did.
nonisolated(unsafe) private var writesAreShort = false
nonisolated(unsafe) private var cutWrites = 0

private typealias Write = @convention(c) (Int32, UnsafeRawPointer?, Int, Int) -> Int

/// Takes the place of the C library's function in this program.
@_cdecl("pwrite")
public func shortWrite(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, _ offset: Int) -> Int {
    guard let real = dlsym(nil, "pwrite64") else { return -1 }
    let isCut = writesAreShort && count > 1
    if isCut { cutWrites += 1 }
    return unsafeBitCast(real, to: Write.self)(file, bytes, isCut ? count * 2 / 3 : count, offset)
}

/// What tests cannot do to their own process: be killed, run out of room, meet failing system calls. Usage:
/// storage-program MODE PATH [AMOUNT].
@main enum StorageProgram {
    static func main() {
        let arguments = CommandLine.arguments
        guard (3...4).contains(arguments.count) else { return exit("usage: storage-program MODE PATH [AMOUNT]") }
        do {
            switch arguments[1] {
            case "checkpoint": try writeCheckpoint(arguments[2])
            case "save":  // between two calls that a tracer can recognise
                _ = access("/save-begins", F_OK)
                let keep = Retention(last: 1)
                let saved = try CheckpointFolder(path: arguments[2]).save(smallState(step: 2), keep: keep)
                _ = access("/save-ends", F_OK)
                if let problem = saved.problem { throw HDF5Error(problem) }
            case "save-short":  // every write takes less than it was given
                writesAreShort = true
                _ = try CheckpointFolder(path: arguments[2]).save(smallState(step: 2), keep: Retention(last: 1))
                if cutWrites < 3 { throw HDF5Error("only \(cutWrites) writes were cut") }
            case "newest-as-nobody":
                if getuid() == 0, setgid(65534) != 0 || setuid(65534) != 0 { throw HDF5Error("cannot change user") }
                let newest = try CheckpointFolder(path: arguments[2]).newestVerified { print($0) }
                print(newest?.path ?? "none")
            case "steady": try saveForSeconds(arguments[2], Double(arguments[3]) ?? 1)
            case "checkpoint-limited":  // no file may grow past 4 KiB
                limitFileSize(4096)
                try writeCheckpoint(arguments[2])
            case "filter":  // whether libhdf5 finds a filter that it lacks, once a file that asks for it was opened
                let file = arguments[2] == "none" ? nil : try HDF5File.open(arguments[2])
                _ = try? file?.root.dataset("unknown_filter")
                print(try isFilterAvailable(40000))
            case "metrics-killed":
                let writer = try writeMetrics(arguments[2], rows: 2500)
                writer.append(step: 9999, values: [0, 0])  // not flushed
                kill(getpid(), SIGKILL)
            case "metrics-limited":  // no file may grow past 64 KiB
                limitFileSize(65536)
                _ = try writeMetrics(arguments[2], rows: 100_000)
            default: exit("unknown mode \(arguments[1])")
            }
        } catch {
            exit("\(error)")
        }
    }

    private static func exit(_ message: String) {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        Foundation.exit(1)
    }

    private static func smallState(step: Int) -> Checkpoint {
        let tensors = (0..<4).map {
            NamedTensor(name: "layer.\($0)", shape: [500], values: .init(repeating: 2, count: 500))
        }
        let header = CheckpointHeader(step: step, seed: 1, config: "{}", dataFingerprint: "0a1b", version: "0")
        return Checkpoint(header, groups: groups.map { TensorGroup(name: $0, tensors: tensors) })
    }

    private static let groups = ["parameters", "ema", "optimizer/first_moment", "optimizer/second_moment"]

    /// Saves, reads and writes metrics for some seconds; prints what libhdf5 has open after each round.
    private static func saveForSeconds(_ folder: String, _ seconds: Double) throws {
        let end = ContinuousClock.now + .seconds(seconds)
        let checkpoints = CheckpointFolder(path: folder)
        let writer = try MetricsWriter(path: folder + "/metrics.h5", columns: ["loss"], continueAfterStep: nil)
        var step = 0
        while ContinuousClock.now < end {
            step += 1
            writer.append(step: step, values: [0.5])
            try writer.flush()
            let state = smallState(step: step)
            let image = try CheckpointImage(header: state.header, elements: 8000, tensors: 16)
            for group in state.groups {
                try image.begin(group.name)
                for tensor in group.tensors {
                    try tensor.values.withUnsafeBufferPointer {
                        try image.add(tensor.name, shape: tensor.shape, values: $0)
                    }
                }
            }
            let saver = try CheckpointSaver(
                image, in: checkpoints, keep: Retention(last: 2), after: try writer.synchronizing())
            _ = try MetricsTable.read(folder + "/metrics.h5")
            guard let saved = try saver.end(waiting: true) else { throw HDF5Error("the save has not ended") }
            guard try Checkpoint.read(saved.path).header.step == step else {
                throw HDF5Error("\(saved.path) is another")
            }
            print(try HDF5File.openObjectCount())
        }
        try writer.close()
    }

    /// 700 tensors of 1000 numbers.
    private static func writeCheckpoint(_ path: String) throws {
        let tensors = (0..<700).map { index in
            NamedTensor(name: "layer.\(index).weight", shape: [10, 100], values: (0..<1000).map { Float($0 * index) })
        }
        let header = CheckpointHeader(
            step: 2, seed: .max, config: "{\"steps\": 10}", dataFingerprint: "0a1b", version: "0",
            attributes: ["ema_updates": .integer(3)])
        let checkpoint = Checkpoint(header, groups: groups.map { TensorGroup(name: $0, tensors: tensors) })
        try checkpoint.write(to: path)
    }

    /// Rows `step, loss = 1 / step, seconds = step`, flushed after every 100 and at the end; not closed.
    private static func writeMetrics(_ path: String, rows: Int) throws -> MetricsWriter {
        let writer = try MetricsWriter(
            path: path, columns: ["loss", "seconds"], units: ["seconds": "s"], continueAfterStep: nil)
        for step in 1...rows {
            writer.append(step: step, values: [1 / Double(step), Double(step)])
            if step % 100 == 0 { try writer.flush() }
        }
        try writer.flush()
        return writer
    }

    /// What libhdf5 itself says, which looks for a plugin then.
    private static func isFilterAvailable(_ number: Int32) throws -> Bool {
        guard let function = dlsym(nil, "H5Zfilter_avail") else { throw HDF5Error("no H5Zfilter_avail") }
        return unsafeBitCast(function, to: (@convention(c) (Int32) -> Int32).self)(number) > 0
    }

    private static func limitFileSize(_ bytes: UInt) {
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    }
}
