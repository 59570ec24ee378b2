import Reports
import ArgumentParser
import Benchmarks
import CPUBackend
import Communication
import Configuration
import Files
import TensorGraph
import Training

extension BenchCommand {
    /// `smd bench step`.
    struct Step: RankCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measure the training step.",
            discussion: """
                Times forward, backward, clip, Adam and average on made-up images, in micro-batches and on threads as \
                training does, and beside every repetition the multiply-add peak and the memory bandwidth of a core, \
                because machines drift: quote the fraction of the peak (of as many cores as there are threads). \
                --against-vanilla times the network with SMD off in turn with it.

                EXAMPLES
                  smd bench step --preset fashion --batch 32
                  smd bench step --preset fashion --batch 32 --profile
                  smd bench step --preset fashion --set model.smd=false --json
                  smd bench step --preset fashion --against-vanilla --repeat 15
                  smd bench step --preset fashion --ranks 2
                  smd bench step --preset fashion --threads 2
                """)

        @OptionGroup var network: BenchNetwork
        @OptionGroup var ranks: BenchRanks

        @Option(help: "Images a step and rank; default: the configuration's batch_size.")
        var batch: Int?

        @Option(help: "Images computed at a time; default: what training takes on one rank.")
        var microBatch: Int?

        @OptionGroup var repetitions: BenchRepetitions

        @Flag(help: "Measure the network with SMD off too, in turn.")
        var againstVanilla = false

        @Flag(help: "Show where the time of a step goes, by operation.")
        var profile = false

        @Flag(help: "Write JSON.")
        var json = false

        func validate() throws {
            try checkBenchBatch("--batch", batch)
            try checkBenchBatch("--micro-batch", microBatch)
            try ranks.validate(profile: profile)
        }

        func run() throws {
            try ranks.onAll { communicator in
                let (report, machine) = try communicator.together("benchmarking") { try measure() }
                let sums = try communicator.sum([
                    report.imagesPerSecond, report.fractionOfPeak, Double(report.peakResidentBytes),
                ])
                guard communicator.rank == 0 else { return }
                var total = report
                total.ranks = communicator.size
                total.imagesPerSecond = sums[0]
                total.fractionOfPeak = sums[1] / Double(communicator.size)
                total.peakResidentBytes = Int(sums[2] / Double(communicator.size))
                if json { try printJSON(total, machine) } else { try printOut(total.text(machine)) }
            }
        }

        static let takesThreads = true
        var launchFacts: LaunchFacts { LaunchFacts(threads: ranks.threads) }

        private func measure() throws -> (StepBenchReport, MachineRates) {
            let configuration = try network.load()
            let probe = try MachineProbe()
            func make(_ configuration: RunConfiguration) throws -> StepBenchmark {
                try StepBenchmark(
                    configuration, batch: batch, microBatch: microBatch, threads: ranks.threads, probe: probe)
            }
            let benchmark = try make(configuration)
            var plain = configuration
            plain.model.smd = false
            if let notice = benchmark.precision.notice { warn(notice) }
            let vanilla = againstVanilla ? try make(plain) : nil
            var measurements: [Measurement] = []
            var ratios: [Double] = []
            for repetition in 0..<repetitions.warmup + repetitions.repeat {
                let measurement = try benchmark.measure()
                let other = try vanilla?.measure()
                guard repetition >= repetitions.warmup else { continue }
                measurements.append(measurement)
                if let other { ratios.append(measurement.seconds / other.seconds) }
            }
            let seconds = median(measurements.map(\.seconds))
            let report = StepBenchReport(
                preset: network.preset, smd: configuration.model.smd, network: configuration.networkName, ranks: 1,
                threads: ranks.threads,
                batch: benchmark.batch, microBatch: benchmark.microBatch, precision: benchmark.precision.precision,
                repetitions: measurements,
                secondsPerStep: seconds,
                imagesPerSecond: Double(benchmark.batch) / seconds,
                gflopPerImage: Double(benchmark.operationsPerImage) / 1e9,
                fractionOfPeak: median(measurements.map(benchmark.fraction)),
                activationBytes: benchmark.activationBytes, peakResidentBytes: peakResidentBytes(without: probe),
                ratioToVanilla: ratios.isEmpty ? nil : median(ratios),
                profile: profile ? try benchmark.profile(repetitions: min(repetitions.repeat, 9)) : nil)
            return (report, .median(measurements.map(\.machine)))
        }
    }
}

/// The result of `smd bench step`.
struct StepBenchReport: Encodable {
    var preset: String
    var smd: Bool
    var network: String
    var ranks: Int
    var threads: Int
    var batch: Int
    var microBatch: Int
    var precision: Precision
    var repetitions: [Measurement]
    var secondsPerStep: Double
    var imagesPerSecond: Double
    var gflopPerImage: Double
    var fractionOfPeak: Double
    var activationBytes: Int
    var peakResidentBytes: Int
    var ratioToVanilla: Double?
    var profile: OperationProfile?

    func text(_ machine: MachineRates) -> String {
        var lines = [
            "\(preset), \(network), batch \(batch) in micro-batches of \(microBatch), "
                + "\(placesText(ranks: ranks, threads: threads)), \(precision.rawValue), medians of \(repetitions.count)",
            "step             \(fourDigits(secondsPerStep * 1e3)) ms",
            "speed            \(fourDigits(imagesPerSecond)) images/s, all ranks",
            "work             \(fourDigits(gflopPerImage)) GFLOP an image",
            machine.text,
            "fraction         \(fourDigits(fractionOfPeak)) of the FMA peak",
            "activations      \(activationBytes >> 20) MiB",
            "resident memory  \(peakResidentBytes >> 20) MiB at most, a rank",
        ]
        if let ratioToVanilla { lines.append("SMD / vanilla    \(fourDigits(ratioToVanilla)) in time") }
        if let profile { lines.append(profile.text) }
        return lines.joined(separator: "\n")
    }
}
