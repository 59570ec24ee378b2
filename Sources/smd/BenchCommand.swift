import ArgumentParser
import Communication
import Configuration
import Foundation
import Training

/// `smd bench`: how fast this build is on this machine.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure speed and memory on this machine.",
        discussion: """
            EXAMPLES
              smd bench step --preset fashion
              smd bench step --preset cifar --batch 8 --ranks 2 --json
            """,
        subcommands: [Step.self])

    /// `smd bench step`.
    struct Step: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measure the training step.",
            discussion: """
                Times forward, backward, clip, Adam and average of one micro-batch of made-up images on one thread a \
                rank, and beside every repetition the multiply-add peak of the core, because machines drift: quote the \
                fraction of the peak. --against-vanilla times the network with SMD off in turn with it.

                EXAMPLES
                  smd bench step --preset fashion
                  smd bench step --preset fashion --set model.smd=false --json
                  smd bench step --preset fashion --against-vanilla --repeat 15
                  smd bench step --preset fashion --ranks 2
                """)

        @Option(help: "Configuration: a YAML file, or the name of a preset.")
        var preset = "fashion"

        @OptionGroup var overrides: ConfigurationOverrides

        @Option(help: "Ranks; more than one are started with mpirun, each measures for itself at the same time.")
        var ranks = 1

        @Option(help: "Images a step and rank; default: the configuration's micro-batch.")
        var batch: Int?

        @Option(help: "Counted repetitions.")
        var `repeat` = 9

        @Option(help: "Repetitions before those that count.")
        var warmup = 2

        @Flag(help: "Measure the network with SMD off too, in turn.")
        var againstVanilla = false

        @Flag(help: "Show where the time of a step goes, by kind of operation.")
        var profile = false

        @Flag(help: "Write JSON.")
        var json = false

        func validate() throws {
            guard (1...4096).contains(ranks) else { throw ValidationError("--ranks is \(ranks); it must be positive") }
            guard (1...100_000).contains(`repeat`), (0...100_000).contains(warmup) else {
                throw ValidationError("--repeat must be at least 1, --warmup at least 0")
            }
            if let batch, !(1...100_000).contains(batch) { throw ValidationError("--batch must be positive") }
        }

        func run() throws {
            if ranks > 1, Launch.detect(in: ProcessInfo.processInfo.environment) == nil { try relaunch() }
            try onAllRanks { communicator in
                let report = try communicator.together("benchmarking") { try measure() }
                let sums = try communicator.sum([
                    report.imagesPerSecond, report.fractionOfPeak, Double(report.peakResidentBytes),
                ])
                guard communicator.rank == 0 else { return }
                var total = report
                total.ranks = communicator.size
                total.imagesPerSecond = sums[0]
                total.fractionOfPeak = sums[1] / Double(communicator.size)
                total.peakResidentBytes = Int(sums[2] / Double(communicator.size))
                if json { try printJSON(total) } else { try printOut(total.text) }
            }
        }

        private func measure() throws -> StepReportTable {
            let configuration = try RunConfiguration.load(fileOrPreset: preset, overrides)
            try configuration.validate()
            let size = try batch ?? configuration.microBatchSize(ranks: 1)
            let benchmark = try StepBenchmark(configuration, batch: size)
            var plain = configuration
            plain.model.smd = false
            let vanilla = againstVanilla ? try StepBenchmark(plain, batch: size) : nil
            var measurements: [StepMeasurement] = []
            var ratios: [Double] = []
            for repetition in 0..<warmup + `repeat` {
                let measurement = try benchmark.measure()
                let other = try vanilla?.measure()
                guard repetition >= warmup else { continue }
                measurements.append(measurement)
                if let other { ratios.append(measurement.seconds / other.seconds) }
            }
            let seconds = median(measurements.map(\.seconds))
            return StepReportTable(
                preset: preset, smd: configuration.model.smd, ranks: 1, batch: size, repetitions: measurements,
                secondsPerStep: seconds, imagesPerSecond: Double(size) / seconds,
                gflopPerImage: Double(benchmark.operationsPerImage) / 1e9,
                peakGflops: median(measurements.map(\.peakGflops)),
                fractionOfPeak: median(measurements.map(benchmark.fraction)),
                peakResidentBytes: peakResidentBytes(),
                ratioToVanilla: ratios.isEmpty ? nil : median(ratios),
                operations: profile ? try benchmark.profile().map(StepReportTable.Row.init) : nil)
        }

        /// Starts this same command under mpirun and becomes it.
        private func relaunch() throws -> Never {
            let own = Bundle.main.executablePath ?? CommandLine.arguments[0]
            let arguments =
                ["mpirun", "--bind-to", "none", "--oversubscribe", "-n", String(ranks), own]
                + CommandLine.arguments.dropFirst()
            if getuid() == 0 {
                setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0)
                setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0)
            }
            let pointers = arguments.map { strdup($0) } + [nil]
            execvp("mpirun", pointers)
            throw CommandFailure(
                .failure, "cannot start mpirun: \(String(cString: strerror(errno))); install openmpi-bin")
        }
    }
}

