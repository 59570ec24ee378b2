import ArgumentParser
import Configuration
import Exchange
import Files
import Reports
import Sampling
import Storage

/// `smd checkpoint average`.
struct CheckpointAverageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "average",
        abstract:
            "Average the weights of several checkpoints, or make an average of another width of a run's snapshots.",
        discussion: """
            The mean of each parameter, added up in double precision: the same bytes in whatever order the files are \
            given. They must have the same network and diffusion; the configuration is that of the highest step. The \
            result can be sampled and evaluated; a run cannot go on from it, because it has no moments of Adam.

            With --width, of the folder of a run that left snapshots of power-function averages (ema.widths, \
            ema.snapshot_every): the average of that relative width, which the run need not have kept. Its profile is \
            met as well as those of all snapshots up to its step allow, by least squares (Karras et al. 2024, section \
            3.2); by how much it is missed is said.

            EXAMPLES
              smd checkpoint average runs/fashion/checkpoints/step-000[23]0000.h5 --output soup.h5
              smd checkpoint average one.h5 two.h5 three.h5 --weights raw --output soup.h5
              smd sample soup.h5 --count 64 --output samples.h5
              smd checkpoint average runs/fashion --width 0.075 --output narrow.h5
              smd checkpoint average runs/fashion --width 0.15 --at 20000 --output wide.h5
            """)

    @Argument(
        help: ArgumentHelp("Two or more checkpoints; with --width, the folder of one run.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoints: [String]

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Checkpoint to write.", valueName: "soup.h5"),
        completion: .file(extensions: ["h5"]))
    var output: String

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept.")
    var weights = SampleWeights.ema

    @Option(help: ArgumentHelp("Relative width of the average to make of a run's snapshots.", valueName: "share"))
    var width: Double?

    @Option(
        help: ArgumentHelp("With --width, the step of the average: that of a snapshot; the last.", valueName: "step"))
    var at: Int?

    @Flag(name: [.customShort("f"), .long], help: "Write over an existing file.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard let width else {
            guard at == nil else { throw ValidationError("--at is for an average of --width") }
            guard checkpoints.count > 1 else {
                throw ValidationError(
                    "an average is of two or more checkpoints, or, with --width, of a run's snapshots")
            }
            return
        }
        let widths = EMAConfiguration.possibleWidths
        guard widths ~= width else {
            throw ValidationError("--width is \(width), wanted \(widths.lowerBound) to \(widths.upperBound)")
        }
        guard checkpoints.count == 1 else {
            throw ValidationError("--width makes an average of the snapshots of one run, not of \(checkpoints.count)")
        }
        guard weights == .ema else { throw ValidationError("--weights is for a mean of checkpoints, not for --width") }
    }

    func run() throws {
        if let width { return try makeAverage(ofWidth: width) }
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
    /// The average of a width that snapshots give.
    private func makeAverage(ofWidth width: Double) throws {
        try requireWritable(output, overwrite: overwrite, inputs: checkpoints)
        let snapshots = try snapshots(of: checkpoints[0])
        try requireWritable(output, overwrite: overwrite, inputs: snapshots)
        let progress = WorkProgress("averaging", unit: "snapshots")
        for (number, snapshot) in snapshots.enumerated() {
            _ = try triedCheckpoint(snapshot)
            try progress.update(number + 1, 2 * snapshots.count)
        }
        let (average, fit) = try TrainedWeights.average(ofWidth: width, from: snapshots) {
            try progress.update(snapshots.count + $0, 2 * snapshots.count)
        }
        try creatingOutput { try average.write(to: output, replacing: overwrite) }
        progress.finish()
        if fit.miss > Self.largeMiss {
            warn(
                "the profile of width \(width) is missed by \(percent(fit.miss)): the snapshots are too few, or their widths "
                    + "too far from it")
        }
        try printOut(
            "\(output): the average of width \(width) at step \(fit.target.step), of \(snapshots.count) snapshots, its "
                + "profile missed by \(percent(fit.miss)); for sampling and evaluation, not to resume from")
    }

    /// Share of a profile beyond which an average is no longer the one that was asked for.
    private static let largeMiss = 0.05

    private func percent(_ share: Double) -> String { fourDigits(100 * share) + " %" }

    /// The snapshots of a run up to the step that was asked for, ascending.
    private func snapshots(of run: String) throws -> [String] {
        guard isFolder(run) else { throw CommandFailure(.badInput, "there is no folder of a run \(run)") }
        let inside = Path.join(run, "averages")
        let folder = CheckpointFolder(path: isFolder(inside) ? inside : run)
        let steps = try folder.steps().filter { $0 > 0 }
        guard let last = steps.last else {
            throw CommandFailure(
                .badInput,
                "\(run) holds no snapshots of averages: a run leaves them as averages/step-N.h5 where ema.widths and "
                    + "ema.snapshot_every are set")
        }
        let step = at ?? last
        guard steps.contains(step) else {
            let near = [steps.last { $0 < step }, steps.first { $0 > step }].compactMap { $0.map { "\($0)" } }
            throw CommandFailure(
                .badInput,
                "\(run) holds no snapshot of step \(step): the nearest are of \(near.joined(separator: " and "))")
        }
        return steps.filter { $0 <= step }.map(folder.path)
    }
}
