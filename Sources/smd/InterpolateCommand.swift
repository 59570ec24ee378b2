import ArgumentParser
import Communication
import DataSets
import Files
import Sampling

/// `smd interpolate`: samples between two.
struct InterpolateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interpolate",
        abstract: "Samples between two of a data set, by their codes.",
        discussion: """
            The codes of both samples (smd encode) are interpolated along great circles, which keeps Gaussian numbers of their \
            length, and decoded. The first and the last of the row are the samples themselves. A network that is told classes \
            gets the label of the nearer one, or --label.

            EXAMPLES
              smd interpolate runs/fashion --data test.h5 --between 3,17 --sampler ancestral --output between.h5
              smd interpolate runs/fashion --data test.h5 --between 3,17 -n 12 --ddim-eta 0.1 --start 0.6 \
            --plot between.png --output between.h5
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: "Data set of samples.", completion: .file(extensions: ["h5", "json"]))
    var data: String

    @Option(help: ArgumentHelp("Places of the two samples, counted from 0.", valueName: "place,place"))
    var between: String

    @Option(name: [.customShort("n"), .long], help: "Samples of the row, both ends among them.")
    var count = 8

    @Option(help: "Share of the way to noise that the codes begin at, above 0, at most 1.")
    var start = 1.0

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The data set to write.", valueName: "samples.h5"),
        completion: .file(extensions: ["h5"]))
    var output: String

    @Option(
        help: ArgumentHelp("Also draw the row as a picture.", valueName: "png"), completion: .file(extensions: ["png"]))
    var plot: String?

    @OptionGroup var guidance: GuidanceOptions

    @OptionGroup var sampling: SamplerOptions

    @Flag(name: [.customShort("f"), .long], help: "Write over existing files.")
    var overwrite = false

    @OptionGroup var quietness: QuietOption

    func validate() throws {
        try requireStart(start)
        _ = try ends
        if guidance.classifier != nil { throw ValidationError("--classifier: codes know no classifier") }
        guard (2...10_000).contains(count) else {
            throw ValidationError("--count is \(count); it must be in 2 ... 10000")
        }
    }

    private var ends: [Int] {
        get throws {
            let numbers = between.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
            guard numbers.count == 2, let first = numbers[0], let second = numbers[1], min(first, second) >= 0 else {
                throw ValidationError("--between is \(between), wanted two places such as 3,17")
            }
            return [first, second]
        }
    }

    func run() throws {
        let progress = WorkProgress("interpolating", unit: "network evaluations")
        try onAllRanks { communicator in
            guard communicator.size == 1 else {
                throw CommandFailure(.usage, "smd interpolate works in one process; start it without mpirun")
            }
            let path = try triedCheckpoint(checkpoint)
            let job = try SamplingJob(path, sampling.compute.weights)
            let set = try openedSamples(data, for: job, isFirst: true)
            let ends = try ends
            guard ends.allSatisfy({ $0 < set.count }) else {
                throw CommandFailure(.badInput, "--between is \(between), but \(data) has \(set.count) samples")
            }
            try requireWritable(output, overwrite: overwrite, inputs: [data, path])
            if let plot {
                try requirePicture(plot, overwrite: overwrite, inputs: [data, output])
                guard case .image = set.sample else {
                    throw CommandFailure(.badInput, "--plot is for images; \(data) holds points")
                }
            }
            let classes = try guidance.classes(job, classifier: nil).of(set, guidance.label)
            let labels = classes.labels(of: set.count).map { all in ends.map { Int(all[$0]) } }
            let runs = try JobPrecision.agree(sampling.compute.precision ?? job.configuration.precision, communicator)
            if let notice = runs.notice { warn(notice) }
            let settings = try sampling.settings(of: job, guidance)
            var coder = try SampleCoder.encoder(
                job, settings, start, of: set, batch: min(sampling.compute.batch, count), runs
            ).coder
            coder.seed = sampling.compute.seed
            let told = labels.map { labels in (0..<count).map { 2 * $0 < count ? labels[0] : labels[1] } }
            Watchdog.enter(.sampling)
            let samples = try row(coder, set.samples(ends), labels, told, progress)
            let model = job.configuration.model
            try creatingOutput {
                try SampleFile.write(
                    samples, count: count, model: model, labels: told.map { $0.map { Int32($0) } }, to: output,
                    replacing: overwrite,
                    attributes: [
                        "checkpoint": .string(path), "checkpoint_step": .integer(job.step), "data": .string(data),
                        "between": .integers(ends), "start": .double(start), "config": .string(settings.resolvedJSON()),
                        "seed": .string("\(sampling.compute.seed)"),
                    ])
                if let plot { try Picture(images: pixels(samples), of: set.sample, columns: count).write(to: plot) }
            }
            progress.finish()
            let picture = plot.map { "; a picture of them: \($0)" } ?? ""
            try printOut("\(output): \(grouped(count)) \(set.sample.words) between \(between)\(picture)")
        }
    }

    /// - Parameters:
    ///   - labels: of both ends; nil without classes.
    ///   - told: of the row.
    private func row(
        _ coder: SampleCoder, _ ends: [Float], _ labels: [Int]?, _ told: [Int]?, _ progress: WorkProgress
    ) throws -> [Float] {
        var coder = coder
        if let labels { coder.classes = .each(labels) }
        let codes = try coder.codes(0..<2, x0: ends) { try progress.beat() }
        let (first, second) = (Array(codes[..<coder.layout.count]), Array(codes[coder.layout.count...]))
        if let told { coder.classes = .each(told) }
        let all = (0..<count).flatMap { coder.between(first, second, Double($0) / Double(count - 1)) }
        return try coder.samples(0..<count, codes: all, SampleCoder.Taken(eta: true, residual: true)) {
            try progress.beat()
        }
    }
}