/// The result of `smd bench step`.
struct StepReportTable: Encodable {
    struct Row: Encodable {
        let operation: String
        let seconds: Double
        let count: Int
        let gflops: Double

        init(_ row: (operation: String, seconds: Double, count: Int, gflops: Double)) {
            (operation, seconds, count, gflops) = row
        }
    }

    var preset: String
    var smd: Bool
    var ranks: Int
    var batch: Int
    var repetitions: [StepMeasurement]
    var secondsPerStep: Double
    var imagesPerSecond: Double
    var gflopPerImage: Double
    var peakGflops: Double
    var fractionOfPeak: Double
    var peakResidentBytes: Int
    var ratioToVanilla: Double?
    var operations: [Row]?

    enum CodingKeys: String, CodingKey {
        case preset, smd, ranks, batch, repetitions, operations
        case secondsPerStep = "seconds_per_step"
        case imagesPerSecond = "images_per_second"
        case gflopPerImage = "gflop_per_image"
        case peakGflops = "peak_gflops"
        case fractionOfPeak = "fraction_of_peak"
        case peakResidentBytes = "peak_resident_bytes"
        case ratioToVanilla = "ratio_to_vanilla"
    }

    var text: String {
        var lines = [
            "\(preset), \(smd ? "SMD" : "vanilla"), batch \(batch), \(ranks) \(ranks == 1 ? "rank" : "ranks"), "
                + "medians of \(repetitions.count)",
            "step             \(fourDigits(secondsPerStep * 1e3)) ms",
            "speed            \(fourDigits(imagesPerSecond)) images/s, all ranks",
            "work             \(fourDigits(gflopPerImage)) GFLOP an image",
            "FMA peak         \(fourDigits(peakGflops)) GFLOP/s a core",
            "fraction of it   \(fourDigits(fractionOfPeak))",
            "resident memory  \(peakResidentBytes >> 20) MiB at most, a rank",
        ]
        if let ratioToVanilla { lines.append("SMD / vanilla    \(fourDigits(ratioToVanilla)) in time") }
        if let operations {
            let all = operations.reduce(0) { $0 + $1.seconds }
            lines.append("")
            for row in operations {
                let share = String(
                    format: "%5.1f %%  %8.2f ms  %4d×  ", 100 * row.seconds / all, row.seconds * 1e3, row.count)
                lines.append(share + row.operation + (row.gflops > 0 ? ", \(fourDigits(row.gflops)) GFLOP/s" : ""))
            }
        }
        return lines.joined(separator: "\n")
    }
}

/// The middle of `values`, or the mean of the two in the middle.
private func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let half = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/// Largest resident set of this process so far.
private func peakResidentBytes() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
}
