import ArgumentParser
import Files
import Reports
import Storage

/// Which of the tensors of a checkpoint are listed.
enum ListedWeights: String, CaseIterable, ExpressibleByArgument {
    case raw, ema
    case firstMoment = "first_moment"
    case secondMoment = "second_moment"
    case all

    /// Names of their groups in a summary.
    var groups: Set<String> {
        switch self {
        case .raw: [CheckpointGroup.parameters]
        case .all: [CheckpointGroup.parameters, "ema", "first_moment", "second_moment"]
        default: [rawValue]
        }
    }
}

/// `smd checkpoint inspect`.
struct CheckpointInspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Verify a checkpoint and show what it holds.",
        discussion: """
            Checks every byte against the digest stored with it, then shows step, seed, data set, the number and \
            the L2 norm of the parameters, and the configuration of the run as --set would take it. With --fast neither \
            the bytes are checked nor, without --tensors, the numbers read.

            EXAMPLES
              smd checkpoint inspect runs/fashion
              smd checkpoint inspect runs/fashion/checkpoints/step-00030000.h5 --fast
              smd checkpoint inspect step-00030000.h5 --tensors | sort -k3 -n
              smd checkpoint inspect step-00030000.h5 --tensors --weights second_moment
              smd checkpoint inspect step-00030000.h5 --json | jq .configuration.model.dim
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run: then its newest good one.", valueName: "file"),
        completion: .file(extensions: ["h5"]))
    var path: String

    @Flag(help: "Write JSON.")
    var json = false

    @Flag(help: "Do not check the bytes against their digest.")
    var fast = false

    @Flag(
        help: """
            List tensors: name, shape, elements, L2 norm, mean, standard deviation, smallest and largest value, elements \
            that are not finite, and a histogram from the smallest to the largest value.
            """)
    var tensors = false

    @Option(help: "Tensors that --tensors shows: raw, ema, first_moment, second_moment or all.")
    var weights = ListedWeights.raw

    func run() throws {
        let lists = tensors
        let path = try fast ? glancedCheckpoint(self.path, readingElements: lists) : triedCheckpoint(self.path)
        var depth = CheckpointSummary.Depth()
        depth.verifies = !fast
        depth.readsElements = !fast
        depth.listed = lists ? weights.groups : []
        let progress = WorkProgress("reading", unit: "tensors")
        let summary = try CheckpointSummary(path: path, depth, progress: progress.update)
        progress.finish()
        if json { try printJSON(summary) } else { try printOut(summary.text(unicode: localeHasUnicode)) }
    }
}
