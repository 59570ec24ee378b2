import ArgumentParser
import Files
import Reports
import Storage

/// `smd checkpoint verify`.
struct CheckpointVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read all of a checkpoint, or of all checkpoints of a run, and compare it with the digest in it.",
        discussion: """
            Ends with status 0 only where every byte of every file is as it was written. Needs no memory but for the \
            file's table of contents.

            EXAMPLES
              smd checkpoint verify runs/fashion
              smd checkpoint verify runs/fashion/checkpoints/step-00030000.h5
              smd checkpoint verify runs/fashion --json | jq '.[] | select(.problem)'
            """)

    @Argument(
        help: ArgumentHelp("A checkpoint, or the folder of a run.", valueName: "file"),
        completion: .file(extensions: ["h5"]))
    var path: String

    @Flag(help: "Write JSON: a list with an object a file.")
    var json = false

    /// What became of a file.
    private struct Verdict: Encodable {
        let path: String
        let bytes: Int
        /// SHA-256 of what follows the first 512 bytes, as tail -c +513 FILE | sha256sum prints it.
        let payloadSha256: String?
        let problem: String?
    }

    @OptionGroup var quietness: QuietOption

    func run() throws {
        let files = try paths()
        let sizes = files.map { (try? FileFacts(BytePath($0)))?.bytes ?? 0 }
        let total = sizes.reduce(0, +) >> 20
        let progress = WorkProgress("verifying", unit: "MiB")
        var (done, verdicts): (Int, [Verdict]) = (0, [])
        for (path, bytes) in zip(files, sizes) {
            do {
                let digest = try CheckpointEnvelope.verify(path) { try progress.update((done + $0) >> 20, total) }
                try FileTrial.run(.checkpointOutline, path)
                try CheckpointFolder.requireNamed(try CheckpointFile(path, isVerified: false))
                verdicts.append(Verdict(path: path, bytes: bytes, payloadSha256: digest, problem: nil))
            } catch let error where ExitStatus(error) != .tryAgain {
                verdicts.append(
                    Verdict(path: path, bytes: bytes, payloadSha256: nil, problem: describeOnOneLine(error)))
            }
            done += bytes
        }
        progress.finish()
        let good = verdicts.filter { $0.problem == nil }
        if json {
            try printJSON(verdicts)
        } else if !good.isEmpty {
            let lines = good.map { "\($0.path): every byte of \(grouped($0.bytes)), SHA-256 \($0.payloadSha256 ?? "")" }
            try printOut(lines.joined(separator: "\n"))
        }
        let bad = verdicts.compactMap(\.problem)
        if let only = bad.first, verdicts.count == 1 { throw CommandFailure(.badInput, only) }
        for problem in bad { warn(problem) }
        if !bad.isEmpty {
            throw CommandFailure(.badInput, "\(bad.count) of \(verdicts.count) checkpoints cannot be used")
        }
    }

    private func paths() throws -> [String] {
        guard isFolder(path) else { return [path] }
        let folder = CheckpointFolder(path: try checkpointPlace(path))
        let paths = try folder.steps().map(folder.path)
        guard !paths.isEmpty else { throw CommandFailure(.badInput, "\(path) holds no checkpoint to verify") }
        return paths
    }
}
