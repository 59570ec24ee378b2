import Reports
import ArgumentParser
import Benchmarks
import CPUBackend
import Communication
import Configuration
import Diffusion
import Files
import TensorGraph
import Training

extension BenchCommand {
    /// `smd bench sample`.
    struct Sample: RankCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measure sampling.",
            discussion: """
                Draws images as smd sample does, from a network that was never trained, which takes the same time. Every \
                thread draws a batch of its own.

                EXAMPLES
                  smd bench sample --preset fashion --batch 32 --steps 10
                  smd bench sample --preset fashion --batch 32 --steps 10 --profile
                  smd bench sample --preset fashion --sampler ancestral --ranks 2 --json
                  smd bench sample --preset fashion --steps 10 --threads 2
                """)

        @OptionGroup var network: BenchNetwork
        @OptionGroup var ranks: BenchRanks

        @Option(help: "Images drawn at a time on each thread.")
        var batch = 32

        @Option(help: "Network evaluations an image; default: the configuration's.")
        var steps: Int?

        @Option(help: "Sampler; default: the configuration's.")
        var sampler: SamplerKind?

        @OptionGroup var repetitions: BenchRepetitions

        @Flag(help: "Show where the time goes, by operation.")
        var profile = false

        @Flag(help: "Write JSON.")
        var json = false

        func validate() throws {
            try checkBenchBatch("--batch", batch)
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

        private func measure() throws -> (SampleBenchReport, MachineRates) {
            var configuration = try network.load()
            if let steps { configuration.diffusion.visit(steps: steps) }
            if let sampler { configuration.diffusion.sampler = sampler }
            try configuration.diffusion.validate()
            let probe = try MachineProbe()
            let benchmark = try SampleBenchmark(configuration, batch: batch, threads: ranks.threads, probe: probe)
            if let notice = benchmark.precision.notice { warn(notice) }
            for _ in 0..<repetitions.warmup { _ = try benchmark.measure() }
            let measured = try (0..<repetitions.repeat).map { _ in try benchmark.measure() }
            let seconds = median(measured.map(\.measurement.seconds))
            let report = SampleBenchReport(
                preset: network.preset, smd: configuration.model.smd, ranks: 1, threads: ranks.threads, batch: batch,
                steps: benchmark.sampler.evaluations, sampler: configuration.diffusion.sampler.rawValue,
                precision: benchmark.precision.precision,
                repetitions: measured, seconds: seconds, imagesPerSecond: Double(batch * ranks.threads) / seconds,
                gflopPerImage: Double(benchmark.operationsPerImage) / 1e9,
                fractionOfPeak: median(measured.map { benchmark.fraction($0.measurement) }),
                randomShare: median(measured.map(\.randomShare)),
                samplerShare: median(measured.map(\.samplerShare)),
                activationBytes: benchmark.activationBytes, unsharedActivationBytes: benchmark.unsharedBytes,
                peakResidentBytes: peakResidentBytes(without: probe),
                profile: profile ? try benchmark.profile(repetitions: min(repetitions.repeat, 9)) : nil)
            return (report, .median(measured.map(\.measurement.machine)))
        }
    }
}

/// The result of `smd bench sample`.
struct SampleBenchReport: Encodable {
    var preset: String
    var smd: Bool
    var ranks: Int
    var threads: Int
    var batch: Int
    var steps: Int
    var sampler: String
    var precision: Precision
    var repetitions: [SampleMeasurement]
    var seconds: Double
    var imagesPerSecond: Double
    var gflopPerImage: Double
    var fractionOfPeak: Double
    var randomShare: Double
    var samplerShare: Double
    var activationBytes: Int
    var unsharedActivationBytes: Int
    var peakResidentBytes: Int
    var profile: OperationProfile?

    func text(_ machine: MachineRates) -> String {
        """
        \(preset), \(smd ? "SMD" : "vanilla"), \(sampler), \(steps) steps, batch \(batch), \
        \(placesText(ranks: ranks, threads: threads)), \(precision.rawValue), medians of \(repetitions.count)
        time             \(fourDigits(seconds)) s a batch
        speed            \(fourDigits(imagesPerSecond)) images/s, all ranks
        work             \(fourDigits(gflopPerImage)) GFLOP an image
        \(machine.text)
        fraction         \(fourDigits(fractionOfPeak)) of the FMA peak
        random numbers   \(fourDigits(100 * randomShare)) % of the time
        sampler          \(fourDigits(100 * samplerShare)) % of the time, arithmetic and copies
        activations      \(activationBytes >> 20) MiB; \(unsharedActivationBytes >> 20) MiB if none shared memory
        resident memory  \(peakResidentBytes >> 20) MiB at most, a rank
        """ + (profile.map { "\n" + $0.text } ?? "")
    }
}
