import CPUBackend
import Configuration
import Diffusion
import ImageData
import NeuralNetwork
import Philox

/// One repetition of making micro-batches, and of the step that wants them.
public struct LoadMeasurement: Encodable, Sendable {
    /// Seconds an image: order, reading, flip, random numbers, noising.
    public var load: Double
    /// Of these, reading and flipping alone; random numbers alone; noising alone. Measured apart, one after the other.
    public var read: Double
    public var random: Double
    public var noise: Double
    /// Seconds an image of the training step.
    public var step: Double
    /// What the machine gave beside it.
    public var machine: MachineRates

    enum CodingKeys: String, CodingKey {
        case load = "seconds_per_image"
        case read = "seconds_per_image_read"
        case random = "seconds_per_image_random"
        case noise = "seconds_per_image_noise"
        case step = "seconds_per_image_step"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(load, forKey: .load)
        try container.encode(read, forKey: .read)
        try container.encode(random, forKey: .random)
        try container.encode(noise, forKey: .noise)
        try container.encode(step, forKey: .step)
        try machine.encode(to: encoder)
    }
}

/// The data path of training: micro-batches in the order of an epoch, beside the step that consumes them.
public final class LoadBenchmark {
    /// Samples of the data set.
    public let dataCount: Int
    /// Whether all of them are held in memory.
    public let isInMemory: Bool
    /// Images of a micro-batch.
    public let microBatch: Int
    private let data: DataSet
    private let task: TrainingTask
    private let configuration: RunConfiguration
    private let step: StepBenchmark
    private let probe: MachineProbe
    private var source: BatchSource
    private var position = 0

    /// Opens the data set of `configuration` and builds its network.
    ///
    /// - Parameter memoryLimitBytes: data sets up to this size are held in memory; nil takes what training takes.
    /// - Throws: `ImageDataError`, `HDF5Error`, ``TrainingError`` when data set and network do not fit, and what
    ///   ``StepBenchmark`` throws.
    public init(_ configuration: RunConfiguration, memoryLimitBytes: Int? = nil, probe: MachineProbe) throws {
        self.configuration = configuration
        self.probe = probe
        data =
            try memoryLimitBytes.map { try DataSet(path: configuration.data, memoryLimitBytes: $0) }
            ?? DataSet(path: configuration.data)
        try configuration.model.check(data)
        (dataCount, isInMemory) = (data.count, data.isInMemory)
        microBatch = try configuration.microBatchSize(ranks: 1)
        task = TrainingTask(configuration.diffusion)
        source = BatchSource(data, configuration)
        step = try StepBenchmark(configuration, batch: microBatch, microBatch: microBatch, probe: probe)
    }

    /// Makes `images` images (rounded up to whole micro-batches) and runs one step of a micro-batch.
    public func measure(images: Int) throws -> LoadMeasurement {
        let batches = max(1, (images + microBatch - 1) / microBatch)
        let count = Double(batches * microBatch)
        let before = probe.measure()
        let load = try seconds(of: {
            for _ in 0..<batches {
                _ = try source.microBatch(position..<position + microBatch)
                position += microBatch
            }
        })
        let parts = try self.parts(batches)
        let machine = MachineRates.mean(before, probe.measure())
        let step = try step.measure().seconds / Double(microBatch)
        return LoadMeasurement(
            load: load / count, read: parts.read / count, random: parts.random / count, noise: parts.noise / count,
            step: step, machine: machine)
    }

    /// The parts of the same work, each alone.
    private func parts(_ batches: Int) throws -> (read: Double, random: Double, noise: Double) {
        let (size, model) = (data.elementsPerSample, configuration.model)
        var order = EpochOrder(seed: configuration.seed, count: data.count)
        var x0 = [Float](repeating: 0, count: microBatch * size)
        var epsilon = x0
        let noise = RandomStream(seed: configuration.seed, purpose: .noise)
        let timesteps = (0..<microBatch).map { $0 % task.schedule.timesteps }
        let offsets = task.offsetNoise == 0 ? nil : [Float](repeating: 0, count: microBatch * model.channels)
        _ = order.sample(at: position)  // makes the epoch's permutation
        func slots(_ buffer: inout [Float], _ body: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
            try buffer.withUnsafeMutableBufferPointer { all in
                for slot in 0..<microBatch {
                    try body(slot, UnsafeMutableBufferPointer(rebasing: all[slot * size..<(slot + 1) * size]))
                }
            }
        }
        let read = try seconds(of: {
            for number in 0..<batches {
                try slots(&x0) { slot, out in
                    let sample = order.sample(at: position + number * microBatch + slot)
                    try data.read(sample.index, flip: configuration.diffusion.flip && slot % 2 == 1, into: out)
                }
            }
        })
        let draws = model.drawsEta ? 2 : 1
        let random = seconds(of: {
            for number in 0..<batches * draws {
                slots(&epsilon) { slot, out in noise.fillNormals(out, epoch: number, position: slot) }
            }
        })
        let noising = seconds(of: {
            for _ in 0..<batches { _ = task.batch(x0: x0, noise: epsilon, timesteps: timesteps, offsets: offsets) }
        })
        return (read, random, noising)
    }
}
