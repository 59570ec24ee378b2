import ArgumentParser
import Communication
import Densities
import Evaluation
import Files
import Reports
import Sampling
import TensorGraph

/// `smd evaluate partition`: the integral of a density, by the paths of a sampler of it.
struct EvaluatePartitionCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "partition",
        abstract: "Estimate the integral Z of a density, and how well its sampler draws.",
        discussion: """
            CHECKPOINT is one that a run with method: dds left. Each path has a weight w whose mean is Z. ELBO is the mean of \
            ln w, a lower bound of ln Z; the closer, the better the sampler. ln Z is that of the mean weight, with an error by \
            200 bootstrap samples, which is too small where few paths have most of the weight: the effective sample size \
            says how many count. Under mpirun the ranks share the paths; figures are the same on any number of them.

            EXAMPLES
              smd evaluate partition runs/funnel
              smd evaluate partition runs/gaussians --paths 20000 --json
              smd evaluate partition runs/gaussians --exact
              mpirun -n 8 smd evaluate partition CHECKPOINT --paths 100000 --weights raw
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: "Paths to run.")
    var paths = 2000

    @Option(help: "Seed of the paths, and of the bootstrap.")
    var seed: UInt64 = 0

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept.")
    var weights = SampleWeights.ema

    @Flag(help: "Of a mixture: the best drift in the place of the network, what is left to learn.")
    var exact = false

    @Option(help: "Precision: fp32, bf16 or bf16-emulated; default: that of the checkpoint's configuration.")
    var precision: Precision?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard (2...100_000_000).contains(paths) else {
            throw ValidationError("--paths is \(paths); it must be in 2 ... 100000000")
        }
    }

    func run() throws {
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let path = try triedCheckpoint(checkpoint, communicator)
            let job = try triedPathJob(path, weights, communicator)
            let runs = try JobPrecision.agree(precision ?? job.configuration.precision, communicator)
            if communicator.rank == 0, let notice = runs.notice { warn(notice) }
            let measure = try communicator.together("building the network") { try weighing(job, path, runs) }
            let tiles = PathPieces(count: paths)
            let work = evaluationWork(communicator)
            let logWeights = try work.pieces("running paths", tiles.count) { try measure(tiles[$0]) }.flatMap { $0 }
            try communicator.together("writing the figures") {
                guard communicator.rank == 0 else { return }
                let found = PartitionEstimate(logWeights: logWeights, seed: seed)
                let report = PartitionReport(job, path, found, isExact: exact, precision: runs.precision)
                if json { try printJSON(report) } else { try printOut(report.text) }
            }
        }
    }

    /// What gives ln w of some of the paths.
    private func weighing(_ job: PathJob, _ path: String, _ runs: JobPrecision) throws -> (Range<Int>) throws ->
        [Double]
    {
        guard exact else {
            let generator = try job.generator(precision: runs)
            return { try generator.paths($0, seed: seed, .evaluation).logWeights }
        }
        guard let density = job.target as? MixtureDensity else {
            throw CommandFailure(
                .usage, "--exact: the best drift is known of mixtures alone, and \(path) is of \(job.target.words)")
        }
        let sampler = job.sampler
        let drift = MixtureDrift(density.mixture, sampler.steps)
        return { positions in
            let places = positions.map { (epoch: 0, position: $0) }
            return sampler.paths(sampler.draw(.evaluation).values(seed: seed, at: places)) { k, x, _ in drift(k, x) }
                .logWeights
        }
    }
}

/// What `smd evaluate partition` says.
private struct PartitionReport: Encodable {
    let checkpoint: String
    let step: Int
    let density: String
    let dimension: Int
    let exact: Bool
    let precision: Precision
    let paths: Int
    let stepsOfPath: Int
    /// Figures are null where they are not finite.
    let elbo: Double?
    let elboError: Double?
    let logPartition: Double?
    let logPartitionError: Double?
    /// Null where it is not known.
    let knownLogPartition: Double?
    let effectiveSampleSize: Double?
    let effectiveShare: Double?

    init(_ job: PathJob, _ path: String, _ found: PartitionEstimate, isExact: Bool, precision: Precision) {
        (checkpoint, step, exact, self.precision) = (path, job.step, isExact, precision)
        (density, dimension) = (job.target.words, job.target.dimension)
        (paths, stepsOfPath) = (found.paths, job.configuration.paths.steps)
        (elbo, elboError) = (finite(found.lowerBound.value), found.lowerBound.error.flatMap(finite))
        (logPartition, logPartitionError) = (
            finite(found.logPartition.value), found.logPartition.error.flatMap(finite)
        )
        knownLogPartition = job.target.logPartition
        effectiveSampleSize = finite(found.effectiveSampleSize)
        effectiveShare = finite(found.effectiveSampleSize / Double(found.paths))
    }

    var text: String {
        func figure(_ value: Double?, _ error: Double?) -> String {
            value.map { Estimate($0, error: error).text } ?? "not finite"
        }
        let known = knownLogPartition.map { "\nknown ln Z             \(fourDigits($0))" } ?? ""
        let share = effectiveShare.map { String(format: " (%.1f %%)", 100 * $0) } ?? ""
        let subject =
            exact
            ? "the best drift, for the paths of \(checkpoint)" : "\(checkpoint), step \(step), \(precision.rawValue)"
        return """
            \(subject)
            density                \(density)
            paths                  \(grouped(paths)) of \(grouped(stepsOfPath)) steps
            ELBO                   \(figure(elbo, elboError))
            ln Z                   \(figure(logPartition, logPartitionError))\(known)
            effective sample size  \(effectiveSampleSize.map(fourDigits) ?? "not finite")\(share)
            """
    }
}
