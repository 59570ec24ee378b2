import ArgumentParser
import CPUBackend
import Communication
import Configuration
import Diffusion
import TensorGraph
import Training

extension BenchCommand {
    /// `smd bench sample`.
    struct Sample: ParsableCommand {
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

        @Option(help: "Sampler, ddim or ancestral; default: the configuration's.")
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

        private func measure() throws -> SampleBenchReport {
            var configuration = try network.load()
            if let steps { configuration.diffusion.samplingSteps = steps }
            if let sampler { configuration.diffusion.sampler = sampler }
            try configuration.diffusion.validate()
            let probe = try MachineProbe()
            let benchmark = try SampleBenchmark(configuration, batch: batch, threads: ranks.threads, probe: probe)
            if let notice = benchmark.precision.notice { warn(notice) }
            for _ in 0..<repetitions.warmup { _ = try benchmark.measure() }
            let measured = try (0..<repetitions.repeat).map { _ in try benchmark.measure() }
            let seconds = median(measured.map(\.measurement.seconds))
            return SampleBenchReport(
                preset: network.preset, smd: configuration.model.smd, ranks: 1, threads: ranks.threads, batch: batch,
                steps: benchmark.sampler.evaluations, sampler: configuration.diffusion.sampler.rawValue,
                precision: benchmark.precision.precision,
                repetitions: measured, seconds: seconds, imagesPerSecond: Double(batch * ranks.threads) / seconds,
                gflopPerImage: Double(benchmark.operationsPerImage) / 1e9,
                machine: .median(measured.map(\.measurement.machine)),
                fractionOfPeak: median(measured.map { benchmark.fraction($0.measurement) }),
                randomShare: median(measured.map(\.randomShare)),
                samplerShare: median(measured.map(\.samplerShare)),
                activationBytes: benchmark.activationBytes, unsharedBytes: benchmark.unsharedBytes,
                peakResidentBytes: peakResidentBytes(without: probe),
                profile: profile ? try benchmark.profile(repetitions: min(repetitions.repeat, 9)) : nil)
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
    var machine: MachineRates
    var fractionOfPeak: Double
    var randomShare: Double
    var samplerShare: Double
    var activationBytes: Int
    var unsharedBytes: Int
    var peakResidentBytes: Int
    var profile: OperationProfile?

    enum CodingKeys: String, CodingKey {
        case preset, smd, ranks, threads, batch, steps, sampler, precision, repetitions, seconds, profile
        case imagesPerSecond = "images_per_second"
        case gflopPerImage = "gflop_per_image"
        case fractionOfPeak = "fraction_of_peak"
        case randomShare = "random_share"
        case samplerShare = "sampler_share"
        case activationBytes = "activation_bytes"
        case unsharedBytes = "unshared_activation_bytes"
        case peakResidentBytes = "peak_resident_bytes"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(preset, forKey: .preset)
        try container.encode(smd, forKey: .smd)
        try container.encode(ranks, forKey: .ranks)
        try container.encode(threads, forKey: .threads)
        try container.encode(batch, forKey: .batch)
        try container.encode(steps, forKey: .steps)
        try container.encode(sampler, forKey: .sampler)
        try container.encode(precision, forKey: .precision)
        try container.encode(repetitions, forKey: .repetitions)
        try container.encode(seconds, forKey: .seconds)
        try container.encode(imagesPerSecond, forKey: .imagesPerSecond)
        try container.encode(gflopPerImage, forKey: .gflopPerImage)
        try container.encode(fractionOfPeak, forKey: .fractionOfPeak)
        try container.encode(randomShare, forKey: .randomShare)
        try container.encode(samplerShare, forKey: .samplerShare)
        try container.encode(activationBytes, forKey: .activationBytes)
        try container.encode(unsharedBytes, forKey: .unsharedBytes)
        try container.encode(peakResidentBytes, forKey: .peakResidentBytes)
        try container.encodeIfPresent(profile, forKey: .profile)
        try machine.encode(to: encoder)
    }

    var text: String {
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
        activations      \(activationBytes >> 20) MiB; \(unsharedBytes >> 20) MiB if none shared memory
        resident memory  \(peakResidentBytes >> 20) MiB at most, a rank
        """ + (profile.map { "\n" + $0.text } ?? "")
    }
}
