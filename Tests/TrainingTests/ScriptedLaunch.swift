import Foundation
import TestSupport

/// launch/run in a folder of its own, with a script in the place of smd; for tests that are about the launcher alone.
struct ScriptedLaunch {
    static let launcher = repositoryFolder + "/launch/run"

    let folder: String
    private var hasLauncher: Bool { FileManager.default.fileExists(atPath: folder + "/bin/mpirun") }

    /// Makes `script` the program. Its lines see the number of the start in `$start` and the run's folder in `$run`.
    /// What launch/run asks of smd is answered by smd.
    init(_ script: String, in folder: String) throws {
        self.folder = folder
        try write(
            """
            #!/bin/bash
            [[ $1 == launch-facts ]] && exec '\(product("smd"))' "$@"
            run=\(folder)/run; mkdir -p $run/checkpoints
            echo "$*" >>\(folder)/starts
            start=$(wc -l <\(folder)/starts)
            \(script)
            """, to: folder + "/program")
    }

    /// Writes an mpirun that runs `script` with the program and its arguments, once.
    func writeLauncher(_ script: String = "\"$@\"") throws {
        try FileManager.default.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
        try write(
            "#!/bin/bash\nwhile [[ $1 != */program ]]; do shift; done\n\(script)\n", to: folder + "/bin/mpirun")
    }

    private func write(_ text: String, to path: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    /// launch/run on one rank, without arguments of smd.
    static func command(_ options: [String]) -> [String] { [launcher, "-n", "1", "--pause", "0"] + options }

    /// Variables that launch/run is started with.
    func settings(_ environment: [String: String] = [:]) throws -> [String: String] {
        var settings = try localMPISettings().merging(["SMD": folder + "/program"]) { $1 }
        if hasLauncher { settings["PATH"] = folder + "/bin:" + (ProcessInfo.processInfo.environment["PATH"] ?? "") }
        return settings.merging(environment) { $1 }
    }

    /// Runs launch/run with `options` of its own and `arguments` of smd.
    func run(
        _ options: [String] = [], smd arguments: [String], environment: [String: String] = [:]
    ) throws -> (status: Int32, output: String, errors: String) {
        try TestSupport.run(
            Self.command(options) + arguments, environment: settings(environment), timeout: 120)
    }

    /// The arguments of the program, a line for each start.
    func starts() -> [String] {
        let text = try? String(contentsOfFile: folder + "/starts", encoding: .utf8)
        return (text ?? "").split(separator: "\n").map { String($0) }
    }
}
