import Configuration
import DataSets
import Diffusion
import Evaluation
import Files
import NeuralNetwork
import Reports
import Sampling
import Training

/// What `smd restore` reads.
struct RestorationSets {
    let degraded: DataSet
    /// What is noised.
    let guess: DataSet
    let clean: DataSet?

    /// - Throws: `CommandFailure` or `RunError` where they do not go with each other, or not with the network.
    init(_ command: RestoreCommand, _ model: ModelConfiguration) throws {
        let degraded = try DataSet(path: command.data)
        if case .latent = degraded.sample {
            throw CommandFailure(.badInput, "\(command.data) holds latents; smd restore is for images and points")
        }
        try model.check(degraded)
        func companion(_ path: String?) throws -> DataSet? {
            guard let path else { return nil }
            let set = try DataSet(path: path)
            guard set.sample.with(conditions: 0) == degraded.sample.with(conditions: 0), set.count == degraded.count
            else {
                throw CommandFailure(
                    .badInput,
                    "\(path) holds \(grouped(set.count)) \(set.sample.words), \(command.data) \(grouped(degraded.count)) "
                        + degraded.sample.words)
            }
            return set
        }
        (self.degraded, guess) = (degraded, try companion(command.initial) ?? degraded)
        clean = try companion(command.clean)
        if case .image = degraded.sample { return }
        if command.clean != nil || command.plot != nil {
            throw CommandFailure(.badInput, "--clean and --plot are for images; \(command.data) holds points")
        }
    }

    /// The figures of images number `places` beside the clean ones.
    func judged(_ pixels: [UInt8], _ places: Range<Int>) throws -> [Double] {
        guard let clean, case .image(let height, let width, let channels, _) = clean.sample else { return [] }
        let size = clean.elementsPerSample
        return try places.enumerated().flatMap { slot, place in
            RestorationFigures.judge(
                Array(pixels[slot * size..<(slot + 1) * size]), clean: try clean.pixels(place), height: height,
                width: width, channels: channels)
        }
    }
}

/// What `smd restore` does: a restoration from each start.
struct RestorationWork {
    /// Shares of the way to noise.
    let starts: [Double]
    /// Samples at a time.
    let batch: Int
    /// What tells it from others, beside the command.
    let digest: String
    /// What it takes, in words.
    let words: String
    /// "images" or "points".
    var kind: String { sets.degraded.sample.kind }
    private let sets: RestorationSets
    private let restorations: [Restoration]

    init(
        _ command: RestoreCommand, _ job: SamplingJob, _ sets: RestorationSets, _ classes: ChosenClasses,
        _ runs: JobPrecision
    ) throws {
        if job.latents != nil {
            throw CommandFailure(
                .badInput, "the network draws latents; smd restore is for networks of images and points")
        }
        let settings = try command.sampling.settings(of: job, command.guidance)
        let observation = try command.task.observation(of: sets.degraded.sample, count: sets.degraded.count)
        let kind = settings.diffusion.sampler
        guard observation.part == .nothing || command.guided || kind.takesProjections else {
            throw CommandFailure(
                .badInput,
                "diffusion.sampler is \(kind.rawValue), whose steps begin before the last, so that nothing can be put in its "
                    + "place: give --guided, or --sampler ddim")
        }
        if command.guided { try Self.requireSlope(job, settings.diffusion) }
        batch = min(command.sampling.compute.batch, sets.degraded.count)
        let generator = try job.generator(batch: batch, precision: runs)
        let (size, scale) = (batch, command.guidance.classifierScale ?? 1)
        let guide = try classes.classifier.map { try ClassifierGuide($0, scale: scale, batch: size, precision: runs) }
        let distance =
            try command.guided
            ? PosteriorGuide.Distance(
                generator, deviation: command.noise ?? 0, weight: command.weight ?? 1,
                iterations: command.iterations ?? 1) : nil
        let samplers = try command.starts.map { share in
            try job.sampler(settings.diffusion, startingAt: startingTime(share, settings.diffusion))
        }
        restorations = samplers.map { sampler in
            var restoration = Restoration(generator, sampler, observation)
            (restoration.seed, restoration.runs) = (command.sampling.compute.seed, command.average)
            (restoration.classes, restoration.guide, restoration.distance) = (classes.chosen, guide, distance)
            return restoration
        }
        starts = try command.starts
        (self.sets, digest) = (sets, job.digest + sets.guess.fingerprint)
        let passes = samplers.map { command.average * $0.passes }
        words = "\(passes.map { "\($0)" }.joined(separator: ", ")) network evaluations each, \(runs.precision.rawValue)"
    }

