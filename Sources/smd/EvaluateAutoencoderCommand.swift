import ArgumentParser
import Communication
import Configuration
import DataSets
import Evaluation
import Files
import Foundation
import Reports
import Sampling
import Storage
import Training

/// `smd evaluate autoencoder`: what comes back from the latents of images.
struct EvaluateAutoencoderCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "autoencoder",
        abstract: "How well a first stage brings images back, and how wide its latents are.",
        discussion: """
            CHECKPOINT is one that a run with method: autoencoder left, DATA images, which it should not have been trained \
            on. Images go to the means of their latents and back: PSNR is the mean over images of 10 log10(1/MSE), of values \
            in 0 ... 1. --plot shows originals above what came back. Under mpirun the ranks share the images; the numbers \
            are the same on any number of them. SIGINT, SIGTERM and SIGUSR1 end it with status 75.

            EXAMPLES
              smd evaluate autoencoder runs/autoencoder --data fashion-mnist-test.h5
              smd evaluate autoencoder runs/autoencoder --data test.h5 --count 1000 --plot back.png --json
            """)

    @Argument(
        help: ArgumentHelp("The checkpoint, or the folder of a run, whose newest is taken.", valueName: "checkpoint"),
        completion: .file(extensions: ["h5"]))
    var checkpoint: String

    @Option(help: "Data set of images.", completion: .file(extensions: ["h5", "json"]))
    var data: String

    @Option(name: [.customShort("n"), .long], help: "Images, the first of the data set; default: all.")
    var count: Int?

    @Option(help: "Weights: ema (the moving average), raw, or a further average that the run kept.")
    var weights = SampleWeights.ema

    @Option(
        help: ArgumentHelp("Write the first 16 images and what came back as a PNG file.", valueName: "png"),
        completion: .file(extensions: ["png"]))
    var plot: String?

    @OptionGroup var watchdog: DeadlineOption

    @Flag(name: [.customShort("f"), .long], help: "Replace the picture if it exists.")
    var overwrite = false

    @Flag(help: "Write JSON.")
    var json = false

    @OptionGroup var quietness: QuietOption

    private static let pictured = 16

    func validate() throws {
        guard count ?? 1 > 0 else { throw ValidationError("--count is \(count ?? 0); it must be positive") }
    }

    func run() throws {
        let progress = WorkProgress("reconstructing", unit: "images")
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let path = try triedCheckpoint(checkpoint, communicator)
            let trained = try communicator.together("reading the checkpoint") {
                let header = try CheckpointFile(path, isVerified: false).header
                return try RunConfiguration(json: header.config, name: path).precision
            }
            let runs = try JobPrecision.agree(trained, communicator)
            if communicator.rank == 0, let notice = runs.notice { warn(notice) }
            let (stage, images) = try communicator.together("opening checkpoint and data set") {
                if communicator.rank == 0 {
                    try FileTrial.run(.dataset, data)
                    if let plot { try requirePicture(plot, overwrite: overwrite, inputs: [data]) }
                }
                let stage = try FirstStage(checkpoint: path, weights: weights, precision: runs)
                let images = try DataSet(path: data)
                try stage.configuration.model.check(images)
                return (stage, images)
            }
            let number = min(count ?? images.count, images.count)
            Watchdog.enter(.sampling)
            let mine = try communicator.together("reconstructing") {
                try judge(images, share(of: number, rank: communicator.rank, size: communicator.size), stage) {
                    done, all in
                    Watchdog.beat()
                    try endingAllRanks(communicator) {
                        try communicator.rank == 0 ? progress.update(done, all) : progress.stopIfAsked(done, all)
                    }
                }
            }
            let all = try communicator.gather(mine.withUnsafeBytes { Array($0) }).flatMap { bytes in
                bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
            }
            guard communicator.rank == 0 else { return }
            progress.finish()
            if let plot { try draw(images, min(number, Self.pictured), stage, to: plot) }
            let report = AutoencoderReport(
                Reconstructions(all), checkpoint: path, step: stage.step, data: data, images: number,
                latentShape: [stage.latentSize, stage.latentSize, stage.sizes.latentChannels])
            let picture = plot.map { "\npicture             \($0)" } ?? ""
            if json { try printJSON(report) } else { try printOut(report.text + picture) }
        }
    }

    private func judge(
        _ images: DataSet, _ mine: Range<Int>, _ stage: FirstStage, _ progress: (Int, Int) throws -> Void
    ) throws -> [Double] {
        let (size, latent) = (
            images.elementsPerSample, stage.sizes.latentElements(size: stage.configuration.model.size)
        )
        var judged: [Double] = []
        for first in stride(from: mine.lowerBound, to: mine.upperBound, by: stage.batch) {
            let part = first..<min(first + stage.batch, mine.upperBound)
            let originals = try images.samples(part)
            let moments = try stage.encode(originals)
            let decoded = try stage.decode(means(moments, stage.sizes.latentChannels))
            for slot in 0..<part.count {
                judged += Reconstructions.judge(
                    original: originals[slot * size..<(slot + 1) * size],
                    decoded: decoded[slot * size..<(slot + 1) * size],
                    moments: moments[2 * slot * latent..<2 * (slot + 1) * latent], channels: stage.sizes.latentChannels)
            }
            try progress(part.upperBound - mine.lowerBound, mine.count)
        }
        return judged
    }

    /// Of `[N, h, w, 2Z]`, the first Z of each pixel.
    private func means(_ moments: [Float], _ channels: Int) -> [Float] {
        stride(from: 0, to: moments.count, by: 2 * channels).flatMap { moments[$0..<$0 + channels] }
    }

    private func draw(_ images: DataSet, _ count: Int, _ stage: FirstStage, to path: String) throws {
        let originals = try images.samples(0..<count)
        let decoded = try stage.decode(means(try stage.encode(originals), stage.sizes.latentChannels))
        try Picture(images: pixels(originals) + pixels(decoded), of: images.sample, columns: count).write(to: path)
    }
}

/// What `smd evaluate autoencoder` says.
private struct AutoencoderReport: Encodable {
    let checkpoint: String
    let step: Int
    let data: String
    let images: Int
    /// [h, w, Z].
    let latentShape: [Int]
    let psnr: Double
    let psnrError: Double?
    let absoluteError: Double
    let divergence: Double
    let latentDeviation: Double

    init(
        _ figures: Reconstructions, checkpoint: String, step: Int, data: String, images: Int, latentShape: [Int]
    ) {
        (self.checkpoint, self.step, self.data) = (checkpoint, step, data)
        (self.images, self.latentShape) = (images, latentShape)
        (psnr, psnrError) = (figures.psnr.value, figures.psnr.error)
        (absoluteError, divergence) = (figures.absoluteError, figures.divergence)
        latentDeviation = figures.latentDeviation
    }

    var text: String {
        """
        \(checkpoint), step \(step)
        images              \(grouped(images)) of \(data)
        PSNR                \(fourDigits(psnr))\(psnrError.map { " ± " + fourDigits($0) } ?? "") dB
        absolute error      \(fourDigits(absoluteError)) of the full range
        latents             \(latentShape.map { "\($0)" }.joined(separator: "×")), deviation \(fourDigits(latentDeviation))
        divergence          \(fourDigits(divergence)) nats an image
        """
    }
}
