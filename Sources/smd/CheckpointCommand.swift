import ArgumentParser
import Reports

/// `smd checkpoint`: looks into the files that training leaves.
struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Look into checkpoints.",
        discussion: """
            EXAMPLES
              smd checkpoint inspect runs/fashion
              smd checkpoint inspect runs/fashion/checkpoints/step-00030000.h5 --json
            """,
        subcommands: [Inspect.self])

    /// `smd checkpoint inspect`.
    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Verify a checkpoint and show what it holds.",
            discussion: """
                Checks every byte against the digest stored with it, then shows step, seed, data set, the number and \
                the L2 norm of the parameters, and the configuration of the run as --set would take it.

                EXAMPLES
                  smd checkpoint inspect runs/fashion
                  smd checkpoint inspect runs/fashion/checkpoints/step-00030000.h5
                  smd checkpoint inspect step-00030000.h5 --tensors | sort -k3 -n
                  smd checkpoint inspect step-00030000.h5 --json | jq .configuration.model.dim
                """)

        @Argument(
            help: ArgumentHelp("The checkpoint, or the folder of a run: then its newest good one.", valueName: "file"),
            completion: .file(extensions: ["h5"]))
        var path: String

        @Flag(help: "Write JSON.")
        var json = false

        @Flag(help: "List every parameter tensor: name, shape, elements, L2 norm, smallest and largest value.")
        var tensors = false

        func run() throws {
            let summary = try CheckpointSummary(path: triedCheckpoint(path), includesTensors: tensors)
            if json { try printJSON(summary) } else { try printOut(summary.text) }
        }
    }
}
