import CPUBackend
import Communication
import Configuration
import DataSets
import Diffusion
import Files
import Training

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
    private let loss: any Loss
    private let seed: UInt64
    private let step: StepBenchmark
    private let probe: MachineProbe
    private let ahead: ReadAhead?
    private var source: BatchSource
    private var position = 0

    /// Opens the data set of `configuration` and builds its network.
    ///
    /// - Throws: `DataSetError`, `HDF5Error`, ``RunError`` when data set and network do not fit, and what
    ///   ``StepBenchmark`` throws.
    public init(_ configuration: RunConfiguration, probe: MachineProbe) throws {
        self.probe = probe
        let data = try configuration.openData(SingleProcess())
        (dataCount, isInMemory) = (data.count, data.isInMemory)
        microBatch = try configuration.microBatchSize(ranks: 1)
        seed = configuration.seed
        let labels = try configuration.labels(of: data)
        var configuration = configuration
        if let labels { configuration.model.classes = labels.count }
        let plan = StepPlan(configuration, try configuration.batchPlan(ranks: 1), .fp32)
        loss = plan.loss
        ahead = ReadAhead(data, plan, threads: 1, rank: 0)
        source = BatchSource(data, plan, labels: labels, ahead: ahead)
        step = try StepBenchmark(configuration, batch: microBatch, microBatch: microBatch, probe: probe)
    }

    /// Makes `images` images (rounded up to whole micro-batches) and runs one step of a micro-batch.
    public func measure(images: Int) throws -> LoadMeasurement {
        let batches = max(1, (images + microBatch - 1) / microBatch)
        let count = Double(batches * microBatch)
        let before = probe.measure()
        let load = try seconds(of: {
            for _ in 0..<batches {
                ahead?.begin(at: position)
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
        var samples: [StreamSamples] = []
        let read = try seconds(of: {
            for number in 0..<batches {
                let first = position + number * microBatch
                ahead?.begin(at: first)
                samples = [try source.read(first..<first + microBatch)]
            }
        })
        var drawn = Drawn([:])
        let random = seconds(of: {
            for _ in 0..<batches { drawn = Drawn(loss.draws, seed: seed, at: samples[0].places) }
        })
        let noising = seconds(of: { for _ in 0..<batches { _ = loss.inputs(x0: samples[0].x0, drawn) } })
        return (read, random, noising)
    }
}
