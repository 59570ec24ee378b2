import ArgumentParser
import Communication
import Configuration
import DataSets
import Diffusion
import Evaluation
import Files
import Philox
import Reports
import Sampling
import TensorGraph
import Training

/// `smd evaluate spread`: whether a network's draws of x_0 are spread as far as they should be.
struct EvaluateSpreadCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "spread",
        abstract: "Compare the spread of a network's draws of x_0 with how far their mean is off.",
        discussion: """
            Held-out samples are noised to x_t, and x_0 is estimated with several latents. "spread/skill" is 1 where \
            the estimates are draws of x_0 given x_t, below 1 where they are too much alike, and 0 without a latent; \
            0.9 to 1.1 is good. "error" is that of their mean, as a share of the data's variance; where it is below \
            0.01 there is little left to be spread. Samples should not be those of the training. Figures do not depend \
            on the number of ranks.

            EXAMPLES
              smd evaluate spread runs/fashion --data test.h5
              smd evaluate spread runs/fashion --data test.h5 --timesteps 10,100,500,900 --draws 32 --json
              mpirun -n 8 smd evaluate spread runs/fashion --data test.h5 --count 2000
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: ArgumentHelp("Samples that were not trained on.", valueName: "data"), completion: .file())
    var data: String

    @Option(help: "Estimates of each sample's x_0.")
    var draws = 16

    @Option(name: [.customShort("n"), .long], help: "Samples, chosen by the seed; where there are fewer, all.")
    var count = 256

    @Option(
        help: ArgumentHelp("Timesteps, 0 the least noisy, separated by commas; default: ten, equally far apart."))
    var timesteps: String?

    @Option(help: "Seed of the choice of samples, of their noise and of the latents.")
    var seed: UInt64 = 0

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept.")
    var weights = SampleWeights.ema

    @Option(help: "Most samples computed at a time on each rank.")
    var batch = 32

    @Option(help: "Precision: fp32, bf16 or bf16-emulated; default: that of the checkpoint's configuration.")
    var precision: Precision?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard (2...1_000_000).contains(draws) else {
            throw ValidationError("--draws is \(draws); it must be in 2 ... 1000000")
        }
        guard (2...1_000_000).contains(count) else {
            throw ValidationError("--count is \(count); it must be in 2 ... 1000000")
        }
        guard (1...4096).contains(batch) else { throw ValidationError("--batch is \(batch); it must be in 1 ... 4096") }
    }

    func run() throws {
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let path = try triedCheckpoint(checkpoint, communicator)
            let job = try communicator.together("reading the checkpoint") { try SamplingJob(path, weights) }
            let (samples, labels) = try communicator.together("reading the samples") {
                if communicator.rank == 0 { try FileTrial.run(.dataset, data) }
                return try self.samples(job)
            }
            let runs = try JobPrecision.agree(precision ?? job.configuration.precision, communicator)
            if communicator.rank == 0, let notice = runs.notice { warn(notice) }
            let rows = try measure(job, samples, labels, runs, communicator)
            try communicator.together("writing the figures") {
                guard communicator.rank == 0 else { return }
                if json {
                    try printJSON(SpreadJSON(self, path, job.step, runs, samples.places.count, rows))
                } else {
                    try printOut(text(rows, samples.places.count))
                }
            }
        }
    }

    private func measure(
        _ job: SamplingJob, _ samples: SpreadSkill.Samples, _ labels: [Int32]?, _ runs: JobPrecision,
        _ communicator: any Communicator
    ) throws -> [SpreadSkill] {
        let process = ForwardProcess(job.configuration.diffusion)
        let times = try communicator.together("reading --timesteps") {
            try chosenTimesteps(process.schedule.timesteps)
        }
        let generator = try communicator.together("preparing the network") {
            try job.generator(batch: min(batch, samples.places.count), precision: runs)
        }
        let settings = SpreadSkill.Settings(draws: draws, batch: generator.batch, seed: seed)
        return try SpreadSkill.measure(
            samples, process, timesteps: times, settings, evaluationWork(communicator)
        ) { xt, timestep, places, draw in
            Watchdog.beat()
            return try generator.estimates(
                xt: xt, timesteps: places.map { _ in timestep }, places: places, draw: draw, seed: seed, process,
                labels: labels.map { labels in places.map { Float(labels[$0]) } })
        }
    }

    /// The samples that are looked at, and the class of every sample of the data set where the network is told it.
    private func samples(_ job: SamplingJob) throws -> (SpreadSkill.Samples, labels: [Int32]?) {
        let set = try DataSet(path: data)
        let model = job.configuration.model
        try model.check(set)
        guard set.count > 1 else { throw CommandFailure(.badInput, "\(data) has one sample; two or more are wanted") }
        let order = RandomStream(seed: seed, purpose: .evaluation).permutation(count: set.count, epoch: 0)
        let places = order.prefix(count).map(Int.init).sorted()
        let samples = SpreadSkill.Samples(
            try set.samples(places), places: places, elements: set.elementsPerSample, channels: model.channels)
        return (samples, try job.labels(of: set))
    }

    private func chosenTimesteps(_ count: Int) throws -> [Int] {
        guard let timesteps else {
            let shown = min(10, count)
            return (0..<shown).map { (2 * $0 + 1) * count / (2 * shown) }
        }
        return try columnNames(timesteps).map { text in
            guard let timestep = Int(text), (0..<count).contains(timestep) else {
                throw CommandFailure(
                    .usage, "--timesteps: \(text) is none of the timesteps 0 ... \(count - 1) of the checkpoint")
            }
            return timestep
        }
    }

    private func text(_ rows: [SpreadSkill], _ count: Int) -> String {
        let table = rows.map { row in
            ["t = \(row.timestep)", row.ratio.text, row.meanError.text, row.variance.text]
        }
        return "\(grouped(count)) samples of \(data), \(draws) estimates of each\n\n"
            + aligned([["", "spread/skill", "error", "variance"]] + table)
            + "\n\nerror of the mean, and variance of the estimates, as shares of the data's variance"
    }
}

/// The figures for programs.
private struct SpreadJSON: Encodable {
    struct Row: Encodable {
        let timestep: Int
        let spreadSkill: FigureJSON
        let meanError: FigureJSON
        let variance: FigureJSON

        init(_ row: SpreadSkill) {
            timestep = row.timestep
            spreadSkill = FigureJSON("spread/skill", row.ratio)
            meanError = FigureJSON("squared error of the mean, of the data's variance", row.meanError)
            variance = FigureJSON("variance of the estimates, of the data's variance", row.variance)
        }
    }

    let version = Release.version
    let checkpoint: String
    let checkpointStep: Int
    let weights: String
    let data: String
    let count: Int
    let draws: Int
    let seed: UInt64
    let precision: String
    let timesteps: [Row]

    init(
        _ command: EvaluateSpreadCommand, _ checkpoint: String, _ step: Int, _ runs: JobPrecision, _ count: Int,
        _ rows: [SpreadSkill]
    ) {
        (self.checkpoint, checkpointStep, weights) = (checkpoint, step, command.weights.rawValue)
        (data, self.count, draws, seed) = (command.data, count, command.draws, command.seed)
        precision = runs.precision.rawValue
        timesteps = rows.map(Row.init)
    }
}
