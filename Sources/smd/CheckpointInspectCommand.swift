import ArgumentParser
import Files
import HDF5
import Reports
import Sampling
import Storage

/// Which of the tensors of a checkpoint are listed: those of a group, or all.
struct ListedWeights: ExpressibleByArgument {
    /// The group as ``CheckpointSummary`` calls it; nil for every group.
    let group: String?

    private static let names = ["raw", "all"] + ArenaRole.always.filter { $0 != .parameters }.map(\.shortName)

    static var allValueStrings: [String] { names + SampleWeights.words.suffix(1) }

    init?(argument: String) {
        if case .average(let width)? = SampleWeights(rawValue: argument) {
            group = ArenaRole.average(width: width).group
            return
        }
        guard Self.names.contains(argument) else { return nil }
        group = argument == "all" ? nil : argument == "raw" ? ArenaRole.parameters.shortName : argument
    }

    /// The parameters.
    static let raw = ListedWeights(group: ArenaRole.parameters.shortName)

    private init(group: String?) { self.group = group }

    var defaultValueDescription: String { "raw" }
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
              smd checkpoint inspect step-00030000.h5 --tensors --weights first_moment
              smd checkpoint inspect step-00030000.h5 --plot weights.png --weights ema
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

    @Option(help: "Tensors that --tensors and --plot show.")
    var weights = ListedWeights.raw

    @Option(
        help: ArgumentHelp("Draw the histograms of the tensors as a picture.", valueName: "weights.png"),
        completion: .file(extensions: ["png"]))
    var plot: String?

    @Flag(name: [.customShort("f"), .long], help: "Write over an existing picture.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func run() throws {
        if let plot { try requirePicture(plot, overwrite: overwrite, inputs: [path]) }
        let lists = tensors || plot != nil
        let path = try fast ? glancedCheckpoint(self.path, readingElements: lists) : triedCheckpoint(self.path)
        var depth = CheckpointSummary.Depth()
        depth.verifies = !fast
        depth.readsElements = !fast
        depth.listed = !lists ? .none : weights.group.map { .group($0) } ?? .all
        let progress = WorkProgress("reading", unit: "tensors")
        var summary = try CheckpointSummary(path: path, depth, progress: progress.update)
        progress.finish()
        if let plot { try draw(summary, to: plot) }
        if !tensors { summary = summary.withoutTensors }
        if json { try printJSON(summary) } else { try printOut(summary.text(unicode: localeHasUnicode)) }
    }

    private func draw(_ summary: CheckpointSummary, to plot: String) throws {
        guard let tensors = summary.tensors, !tensors.isEmpty else {
            throw CommandFailure(.badInput, "\(summary.path) has no tensors '\(weights.group ?? "all")' to draw")
        }
        try creatingOutput {
            let title = "\(Path.name(of: summary.path)), step \(summary.step)"
            let picture = try WeightsPlot(tensors, title: printable(title)).png()
            try picture.withUnsafeBytes { try DurableFile.write($0, to: plot, replacing: overwrite) }
        }
    }
}
