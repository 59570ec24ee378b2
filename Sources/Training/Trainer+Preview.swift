import CPUBackend
import Communication
import Configuration
import Diffusion
import Foundation
import ImageData

extension Trainer {
    /// Draws a sample grid with the parameters and one with their average; the ranks share the work. The seed is fixed,
    /// so the same picture grows from step to step. Collective.
    ///
    /// - Returns: false when a rank was asked to stop: the pictures not drawn yet are given up, on all ranks.
    func drawPreviews(_ signals: StopSignals) throws -> Bool {
        let isPoints = configuration.model.isPoints
        let count = isPoints ? max(configuration.previewCount, 2000) : configuration.previewCount
        guard count > 0 else { return true }
        Watchdog.enter(.preview, step: step)
        for kind in ["raw", "ema"] {
            let generator = try kind == "raw" ? replica.workers[0].generator() : loadedAverage()
            let mine = share(of: count, rank: communicator.rank, size: communicator.size)
            let samples: [Float]
            do {
                samples = try untilStopped(signals, evaluations: evaluations(of: count, generator)) { look in
                    try generator.samples(
                        mine, seed: configuration.seed, sampler: Sampler(configuration.diffusion),
                        progress: { _, _ in
                            Watchdog.beat()
                            try look()
                        })
                }
            } catch is Stopped {
                if communicator.rank == 0 { observer.say("gave up the preview of step \(step): asked to stop") }
                return false
            }
            let all = try communicator.gather(samples.withUnsafeBytes { Array($0) }).flatMap { $0 }
            guard communicator.rank == 0 else { continue }
            let path = folder.preview(step: step, kind)
            do {
                try Picture(samples: floats(all), configuration.model.size, configuration.model.channels, count: count)
                    .write(to: path)
            } catch {
                observer.warn("the preview \(path) could not be written, training goes on: \(error)")
            }
        }
        if communicator.rank == 0 { observer.say("drew \(folder.preview(step: step, "{raw,ema}"))") }
        return true
    }

    /// The forward pass with the average of the parameters. Collective.
    private func loadedAverage() throws -> SampleGenerator {
        let generator = try averageGenerator ?? replica.makeAverageGenerator()
        averageGenerator = generator
        if let shards = state.shards {
            try generator.load { _, weights in try shards.gather(state.ema, into: weights) }
        } else {
            try generator.parametersChanged()
        }
        return generator
    }

    /// Evaluations of the network that the rank with the largest share of `count` samples needs.
    private func evaluations(of count: Int, _ generator: SampleGenerator) -> Int {
        let largest = (count + communicator.size - 1) / communicator.size
        return (largest + generator.batch - 1) / generator.batch * Sampler(configuration.diffusion).evaluations
    }

    private struct Stopped: Error {}

    /// Runs `body`, which calls its argument after each of at most `evaluations` pieces of work. There all ranks look
    /// together whether one of them was asked to stop. Collective.
    ///
    /// - Throws: `Stopped` on all ranks alike.
    private func untilStopped<T>(
        _ signals: StopSignals, evaluations: Int, _ body: (@escaping () throws -> Void) throws -> T
    ) throws -> T {
        var left = evaluations
        func look() throws {
            left -= 1
            if try communicator.maximum([signals.requested ? 1 : 0])[0] > 0 { throw Stopped() }
        }
        let result = try body(look)
        while left > 0 { try look() }  // a smaller share than that of others
        return result
    }

    private func floats(_ bytes: [UInt8]) -> [Float] {
        bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}

/// Samples as one picture: a grid of images, or a plot of points.
public struct Picture {
    let pixels: [UInt8]
    let height: Int
    let width: Int
    let channels: Int

    /// Whether a picture of `count` samples of `size` × `size` is small enough to be written.
    public static func fits(count: Int, size: Int) -> Bool {
        size == 1 || columns(count) * (size * scale(size) + 2) + 2 <= RasterImage.maximumSide
    }

    private static func columns(_ count: Int) -> Int { Int(Double(count).squareRoot().rounded(.up)) }
    private static func scale(_ size: Int) -> Int { size < 48 ? 2 : 1 }

    /// - Parameter samples: `[count, size, size, channels]`, images in [−1, 1].
    public init(samples: [Float], _ size: Int, _ channels: Int, count: Int) {
        if size == 1 {
            (pixels, height, width) = pointPlot(
                channels == 2
                    ? samples
                    : stride(from: 0, to: samples.count, by: channels).flatMap { first in
                        [samples[first], channels > 1 ? samples[first + 1] : 0]
                    })
            self.channels = 1
        } else {
            let bytes = Training.pixels(samples)
            (pixels, height, width) = imageGrid(
                bytes, of: (size, size, channels), columns: Self.columns(count), scale: Self.scale(size))
            self.channels = channels
        }
    }

    /// Writes it as a PNG file.
    public func write(to path: String) throws {
        try PNG.write(pixels, height: height, width: width, channels: channels, to: path)
    }
}
