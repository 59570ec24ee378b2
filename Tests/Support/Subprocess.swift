import Foundation

/// A command that could not be run to its end.
public struct SubprocessError: Error, CustomStringConvertible {
    /// What happened, with the output so far.
    public let description: String
}

/// Runs `command` to its end, with nothing on standard input.
///
/// - Parameters:
///   - command: the program (a path, or a name looked up in PATH) and its arguments.
///   - environment: variables added to this process's own, replacing those of the same name.
///   - timeout: seconds after which the command is ended.
/// - Returns: the exit status (128 + signal for a command ended by a signal, as a shell says it), and what it wrote.
/// - Throws: `SubprocessError` when it cannot be started, or ran past `timeout`.
public func run(
    _ command: [String], environment: [String: String] = [:], timeout: TimeInterval
) throws -> (status: Int32, output: String, errors: String) {
    precondition(!command.isEmpty, "empty command")
    return try withTemporaryDirectory { folder in
        // Files, not pipes: a grandchild that outlives the command can then neither block nor be waited for.
        let outputPath = folder + "/output"
        let errorsPath = folder + "/errors"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // Test code runs on threads that block signals, and a child would inherit that.
        process.arguments = ["--default-signal", "--"] + command
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let output = try emptyFile(outputPath)
        let errors = try emptyFile(errorsPath)
        process.standardOutput = output
        process.standardError = errors
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        do {
            try process.run()
        } catch {
            throw SubprocessError(description: "cannot start \(command.joined(separator: " ")): \(error)")
        }
        var timedOut = false
        if ended.wait(timeout: .now() + timeout) == .timedOut {
            timedOut = true
            // Gently first: mpirun then ends its ranks.
            process.terminate()
            if ended.wait(timeout: .now() + 5) == .timedOut {
                kill(process.processIdentifier, SIGKILL)
                ended.wait()
            }
        }
        try output.close()
        try errors.close()
        let texts = (output: try contents(outputPath), errors: try contents(errorsPath))
        if timedOut {
            throw SubprocessError(
                description: "ran past \(timeout) s: \(command.joined(separator: " "))\n"
                    + "output:\n\(texts.output)\nerrors:\n\(texts.errors)")
        }
        let signalled = process.terminationReason == .uncaughtSignal
        return (process.terminationStatus + (signalled ? 128 : 0), texts.output, texts.errors)
    }
}

/// Runs `command` on `ranks` ranks of this machine, with the settings of `launch/local-mpi.env`.
///
/// - Parameter arguments: further arguments of mpirun itself.
/// - Throws: as `run`.
public func mpirun(
    _ ranks: Int, _ command: [String], arguments: [String] = [], environment: [String: String] = [:],
    timeout: TimeInterval = 120
) throws -> (status: Int32, output: String, errors: String) {
    precondition(ranks > 0, "\(ranks) ranks")
    let settings = try localMPISettings().merging(environment) { $1 }
    return try run(["mpirun", "-n", "\(ranks)"] + arguments + command, environment: settings, timeout: timeout)
}

/// The lines of what went to standard error that are warnings or errors, and no notes or progress.
public func warningLines(_ errors: String) -> [Substring] {
    errors.split(separator: "\n").filter { $0.contains("warning:") || $0.contains("error:") }
}

/// Environment of a rank as a launcher would find it: the variables of `launch/local-mpi.env`.
public func localMPISettings() throws -> [String: String] {
    var settings = ["OMP_NUM_THREADS": "1"]
    for line in try contents(repositoryFolder + "/launch/local-mpi.env").split(separator: "\n") {
        guard !line.hasPrefix("#"), let equals = line.firstIndex(of: "=") else { continue }
        settings[String(line[..<equals])] = String(line[line.index(after: equals)...])
    }
    return settings
}

private func emptyFile(_ path: String) throws -> FileHandle {
    guard FileManager.default.createFile(atPath: path, contents: nil), let handle = FileHandle(forWritingAtPath: path)
    else { throw SubprocessError(description: "cannot create \(path)") }
    return handle
}

private func contents(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
}
