import Foundation
import TestSupport

/// A command that runs beside a test, with its output in files. It is killed at the latest when it is released.
final class Background {
    private let process = Process()
    private let folder: String

    /// Starts `command`; `name` names its output files in `folder`.
    init(_ command: [String], in folder: String, name: String) throws {
        self.folder = folder + "/" + name
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["--default-signal", "--"] + command
        process.environment = ProcessInfo.processInfo.environment.merging(try localMPISettings()) { $1 }
        for (end, set) in [
            (".out", { self.process.standardOutput = $0 }), (".err", { self.process.standardError = $0 }),
        ] as [(String, (FileHandle?) -> Void)] {
            _ = FileManager.default.createFile(atPath: self.folder + end, contents: nil)
            set(FileHandle(forWritingAtPath: self.folder + end))
        }
        try process.run()
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    var isRunning: Bool { process.isRunning }
    var pid: Int32 { process.processIdentifier }
    var output: String { text(".out") }
    var errors: String { text(".err") }

    private func text(_ end: String) -> String { (try? String(contentsOfFile: folder + end, encoding: .utf8)) ?? "" }

    /// Waits until `condition` holds; false when the command ends or `seconds` pass before.
    func waits(seconds: Double = 60, until condition: () throws -> Bool) rethrows -> Bool {
        let deadline = Date().addingTimeInterval(seconds)
        while try !condition() {
            guard isRunning, Date() < deadline else { return try condition() }
            usleep(20_000)
        }
        return true
    }

    /// Sends a signal and waits for the end.
    func end(_ signal: Int32) -> Int32 {
        kill(pid, signal)
        process.waitUntilExit()
        return process.terminationStatus
    }
}