    /// Refuses networks whose estimate has no slope at x_t, or that are led already.
    private static func requireSlope(_ job: SamplingJob, _ diffusion: DiffusionConfiguration) throws {
        let model = job.configuration.model
        let why: String? =
            if model.head == .mixture {
                "it draws from a mixture head, and a draw has no slope"
            } else if diffusion.shift != .none {
                "it was trained with diffusion.shift"
            } else if diffusion.guidance.weight != 1 {
                "its configuration has classifier-free guidance: give --set diffusion.guidance=1"
            } else {
                nil
            }
        guard let why else { return }
        throw CommandFailure(.badInput, "--guided does not go with this network: \(why)")
    }

    /// Samples number `range` from the start of that number.
    func restored(_ range: Range<Int>, _ start: Int, passed: @escaping () throws -> Void) throws -> [Float] {
        try restorations[start](
            range, guess: sets.guess.samples(range), observed: sets.degraded.samples(range), passed: passed)
    }
}

/// What `smd restore` says.
struct RestorationReport: Encodable {
    struct Row: Encodable {
        let name: String
        let psnr: FigureJSON
        let ssim: FigureJSON?

        init(_ name: String, _ figures: RestorationFigures) {
            self.name = name
            psnr = FigureJSON("peak signal-to-noise ratio, decibels", figures.psnr)
            ssim = figures.ssim.map { FigureJSON("structural similarity", $0) }
        }
    }

    struct Trial: Encodable {
        let start: Double
        let psnr: FigureJSON
        let ssim: FigureJSON?
    }

    let version = Release.version
    let output: String
    let checkpoint: String
    let checkpointStep: Int
    let data: String
    let task: String
    let start: Double
    let average: Int
    let seed: UInt64
    let count: Int
    let starts: [Trial]
    let figures: [Row]
    let plot: String?
    let text: String

    enum CodingKeys: String, CodingKey {
        case version, output, checkpoint, checkpointStep, data, task, start, average, seed, count, starts, figures, plot
    }

    init(
        _ command: RestoreCommand, _ checkpoint: String, _ step: Int, _ count: Int, _ work: RestorationWork,
        _ found: (best: Int, trials: [RestorationFigures], rows: [(name: String, figures: RestorationFigures)])
    ) {
        (output, self.checkpoint, checkpointStep) = (command.output.output, checkpoint, step)
        (data, task, start) = (command.data, command.task.description, work.starts[found.best])
        (average, seed, self.count) = (command.average, command.sampling.compute.seed, count)
        let rows = found.rows.map { Row($0.name, $0.figures) }
        starts = zip(work.starts, found.trials).map { start, figures in
            let row = Row("", figures)
            return Trial(start: start, psnr: row.psnr, ssim: row.ssim)
        }
        (figures, plot) = (rows, command.plot)
        func line(_ name: String, _ figures: RestorationFigures) -> [String] {
            [name, figures.psnr.text, figures.ssim?.text ?? ""]
        }
        let table =
            found.rows.map { line($0.name, $0.figures) }
            + zip(work.starts, found.trials).map { line("from \($0)", $1) }
        let picture = command.plot.map { "; a picture of them: \($0)" } ?? ""
        text =
            "\(command.output.output): \(grouped(count)) \(work.kind), from \(start)\(picture)"
            + (table.isEmpty ? "" : "\n\n" + aligned([["", "PSNR, dB", "SSIM"]] + table))
    }
}
