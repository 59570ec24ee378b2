import ArgumentParser
import Files
import Storage

/// `smd checkpoint prune`.
struct CheckpointPruneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove older checkpoints of a run; without --yes it only says which.",
        discussion: """
            Keeps the last N, those whose step is a multiple of M, and in any case the newest one of which every byte \
            verifies. Files that are damaged, temporary or not named as checkpoints are left alone. What was measured \
            of a checkpoint (step-N.variance.json) goes with it.

            EXAMPLES
              smd checkpoint prune runs/fashion --keep-last 3
              smd checkpoint prune runs/fashion --keep-last 3 --keep-every 10000 --yes
            """)

    @Argument(
        help: ArgumentHelp("The folder of a run, or of its checkpoints.", valueName: "run"), completion: .directory)
    var folder: String

    @Option(name: .customLong("keep-last"), help: "How many of the newest stay; at least 1.")
    var last: Int

    @Option(name: .customLong("keep-every"), help: "Those whose step is a multiple of this stay, too; 0 for none.")
    var multiple = 0

    @Flag(help: "Remove them.")
    var yes = false

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard last >= 1 else { throw ValidationError("--keep-last is \(last); it must be 1 or more") }
        guard multiple >= 0 else { throw ValidationError("--keep-every is \(multiple); it must be 0 or more") }
    }

    /// What is done, or would be.
    private struct Plan: Encodable {
        struct File: Encodable {
            let path: String
            let bytes: Int
        }

        let removed: [File]
        let kept: [File]
        let bytes: Int
        /// Whether the files are gone.
        let done: Bool
    }

    func run() throws {
        let folder = CheckpointFolder(path: try checkpointPlace(self.folder))
        let entries = try folder.entries()
        for problem in entries.compactMap(\.problem) { warn("left alone: \(problem)") }
        let whole = entries.filter(\.seemsIntact)
        guard let newest = try newestIntact(whole) else {
            throw CommandFailure(.badInput, "\(self.folder) holds no intact checkpoint: nothing is removed")
        }
        let outdated = Set(Retention(last: last, every: multiple).outdated(whole.map(\.step)))
        let (old, kept) = (
            whole.filter { outdated.contains($0.step) && $0.step != newest },
            whole.filter { !outdated.contains($0.step) || $0.step == newest }
        )
        if yes {
            for entry in old { try creatingOutput { try folder.remove(step: entry.step) } }
        }
        let plan = Plan(
            removed: old.map { Plan.File(path: $0.path, bytes: $0.bytes) },
            kept: kept.map { Plan.File(path: $0.path, bytes: $0.bytes) },
            bytes: old.reduce(0) { $0 + $1.bytes }, done: yes)
        if json { return try printJSON(plan) }
        let lines = plan.removed.map { "\(yes ? "removed" : "would remove") \($0.path) (\(grouped($0.bytes)) bytes)" }
        let sum = "\(old.count) of \(whole.count) checkpoints, \(grouped(plan.bytes)) bytes"
        try printOut((lines + [yes ? "removed \(sum)" : "would remove \(sum); --yes does it"]).joined(separator: "\n"))
    }

    /// The step of the newest checkpoint of which every byte verifies.
    private func newestIntact(_ entries: [CheckpointEntry]) throws -> Int? {
        let progress = WorkProgress("verifying the newest checkpoint", unit: "MiB")
        defer { progress.finish() }
        for entry in entries.reversed() {
            do {
                _ = try CheckpointEnvelope.verify(entry.path) { try progress.update($0 >> 20, entry.bytes >> 20) }
                try FileTrial.run(.checkpointOutline, entry.path)
                try CheckpointFolder.requireNamed(try CheckpointFile(entry.path, isVerified: false))
                return entry.step
            } catch let error where ExitStatus(error) != .tryAgain {
                warn(describeOnOneLine(error))
            }
        }
        return nil
    }
}
