import CPUBackend
import Communication
import Configuration
import DataSets
import Diffusion
import Foundation
import NeuralNetwork
import Sampling
import TensorGraph

extension Trainer {
    /// Draws a sample grid with the parameters and one with their average; the ranks share the work. The seed is fixed,
    /// so the same picture grows from step to step. Of an autoencoder images and what comes back. Collective.
    ///
    /// - Returns: false when a rank was asked to stop: the pictures not drawn yet are given up, on all ranks.
    func drawPreviews(_ signals: StopSignals) throws -> Bool {
        let isPoints = configuration.model.isPoints
        let count = isPoints ? max(configuration.previewCount, 2000) : configuration.previewCount
        guard count > 0, data?.latents == nil || configuration.firstStagePath != nil else { return true }
        Watchdog.enter(.preview, step: step)
        do {
            try drawPreview("raw", count, signals)
            try withAverage { try drawPreview("ema", count, signals) }
        } catch is Stopped {
            if communicator.rank == 0 { observer.say("gave up the preview of step \(step): asked to stop") }
            return false
        }
        if communicator.rank == 0 { observer.say("drew \(folder.preview(step: step, "{raw,ema}"))") }
        return true
    }

    /// The first images of the stream above what an autoencoder makes of them, by rank 0.
    private func drawReconstructions(_ kind: String, _ count: Int) throws {
        guard communicator.rank == 0, let data else { return }
        let model = configuration.model
        var stream = SampleStream(data, configuration)
        let images = try ahead.map { try $0.take(0..<count).x0 } ?? stream.read(0..<count).x0
        let network = configuration.autoencoder.sizes.network(channels: model.channels)
        let backend = replica.workers[0].backend
        let graph = network.inferenceGraph(.both, size: model.size, batch: count, precision: backend.precision)
        let executor = try Executor(
            ExecutionPlan(graph, layout: state.layout), on: backend, parameters: state.parameters)
        try executor.parametersChanged()
        executor.write([NetworkInput.xt.rawValue: images])
        try executor.run()
        let shape = SampleShape.image(height: model.size, width: model.size, channels: model.channels)
        try write(kind) {
            try Picture(images: pixels(images) + pixels(executor.read("output")), of: shape, columns: count).write(
                to: $0)
        }
    }

    /// Writes a picture; that it cannot be is no reason to end a run.
    private func write(_ kind: String, _ body: (String) throws -> Void) throws {
        let path = folder.preview(step: step, kind)
        do {
            try body(path)
        } catch {
            observer.warn("the preview \(path) could not be written, training goes on: \(error)")
        }
    }

    /// What a ``ShiftTable`` among the parameters, as they are, says.
    private var trainedShift: Shift? {
        guard let table = replica.step.loss.shiftTable,
            let (_, offset) = zip(state.layout.parameters, state.layout.offsets).first(where: {
                $0.0.name == ShiftTable.name
            })
        else { return nil }
        let values = state.parameters.elements[offset..<offset + table.parameter.count]
        return Shift(configuration.diffusion, means: table.means(Array(values)), classes: table.classes)
    }

    /// - Throws: `Stopped` on all ranks alike.
    private func drawPreview(_ kind: String, _ count: Int, _ signals: StopSignals) throws {
        if configuration.method == .autoencoder { return try drawReconstructions(kind, count) }
        let generator = try replica.workers[0].generator()
        let shift = shift ?? trainedShift
        generator.shift = shift
        let mine = share(of: count, rank: communicator.rank, size: communicator.size)
        let samples = try untilStopped(signals, evaluations: passes(of: count, generator)) { look in
            let sampler = previewSampler
            var hooks = SamplingHooks(prior: prior?.mixture, sampler, seed: configuration.seed)
            hooks.conditions = pairs.map { pairs in { pairs.conditions($0) } }
            if let starts { hooks.start = { starts.noised($0, noise: $1) } }
            return try generator.samples(
                mine, seed: configuration.seed, sampler: sampler, classes: pairs?.classes ?? starts?.classes ?? .all,
                hooks: hooks,
                progress: { _, _ in
                    Watchdog.beat()
                    try look()
                })
        }
        let all = try communicator.gather(samples.withUnsafeBytes { Array($0) }).flatMap { $0 }
        guard communicator.rank == 0 else { return }
        try write(kind) { path in
            if let pairs { return try pairs.picture(of: floats(all)).write(to: path) }
            var samples = try images.map { try $0(floats(all)) } ?? floats(all)
            let blockSide = Float(configuration.diffusion.blockSide)
            if blockSide > 1 { samples = samples.map { $0 / blockSide } }
            let model = images?.shown(configuration.model) ?? configuration.model
            try Picture(
                samples: samples, model.size, model.channels, count: count, classes: shift?.classes ?? model.classes
            )
            .write(to: path)
        }
    }

    /// Calls `body` with the average in the place of the parameters, which come back afterwards. Collective.
    private func withAverage(_ body: () throws -> Void) throws {
        let parameters = try CPUMemory(count: state.layout.count)
        _ = parameters.elements.update(fromContentsOf: state.parameters.elements)
        if let shards = state.shards {
            try shards.gather(state.ema, into: state.parameters)
        } else {
            _ = state.parameters.elements.update(fromContentsOf: state.ema.elements)
        }
        let worker = replica.workers[0]
        try worker.parametersChanged()
        let result = Result(catching: body)
        _ = state.parameters.elements.update(fromContentsOf: parameters.elements)
        try worker.parametersChanged()
        try result.get()
    }

    /// Passes through the network that the rank with the largest share of `count` samples needs.
    private func passes(of count: Int, _ generator: SampleGenerator) -> Int {
        let largest = (count + communicator.size - 1) / communicator.size
        return (largest + generator.batch - 1) / generator.batch * previewSampler.passes
    }

    /// Of one scale of several it draws what that one makes of an image.
    private var previewSampler: Sampler {
        Sampler(configuration.diffusion, of: configuration.model, alone: true)
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
