import ArgumentParser
import DataSets
import Evaluation
import Files
import Foundation
import Reports

/// `smd evaluate points`: samples of points against data, or against the truth.
struct EvaluatePointsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "points",
        abstract: "Measure how far points are from data, or from a distribution that is known.",
        discussion: """
            Where the data set states its distribution (as those of gaussian-grid, gaussian-ring and checkerboard do), \
            reference points are drawn from it, and figures that need the truth are given too. Else the reference is \
            half of the data. Beside each figure stands that of as many true points against others: what is no larger \
            than that cannot be told from the truth. docs/evaluation.md explains the figures.

            EXAMPLES
              smd evaluate points samples.h5 --against grid.h5
              smd evaluate points samples.h5 --against swiss-roll.h5 --json
              smd evaluate points samples.h5 --against grid.h5 --plot beside.png
              smd evaluate points ours.h5 --against grid.h5 --plot three.png --plot-also theirs.h5
            """)

    @Argument(
        help: ArgumentHelp("Points of smd sample, or any HDF5 file with /points.", valueName: "samples"),
        completion: .file(extensions: ["h5"]))
    var samples: String

    @Option(
        help: ArgumentHelp("A data set of points.", valueName: "data"), completion: .file(extensions: ["h5", "json"]))
    var against: String

    @Option(help: "Directions of the sliced distances.")
    var projections = 64

    @Option(help: "Comparisons of true points with others.")
    var repetitions = 4

    @Option(help: "Seed of directions and reference points.")
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp("Draw reference and samples side by side.", valueName: "beside.png"),
        completion: .file(extensions: ["png"]))
    var plot: String?

    @Option(
        name: .customLong("plot-also"), parsing: .singleValue,
        help: ArgumentHelp(
            "With --plot: further points, drawn between reference and samples; repeatable.", valueName: "samples"),
        completion: .file(extensions: ["h5"]))
    var plotAlso: [String] = []

    @Flag(name: [.customShort("f"), .long], help: "Replace the picture if it exists.")
    var overwrite = false

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard (1...100_000).contains(projections) else {
            throw ValidationError("--projections must be 1 to 100000, not \(projections)")
        }
        guard (1...1000).contains(repetitions) else {
            throw ValidationError("--repetitions must be 1 to 1000, not \(repetitions)")
        }
        if plot == nil && !plotAlso.isEmpty { throw ValidationError("--plot-also needs --plot") }
    }

    func run() throws {
        if let plot { try requirePicture(plot, overwrite: overwrite, inputs: [samples, against] + plotAlso) }
        let others = try plotAlso.map { path in
            let other = try PointSet(triedPoints(path).data)
            guard other.dimension == 2 else {
                throw CommandFailure(
                    .badInput, "\(path) holds points of \(other.dimension) coordinates, a plot shows 2")
            }
            return other
        }
        let points = try PointSet(triedPoints(samples).data)
        let (data, truth) = try triedPoints(against)
        try check(points, data, isKnown: truth != nil)
        let reference = try truth.map { PointComparison.Reference.truth($0) } ?? .data(PointSet(data))
        var settings = PointComparison.Settings()
        (settings.projections, settings.repetitions, settings.seed) = (projections, repetitions, seed)
        let progress = WorkProgress("comparing", unit: "figures")
        let comparison = try PointComparison(points, with: reference, settings, progress: progress.update)
        progress.finish()
        if let plot {
            let shown = ([reference.points(points.count, seed: seed)] + others + [points]).map(\.plane)
            let picture = pointPlots([shown], size: 512)
            try creatingOutput {
                try PNG.write(
                    picture.pixels, height: picture.height, width: picture.width, channels: 1, to: plot)
            }
        }
        if json { return try printJSON(Report(self, points, truth, comparison)) }
        try printOut(text(points, truth, comparison))
    }

    private func check(_ points: PointSet, _ data: DataSet, isKnown: Bool) throws {
        guard data.elementsPerSample == points.dimension else {
            throw CommandFailure(
                .badInput,
                "\(samples) holds points of \(points.dimension) coordinates, \(against) of \(data.elementsPerSample)")
        }
        let least = PointComparison.leastPoints
        guard points.count >= least else {
            throw CommandFailure(
                .badInput,
                "\(samples): \(points.count) points say nothing of a distribution; at least \(least) are wanted")
        }
        guard isKnown || data.count >= 2 * least else {
            throw CommandFailure(
                .badInput,
                "\(against): \(data.count) points are too few to be divided and compared; at least \(2 * least) are wanted"
            )
        }
    }

    private func text(_ points: PointSet, _ truth: (any KnownDistribution)?, _ comparison: PointComparison) -> String {
        let many = grouped(comparison.referenceCount)
        let rows = comparison.figures.map { figure in
            let spread = figure.truth.map { Estimate($0, error: figure.deviation).withError } ?? "—"
            return [figure.metric.name, figure.samples?.withError ?? "—", spread]
        }
        let head = "\(grouped(points.count)) points of \(samples) against "
        let kind = truth == nil ? "\(many) of \(against)" : "the truth of \(against)"
        return [
            head + kind, aligned([["", "samples", "\(many) true points"]] + rows),
            "± is the standard error of a figure; of true points it is the standard deviation of one comparison",
        ].joined(separator: "\n")
    }

    /// What `--json` writes.
    private struct Report: Encodable {
        struct Value: Encodable {
            let value: Double?
            let error: Double?
            let truth: Double?
            let truthDeviation: Double?
        }

        let samples: String
        let against: String
        let count: Int
        let dimension: Int
        let referenceCount: Int
        let isTruthKnown: Bool
        let modes: Int?
        let projections: Int
        let repetitions: Int
        let seed: UInt64
        let bandwidth: Double
        let figures: [String: Value]

        init(
            _ command: EvaluatePointsCommand, _ points: PointSet, _ truth: (any KnownDistribution)?,
            _ comparison: PointComparison
        ) {
            (samples, against) = (command.samples, command.against)
            (count, dimension, referenceCount) = (points.count, points.dimension, comparison.referenceCount)
            (isTruthKnown, modes) = (truth != nil, truth?.weights.count)
            (projections, repetitions, seed) = (command.projections, command.repetitions, command.seed)
            bandwidth = comparison.bandwidth
            figures = Dictionary(
                uniqueKeysWithValues: comparison.figures.map {
                    (
                        $0.metric.key,
                        Value(
                            value: $0.samples.flatMap { finite($0.value) }, error: $0.samples?.error.flatMap(finite),
                            truth: $0.truth, truthDeviation: $0.deviation)
                    )
                })
        }
    }
}

extension PointSet {
    /// The first two coordinates, `[count][2]`; the second is 0 on a line.
    var plane: [Float] {
        (0..<count).flatMap { i in
            [Float(values[i * dimension]), dimension > 1 ? Float(values[i * dimension + 1]) : 0]
        }
    }
}

extension Estimate {
    /// "0.01234 ± 0.0012".
    var withError: String { fourDigits(value) + (error.map { " ± " + String(format: "%.2g", $0) } ?? "") }
}
