import ArgumentParser
import Communication
import Configuration
import DataSets
import Diffusion
import Files
import Foundation
import Reports
import Sampling
import TensorGraph
import Training

/// `smd evaluate variance`: what the optimal variance of a checkpoint is, stored beside it.
struct EvaluateVarianceCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "variance",
        abstract: "Measure how far a checkpoint's estimates of x0 are off, for the best single Gaussian a step.",
        discussion: """
            Writes the mean squared error at up to 100 timesteps to CHECKPOINT's name with .variance.json, where sampling \
            with diffusion.variance=optimal finds it: the step's variance is then the best that one number can be, at no \
            cost. For networks trained by the squared error. The same numbers on any number of ranks.

            EXAMPLES
              smd evaluate variance runs/fashion --data fashion-mnist.h5
              smd sample runs/fashion --output few.h5 --steps 5 --set diffusion.variance=optimal
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: ArgumentHelp("Data set to measure on.", valueName: "file"), completion: .file(extensions: ["h5"]))
    var data: String

    @Option(name: [.customShort("n"), .long], help: "Samples of the data set, the first ones.")
    var count = 1024

    @Option(help: "Seed of the noise.")
    var seed: UInt64 = 0

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept.")
    var weights = SampleWeights.ema

    @Option(help: "Most samples computed at a time on each rank.")
    var batch = 32

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var watchdog: DeadlineOption
    @OptionGroup var quietness: QuietOption

    func validate() throws {
        guard (1...1_000_000).contains(count) else { throw ValidationError("--count is \(count), wanted 1 or more") }
        guard (1...4096).contains(batch) else { throw ValidationError("--batch is \(batch); it must be in 1 ... 4096") }
    }

    func run() throws {
        let progress = WorkProgress("measuring", unit: "network evaluations")
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let checkpoint = try triedCheckpoint(self.checkpoint, communicator)
            let (job, samples, labels) = try communicator.together("reading the checkpoint and the data") {
                let job = try SamplingJob(checkpoint, weights)
                if communicator.rank == 0 { try FileTrial.run(.dataset, data) }
                let samples = try DataSet(path: data)
                return (job, samples, try job.labels(of: samples))
            }
            let configuration = job.configuration
            let count = min(self.count, samples.count)
            let mine = share(of: count, rank: communicator.rank, size: communicator.size)
            let runs = try JobPrecision.agree(configuration.precision, communicator)
            Watchdog.enter(.sampling)
            let (measurement, errors) = try communicator.together("measuring") {
                try configuration.model.check(samples)
                let measurement = VarianceMeasurement(
                    try job.generator(
                        batch: SampleGenerator.batch(for: mine.count, atMost: batch), precision: runs),
                    ForwardProcess(configuration.diffusion).withoutOffsetNoise,
                    clips: configuration.diffusion.clipDenoised, seed: seed, labels: labels)
                let all = (mine.count + batch - 1) / batch * measurement.timesteps.count
                let errors = try measurement.errors(x0: try samples.samples(mine), places: Array(mine)) { done in
                    Watchdog.beat()
                    try endingAllRanks(communicator) {
                        try communicator.rank == 0 ? progress.update(done, all) : progress.stopIfAsked(done, all)
                    }
                }
                return (measurement, errors)
            }
            let all = try collectSamples(
                errors, count: count, sampleSize: measurement.timesteps.count, on: communicator)
            try communicator.together("writing what was measured") {
                guard communicator.rank == 0 else { return }
                progress.finish()
                let file = VarianceFile(of: job, data: data, count: count, seed: seed, measurement.mean(all))
                let path = try creatingOutput { try file.write(besideCheckpoint: checkpoint) }
                try json ? printJSON(file) : printOut(text(file, path))
            }
        }
    }

    private func text(_ file: VarianceFile, _ path: String) -> String {
        let shown = file.timesteps.indices.filter { $0 % max(1, file.timesteps.count / 10) == 0 }
        let rows = shown.map { ["\(file.timesteps[$0])", fourDigits(file.x0Variance[$0].squareRoot())] }
        return aligned([["timestep", "root mean square error of x0"]] + rows) + "\nwrote \(path)"
    }
}
