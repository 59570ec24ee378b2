import ArgumentParser
import DataSets
import Files

/// What commands share that draw points from a known distribution.
struct DrawnPointOptions: ParsableArguments {
    @Option(name: [.customShort("n"), .long], help: "Number of points.")
    var count: Int

    @Option(help: "Seed of the draws.")
    var seed: UInt64 = 0

    @OptionGroup var output: DatasetOutputOptions

    func validate() throws {
        guard (1...Int(Int32.max)).contains(count) else {
            throw ValidationError("--count must be 1 to \(Int32.max), not \(count)")
        }
    }

    /// Draws the points; `arguments` are those of the distribution, `words` say what it is.
    func prepare(_ name: String, _ arguments: [String], _ source: some DrawnPoints, _ words: String) throws {
        let progress = WorkProgress("drawing", unit: "points")
        let whole = ["prepare", name, "--count", "\(count)"] + arguments + ["--seed", "\(seed)"]
        try output.preparation(whole, source: words, progress: progress.update).points(drawnFrom: source, count: count)
        progress.finish()
        try printOut(printable("\(output.output): \(count) points from a \(words)"))
    }
}

/// What mixtures of Gaussians share.
struct GaussianOptions: ParsableArguments {
    @Option(help: "Standard deviation of a Gaussian along each axis.")
    var deviation = 0.03

    @Option(
        help: ArgumentHelp(
            "How the Gaussians share the points: equal; linear (as 1, 2, … K); or geometric (the last has a hundredth of the first)."
        ))
    var weights = ComponentWeights.equal

    func validate() throws {
        guard deviation >= 0 && deviation <= 1e6 else {
            throw ValidationError("--deviation must be 0 to 1e6, not \(deviation)")
        }
    }

    /// Equal weights go without saying: files of them are the same as before there were others.
    var arguments: [String] {
        ["--deviation", "\(deviation)"] + (weights == .equal ? [] : ["--weights", weights.rawValue])
    }
}

/// `smd dataset prepare gaussian-grid`
struct PrepareGaussianGrid: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gaussian-grid",
        abstract: "Points drawn from a K×K grid of Gaussians, whose true distribution is known.",
        discussion: """
            The mixture's weights, means and covariances are stored with the points, under /mixture.

            EXAMPLES
              smd dataset prepare gaussian-grid --count 100000 --output grid.h5
              smd dataset prepare gaussian-grid --count 100000 --grid 5 --spacing 0.5 --deviation 0.05 --output 5x5.h5
              smd dataset prepare gaussian-grid --count 100000 --grid 3 --weights geometric --output uneven.h5
            """)

    @Option(help: "Gaussians along each axis.")
    var grid = 7

    @Option(help: "Distance between neighbouring means; without it the means span −1…1.")
    var spacing: Double?

    @OptionGroup var gaussians: GaussianOptions
    @OptionGroup var points: DrawnPointOptions

    func validate() throws {
        guard (1...1000).contains(grid) else { throw ValidationError("--grid must be 1 to 1000, not \(grid)") }
        if let spacing, !(spacing > 0 && spacing <= 1e6) {
            throw ValidationError("--spacing must be above 0 and at most 1e6, not \(spacing)")
        }
    }

    func run() throws {
        let source = GaussianGrid(
            side: grid, spacing: spacing, deviation: gaussians.deviation, weighting: gaussians.weights,
            seed: points.seed)
        let arguments = ["--grid", "\(grid)", "--spacing", "\(source.spacing)"] + gaussians.arguments
        try points.prepare("gaussian-grid", arguments, source, "mixture of \(grid)×\(grid) Gaussians")
    }
}

/// `smd dataset prepare gaussian-ring`
struct PrepareGaussianRing: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gaussian-ring",
        abstract: "Points drawn from Gaussians on a circle, whose true distribution is known.",
        discussion: """
            The mixture's weights, means and covariances are stored with the points, under /mixture.

            EXAMPLES
              smd dataset prepare gaussian-ring --count 100000 --output ring.h5
              smd dataset prepare gaussian-ring --count 100000 --gaussians 5 --weights linear --output uneven.h5
            """)

    @Option(name: .customLong("gaussians"), help: "Number of Gaussians.")
    var components = 8

    @Option(help: "Distance of the means from the origin.")
    var radius = 1.0

    @OptionGroup var gaussians: GaussianOptions
    @OptionGroup var points: DrawnPointOptions

    func validate() throws {
        guard (1...1_000_000).contains(components) else {
            throw ValidationError("--gaussians must be 1 to 1000000, not \(components)")
        }
        guard radius > 0 && radius <= 1e6 else {
            throw ValidationError("--radius must be above 0 and at most 1e6, not \(radius)")
        }
    }

    func run() throws {
        let source = GaussianRing(
            components: components, radius: radius, deviation: gaussians.deviation, weighting: gaussians.weights,
            seed: points.seed)
        let arguments = ["--gaussians", "\(components)", "--radius", "\(radius)"] + gaussians.arguments
        try points.prepare("gaussian-ring", arguments, source, "ring of \(components) Gaussians")
    }
}

/// `smd dataset prepare checkerboard`
struct PrepareCheckerboard: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkerboard",
        abstract: "Points uniform on the dark squares of a board that covers −1…1.",
        discussion: """
            The squares are stored with the points, under /rectangles.

            EXAMPLES
              smd dataset prepare checkerboard --count 100000 --output checkerboard.h5
              smd dataset prepare checkerboard --count 100000 --squares 8 --output fine.h5
            """)

    @Option(help: "Squares along each axis.")
    var squares = 4

    @OptionGroup var points: DrawnPointOptions

    func validate() throws {
        guard (1...1000).contains(squares) else {
            throw ValidationError("--squares must be 1 to 1000, not \(squares)")
        }
    }

    func run() throws {
        try points.prepare(
            "checkerboard", ["--squares", "\(squares)"], Checkerboard(side: squares, seed: points.seed),
            "checkerboard of \(squares)×\(squares) squares")
    }
}

extension ComponentWeights: ExpressibleByArgument {}
