import ArgumentParser
import Exchange
import Files
import Sampling

/// `smd checkpoint average`.
struct CheckpointAverageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "average",
        abstract: "Average the weights of several checkpoints of one network.",
        discussion: """
            The mean of each parameter, added up in double precision: the same bytes in whatever order the files are \
            given. They must have the same network and diffusion; the configuration is that of the highest step. The \
            result can be sampled and evaluated; a run cannot go on from it, because it has no moments of Adam.

            EXAMPLES
              smd checkpoint average runs/fashion/checkpoints/step-000[23]0000.h5 --output soup.h5
              smd checkpoint average one.h5 two.h5 three.h5 --weights raw --output soup.h5
              smd sample soup.h5 --count 64 --output samples.h5
            """)

    @Argument(
        help: ArgumentHelp("Two or more checkpoints.", valueName: "checkpoint"), completion: .file(extensions: ["h5"]))
    var checkpoints: [String]

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Checkpoint to write.", valueName: "soup.h5"),
        completion: .file(extensions: ["h5"]))
    var output: String

    @Option(help: "Weights: ema (the moving average) or raw.")
    var weights = SampleWeights.ema

    @Flag(name: [.customShort("f"), .long], help: "Write over an existing file.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard checkpoints.count > 1 else { throw ValidationError("an average is of two or more checkpoints") }
    }

    func run() throws {
        try requireWritable(output, overwrite: overwrite, inputs: checkpoints)
        let progress = WorkProgress("averaging", unit: "checkpoints")
        var paths: [String] = []
        for checkpoint in checkpoints {
            paths.append(try triedCheckpoint(checkpoint))
            try progress.update(paths.count, 2 * checkpoints.count)
        }
        try requireWritable(output, overwrite: overwrite, inputs: paths)
        let mean = try TrainedWeights.average(of: paths, weights) {
            try progress.update(paths.count + $0, 2 * paths.count)
        }
        try creatingOutput { try mean.write(to: output, replacing: overwrite) }
        progress.finish()
        try printOut(
            "\(output): the mean of the \(weights.rawValue) weights of \(paths.count) checkpoints; for sampling and "
                + "evaluation, not to resume from")
    }
}
