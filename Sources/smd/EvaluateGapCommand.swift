import ArgumentParser
import Communication
import Configuration
import DataSets
import Diffusion
import Evaluation
import Files
import Foundation
import LinearAlgebra
import Philox
import Plots
import Reports
import Sampling
import Mixtures

/// `smd evaluate gap`: what it costs to begin sampling early.
struct EvaluateGapCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "gap",
        abstract:
            "Measure what it costs, in nats, to begin sampling at a noise level with N(0, I) or a fitted Gaussian.",
        discussion: """
            A horizon of h steps begins at timestep h − 1. Its cost is the divergence of what sampling begins with from the \
            noised data, an addend of the bound of −ln p. Beside N(0, I) stands the Gaussian with the data's mean and \
            covariance ("smd prior fit"), and with --prior any other. Where the data state their mixture the costs are \
            those of the truth; of other data they are those of the samples themselves, and from above. \
            The schedule is that of a checkpoint, or of --config and --set. docs/family.md explains the columns.

            EXAMPLES
              smd evaluate gap --data grid.h5 --config grid
              smd evaluate gap runs/fashion --data fashion-mnist.h5 --tolerance 0.1
              smd evaluate gap --data grid.h5 --set diffusion.schedule=linear --set diffusion.timesteps=100 --prior prior.h5
              mpirun -n 8 smd evaluate gap runs/fashion --data fashion-mnist.h5 --json --plot gap.png
            """)

    @Argument(
        help: ArgumentHelp(
            "A checkpoint whose schedule is taken, or the folder of a run.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String?

    @Option(
        help: ArgumentHelp("The data.", valueName: "data"), completion: .file(extensions: ["h5", "json"]))
    var data: String

    @Option(
        help: ArgumentHelp("Also measure this prior, of smd prior fit.", valueName: "prior.h5"),
        completion: .file(extensions: ["h5"]))
    var prior: String?

    @Option(
        help: ArgumentHelp("A configuration, or the name of a preset, whose schedule is taken.", valueName: "config"),
        completion: .configurations)
    var config: String?

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Set a key of the schedule; repeatable.", valueName: "key=value"), completion: .samplerKeys)
    var overrides: [String] = []

    @Option(help: "The cost, in nats, below which a horizon is advised.")
    var tolerance = 0.001

    @Option(help: "Horizons in the table, evenly spaced.")
    var levels = 10

    @Option(
        name: [.customShort("n"), .long],
        help: "Draws of a known mixture (default: 20000), or samples, chosen by the seed (default: 2000).")
    var count: Int?

    @Option(help: "Seed of draws and of the choice of samples.")
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp("Draw the costs over the horizons.", valueName: "gap.png"),
        completion: .file(extensions: ["png"]))
    var plot: String?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(name: [.customShort("f"), .long], help: "Replace the picture if it exists.")
    var overwrite = false

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard tolerance > 0, tolerance.isFinite else {
            throw ValidationError("--tolerance is \(tolerance); it must be above 0")
        }
        guard (2...1000).contains(levels) else {
            throw ValidationError("--levels is \(levels); it must be in 2 ... 1000")
        }
        if let count, !(2...1_000_000).contains(count) {
            throw ValidationError("--count is \(count); it must be in 2 ... 1000000")
        }
        if checkpoint != nil, config != nil || !overrides.isEmpty {
            throw ValidationError("a checkpoint has its schedule: leave out --config and --set")
        }
    }

    func run() throws {
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let schedule = try schedule(communicator)
            let noised = try noisedData(communicator)
            let prior = try prior.map { try triedPrior($0, communicator) }
            try communicator.together("checking the settings") {
                if let prior, prior.mixture.dimension != noised.dimension {
                    throw CommandFailure(
                        .badInput,
                        "\(self.prior ?? ""): a prior of \(prior.mixture.dimension) numbers, the data have \(noised.dimension)"
                    )
                }
                if let plot, communicator.rank == 0 {
                    try requirePicture(
                        plot, overwrite: overwrite, inputs: [data] + [self.prior, checkpoint].compactMap { $0 })
                }
            }
            let gap = try PriorGap(noised, schedule, prior: prior?.mixture, seed: seed, evaluationWork(communicator))
            let points = min(levels, schedule.timesteps)
            let times = points == 1 ? [0] : (0..<points).map { $0 * (schedule.timesteps - 1) / (points - 1) }
            let rows = try gap.rows(times)
            let advice = try PriorKind.allCases.filter { $0 != .prior || prior != nil }.map { kind in
                GapReport.Advice(
                    prior: kind,
                    horizon: try gap.shortest(below: tolerance, known: rows, kind.gap).map { $0.timestep + 1 })
            }
            try communicator.together("writing the figures") {
                guard communicator.rank == 0 else { return }
                let isKnown = if case .law = noised { true } else { false }
                let report = GapReport(
                    self, rows, advice, count: noised.count, isKnown: isKnown, of: schedule.timesteps)
                if let plot {
                    try creatingOutput {
                        try writeOutput(report.figure.scene(PlotStyle(isLogarithmic: true)).png(), to: plot)
                    }
                }
                try json ? printJSON(report) : printOut(report.text)
            }
        }
    }

    /// Collective.
    private func schedule(_ communicator: any Communicator) throws -> NoiseSchedule {
        let path = try checkpoint.map { try triedCheckpoint($0, communicator) }
        return try communicator.together("reading the schedule") {
            if let path { return NoiseSchedule(try SamplingJob(path, .ema).configuration.diffusion) }
            var options = OracleOptions()
            options.config = config
            let diffusion = try options.settings(dimension: 1, overrides).diffusion
            try diffusion.validate()
            return NoiseSchedule(diffusion)
        }
    }

    /// The mixture that the data state, or their samples. Collective.
    private func noisedData(_ communicator: any Communicator) throws -> NoisedData {
        try communicator.together("reading the data set \(data)") {
            if communicator.rank == 0 { try FileTrial.run(.dataset, data) }
        }
        return try communicator.together("reading the data set \(data)") {
            let set = try DataSet(path: data)
            if let mixture = try knownDistribution(of: set) as? GaussianMixture {
                return .law(mixture, count: count ?? 20_000)
            }
            return .samples(try samples(of: set, count: count ?? 2000, seed: seed))
        }
    }
}

/// Up to `count` samples of a data set, chosen by the seed: `[n][D]`.
///
/// - Throws: where there is only one.
func samples(of set: DataSet, count: Int, seed: UInt64) throws -> Matrix {
    guard set.count > 1 else { throw CommandFailure(.badInput, "\(set.path) has one sample; two or more are wanted") }
    let order = RandomStream(seed: seed, purpose: .evaluation).permutation(count: set.count, epoch: 0)
    let places = order.prefix(count).map(Int.init).sorted()
    let values = try set.samples(places).map(Double.init)
    return Matrix(values, rows: places.count, columns: set.elementsPerSample)
}

/// The prior in the file at `path`, on all ranks of a job: rank 0 tries the file. Collective.
func triedPrior(_ path: String, _ communicator: any Communicator) throws -> PriorFile {
    try communicator.together("reading the prior \(path)") {
        if communicator.rank == 0 { try FileTrial.run(.arrays, path, PriorFile.members) }
    }
    return try communicator.together("reading the prior \(path)") { try PriorFile(path: path) }
}
