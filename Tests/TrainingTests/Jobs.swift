import Foundation
import Storage
import StorageSupport
import TestSupport

/// A job that runs beside the test: mpirun with its ranks, launch/run, or one process.
final class Job {
    private let process = Process()
    private let log: String

    /// Starts `command`; what it writes goes to the file `log`.
    init(_ command: [String], log: String, environment: [String: String] = [:]) throws {
        self.log = log
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["--default-signal", "--"] + command
        process.environment = ProcessInfo.processInfo.environment.merging(try localMPISettings()) { $1 }
            .merging(environment) { $1 }
        try Data().write(to: URL(fileURLWithPath: log))
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: log)
        process.standardError = process.standardOutput
        try process.run()
    }

    var isRunning: Bool { process.isRunning }

    /// What it wrote so far.
    var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// mpirun among its processes: the process itself, or the one that launch/run started.
    var mpirun: Int32? { descendants.first { processName($0) == "mpirun" } }

    /// Whether mpirun is the process itself.
    var isMpirun: Bool { mpirun == process.processIdentifier }

    /// Processes of smd, in the order of their start, which is that of ranks.
    var ranks: [Int32] { descendants.filter { processName($0) == "smd" }.sorted() }

    private var descendants: [Int32] {
        var found = [process.processIdentifier]
        var next = 0
        while next < found.count {
            found += children(of: found[next])
            next += 1
        }
        return found
    }

    /// Waits for its end and returns the status, 128 + signal for one that a signal ended; after `seconds`, kills it and
    /// returns nil.
    func end(within seconds: TimeInterval = 60) -> Int32? {
        let inTime = waitUntil(seconds) { !isRunning }
        if !inTime {
            for process in descendants.reversed() { kill(process, SIGKILL) }
        }
        process.waitUntilExit()
        return inTime ? process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0) : nil
    }
}

/// Looks every millisecond until `condition` holds; false after `seconds`.
@discardableResult
func waitUntil(_ seconds: TimeInterval, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while try !condition() {
        guard Date() < deadline else { return false }
        usleep(1_000)
    }
    return true
}

/// Whether a process runs; one that ended and was not waited for does not.
func isAlive(_ process: Int32) -> Bool {
    guard let state = statFields(process)?.first else { return false }
    return state != "Z" && state != "X"
}

private func processName(_ process: Int32) -> String? {
    (try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8))?.trimmingCharacters(in: .newlines)
}

private func children(of parent: Int32) -> [Int32] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc") else { return [] }
    return names.compactMap { Int32($0) }.filter { process in
        guard let fields = statFields(process), fields.count > 1 else { return false }
        return Int32(fields[1]) == parent
    }
}

/// State, parent and so on of a process.
private func statFields(_ process: Int32) -> [Substring]? {
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
        let end = stat.lastIndex(of: ")")
    else { return nil }
    return stat[stat.index(after: end)...].split(separator: " ")
}

extension Run {
    /// Step of the newest checkpoint; 0 without one.
    func newestStep(_ output: String) throws -> Int {
        try CheckpointFolder(path: path(output) + "/checkpoints").steps().max() ?? 0
    }

    /// Starts `command` on `ranks` ranks under mpirun.
    func start(_ ranks: Int, _ command: [String]) throws -> Job {
        try Job(["mpirun", "-n", "\(ranks)"] + command, log: path("log-\(UUID().uuidString)"))
    }
}
