import Foundation
import Storage

/// What tests cannot do to their own process: be killed, and run out of room. Usage: storage-program MODE PATH.
@main enum StorageProgram {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 3 else { return exit("usage: storage-program MODE PATH") }
        do {
            switch arguments[1] {
            case "checkpoint": try writeCheckpoint(arguments[2])
            case "checkpoint-limited":  // no file may grow past 4 KiB
                limitFileSize(4096)
                try writeCheckpoint(arguments[2])
            case "metrics-killed":
                let writer = try writeMetrics(arguments[2], rows: 2500)
                try writer.append(step: 9999, values: [0, 0])  // not flushed
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

    /// 700 tensors of 1000 numbers.
    private static func writeCheckpoint(_ path: String) throws {
        let tensors = (0..<700).map { index in
            NamedTensor(name: "layer.\(index).weight", shape: [10, 100], values: (0..<1000).map { Float($0 * index) })
        }
        let checkpoint = Checkpoint(
            step: 2, seed: .max, config: "{\"steps\": 10}", dataFingerprint: "0a1b", version: "0",
            attributes: ["ema_updates": .integer(3)], parameters: tensors, ema: tensors, firstMoment: tensors,
            secondMoment: tensors)
        try checkpoint.write(to: path)
    }

    /// Rows `step, loss = 1 / step, seconds = step`, flushed after every 100 and at the end; not closed.
    private static func writeMetrics(_ path: String, rows: Int) throws -> MetricsWriter {
        let writer = try MetricsWriter(
            path: path, columns: ["loss", "seconds"], units: ["seconds": "s"], continueAfterStep: nil)
        for step in 1...rows {
            try writer.append(step: step, values: [1 / Double(step), Double(step)])
            if step % 100 == 0 { try writer.flush() }
        }
        try writer.flush()
        return writer
    }

    private static func limitFileSize(_ bytes: UInt) {
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    }
}
