import ArgumentParser
import Communication
import Configuration
import DataSets
import Diffusion
import Evaluation
import Files
import Foundation
import Reports
import Sampling

/// `smd evaluate oracle`: the backward steps of a network against the true ones.
struct EvaluateOracleCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "oracle",
        abstract: "Compare the steps of a network with the true ones, for data of a known mixture.",
        discussion: """
            At each timestep points x_t are drawn from their true law, and the network gives its estimates of x_0, one for \
            each draw of its latent. They are compared with the law of x_0 given x_t, which is known in closed form. Results \
            are the same on any number of ranks. docs/evaluation.md explains the columns.

            EXAMPLES
              smd evaluate oracle CHECKPOINT --data grid.h5
              smd evaluate oracle runs/grid --data grid.h5 --times 0,50,99 --draws 256 --json
              mpirun -n 8 smd evaluate oracle CHECKPOINT --data grid.h5 --count 4096 --plot draws.png
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(
        help: ArgumentHelp("A data set that states its mixture.", valueName: "data"),
        completion: .file(extensions: ["h5", "json"]))
    var data: String

    @Option(help: "Estimates of x_0 at each x_t.")
    var draws = 64

    @Option(name: [.customShort("n"), .long], help: "Points x_t at each timestep.")
    var count = 512

    @Option(help: "Steps from noise to data; default: all timesteps of the diffusion.")
    var steps: Int?

    @Option(
        help: ArgumentHelp("Timesteps to look at; default: all of up to 20, else 10 of them.", valueName: "t,t,…"))
    var times: String?

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept.")
    var weights = SampleWeights.ema

    @Option(help: "Seed of all draws.")
    var seed: UInt64 = 0

    @Option(help: "Most points computed at a time on each rank.")
    var batch = 512

    @Option(
        help: ArgumentHelp(
            "Draw, for one x_t of each timestep, true draws of x_0 (left) and the network's (right).",
            valueName: "draws.png"), completion: .file(extensions: ["png"]))
    var plot: String?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(name: [.customShort("f"), .long], help: "Replace the picture if it exists.")
    var overwrite = false

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard (2...100_000).contains(draws) else { throw ValidationError("--draws must be 2 to 100000, not \(draws)") }
        guard (2...10_000_000).contains(count) else {
            throw ValidationError("--count must be 2 to 10000000, not \(count)")
        }
        guard (1...4096).contains(batch) else { throw ValidationError("--batch is \(batch); it must be in 1 ... 4096") }
        if let times, times.split(separator: ",").contains(where: { Int($0) == nil }) || times.isEmpty {
            throw ValidationError("--times is \(times); timesteps such as 0,5,9 are wanted")
        }
    }

    func run() throws {
        let progress = WorkProgress("evaluating", unit: "network evaluations")
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let checkpoint = try triedCheckpoint(self.checkpoint, communicator)
            let job = try communicator.together("reading the checkpoint") {
                let job = try SamplingJob(checkpoint, weights)
                try job.requireNoClasses("smd evaluate oracle")
                return job
            }
            let mixture = try knownMixture(data, communicator)
            let visited = try communicator.together("checking the settings") {
                if let plot, communicator.rank == 0 {
                    try requirePicture(plot, overwrite: overwrite, inputs: [checkpoint, data])
                }
                return try VisitedTimes(job.configuration, mixture, steps: steps, times: times)
            }
            let runs = try JobPrecision.agree(job.configuration.precision, communicator)
            if communicator.rank == 0, let notice = runs.notice { warn(notice) }
            let mine = share(of: count, rank: communicator.rank, size: communicator.size)
            Watchdog.enter(.sampling)
            let found = try communicator.together("evaluating") {
                let generator = try job.generator(
                    batch: SampleGenerator.batch(for: mine.count, atMost: batch), precision: runs)
                let evaluation = OracleEvaluation(
                    visited, generator, ForwardProcess(job.configuration.diffusion), draws: draws, seed: seed)
                return try evaluation.run(mine, of: count) { done, all in
                    Watchdog.beat()
                    try endingAllRanks(communicator) {
                        try communicator.rank == 0 ? progress.update(done, all) : progress.stopIfAsked(done, all)
                    }
                }
            }
            let all = try communicator.gather(found.records.flatMap(\.numbers).withUnsafeBytes { Array($0) })
            try communicator.together("writing the results") {
                guard communicator.rank == 0 else { return }
                progress.finish()
                try report(OracleReport(self, visited, joining: all, mixture.dimension), found.shown)
            }
        }
    }

    private func report(_ report: OracleReport, _ shown: [[[Float]]]) throws {
        if let plot {
            let picture = pointPlots(shown, size: 128, scale: 2)
            try creatingOutput {
                try PNG.write(picture.pixels, height: picture.height, width: picture.width, channels: 1, to: plot)
            }
        }
        if json { return try printJSON(report) }
        try printOut(report.text)
    }
}
