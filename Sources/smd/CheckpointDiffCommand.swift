import ArgumentParser
import Files
import Reports

/// `smd checkpoint diff`.
struct CheckpointDiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Say where two checkpoints differ, to the bit.",
        discussion: """
            Compares step, seed, data set, configuration and every tensor. Of the tensors that moved it shows \
            ‖a−b‖/‖a‖, the cosine of the angle between them, and the largest change of an element, the largest \
            relative change first. Ends with status 0 where the two are equal to the bit, 1 where they differ, and 64 or \
            more where they cannot be compared.

            EXAMPLES
              smd checkpoint diff step-00020000.h5 step-00030000.h5
              smd checkpoint diff runs/one runs/two --top 5
              smd checkpoint diff one.h5 two.h5 --quiet && echo equal to the bit
              smd checkpoint diff one.h5 two.h5 --json | jq '.groups[] | {name, relative_change}'
            """)

    @Argument(
        help: ArgumentHelp("A checkpoint, or the folder of a run: then its newest good one.", valueName: "first"),
        completion: .file(extensions: ["h5"]))
    var first: String

    @Argument(help: ArgumentHelp("Another.", valueName: "second"), completion: .file(extensions: ["h5"]))
    var second: String

    @OptionGroup var silence: SilenceOption

    @Flag(help: "Write JSON.")
    var json = false

    @Option(help: "Most tensors to list; 0 lists all. Default: 20, in JSON all.")
    var top: Int?

    func validate() throws {
        if let top, top < 0 { throw ValidationError("--top is \(top); it must be 0 or more") }
    }

    func run() throws {
        do {
            let difference = try compare()
            if !silence.quiet {
                if json {
                    try printJSON((top ?? 0) > 0 ? difference.top(top ?? 0) : difference)
                } else {
                    try printOut(difference.text(top: top ?? 20))
                }
            }
            if !difference.equal { throw ExitCode(1) }
        } catch let error where !(error is ExitCode) && ExitStatus(error) == .failure {
            // Status 1 says that the files differ.
            throw CommandFailure(.badInput, describeOnOneLine(error))
        }
    }

    private func compare() throws -> CheckpointDifference {
        let (first, second) = (try triedCheckpoint(first), try triedCheckpoint(second))
        let progress = WorkProgress("comparing", unit: "tensors")
        defer { progress.finish() }
        return try CheckpointDifference(first, second, progress: progress.update)
    }
}
