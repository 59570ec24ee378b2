import Reports
import ArgumentParser
import Benchmarks
import CPUBackend
import Configuration
import Files
import Training

extension BenchCommand {
    /// `smd bench load`.
    struct Load: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measure the making of batches from a data set.",
            discussion: """
                Makes micro-batches as training does, in the order of an epoch: reading, flips, timesteps, noise. \
                Beside it the training step that wants them. Parts are measured one by one.

                EXAMPLES
                  smd bench load --data fashion-mnist.h5
                  smd bench load --data images.h5 --preset cifar --from-disk --json
                  smd bench load --data large.h5 --set cache=stream --set shuffle=chunks
                """)

        @Option(help: "Data set; default: the configuration's.", completion: .file(extensions: ["h5"]))
        var data: String?

        @OptionGroup var network: BenchNetwork

        @Option(help: "Images a repetition.")
        var images = 4096

        @Flag(help: "Read every sample from the file when it is wanted: --set cache=none.")
        var fromDisk = false

        @OptionGroup var repetitions: BenchRepetitions

        @Flag(help: "Write JSON.")
        var json = false

        func validate() throws {
            guard (1...100_000_000).contains(images) else {
                throw ValidationError("--images is \(images); it must be positive")
            }
        }

        func run() throws {
            var configuration = try RunConfiguration.load(fileOrPreset: network.preset, network.overrides)
            if let data { configuration.data = data }
            try configuration.requireData()
            try configuration.validate()
            try FileTrial.run(.dataset, configuration.data)
            if fromDisk { configuration.cache = .none }
            let benchmark = try LoadBenchmark(configuration, probe: MachineProbe())
            for _ in 0..<repetitions.warmup { _ = try benchmark.measure(images: images) }
            let measured = try (0..<repetitions.repeat).map { _ in try benchmark.measure(images: images) }
            let report = LoadBenchReport(
                data: configuration.data, preset: network.preset, samples: benchmark.dataCount,
                inMemory: benchmark.isInMemory, microBatch: benchmark.microBatch, repetitions: measured,
                imagesPerSecond: 1 / median(measured.map(\.load)),
                stepImagesPerSecond: 1 / median(measured.map(\.step)),
                shareOfStep: median(measured.map { $0.load / ($0.load + $0.step) }))
            let machine = MachineRates.median(measured.map(\.machine))
            if json { try printJSON(report, machine) } else { try printOut(report.text(machine)) }
        }
    }
}

/// The result of `smd bench load`.
struct LoadBenchReport: Encodable {
    var data: String
    var preset: String
    var samples: Int
    var inMemory: Bool
    var microBatch: Int
    var repetitions: [LoadMeasurement]
    var imagesPerSecond: Double
    var stepImagesPerSecond: Double
    var shareOfStep: Double

    func text(_ machine: MachineRates) -> String {
        func microseconds(_ part: (LoadMeasurement) -> Double) -> String {
            "\(fourDigits(1e6 * median(repetitions.map(part)))) µs an image"
        }
        return """
            \(printable(data)), \(grouped(samples)) samples \(inMemory ? "in memory" : "read from the file"), \
            \(preset), micro-batches of \(microBatch), medians of \(repetitions.count)
            load             \(fourDigits(imagesPerSecond)) images/s, \(microseconds { $0.load })
              reading        \(microseconds { $0.read })
              random numbers \(microseconds { $0.random })
              noising        \(microseconds { $0.noise })
            step             \(fourDigits(stepImagesPerSecond)) images/s
            share            \(fourDigits(100 * shareOfStep)) % of a step with its data
            \(machine.text)
            """
    }
}
