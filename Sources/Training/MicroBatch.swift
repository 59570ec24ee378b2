import Configuration
import DataSets
import Diffusion
import NeuralNetwork
import Philox

/// One micro-batch: what a loss's graph is shown, and which samples these are.
package struct MicroBatch {
    /// Values of the graph's inputs, but for self-conditioning.
    package var inputs: [String: [Float]]
    /// t of each sample, `[N]`.
    package var timesteps: [Int]
    /// Epoch of each sample and its place there: what its random numbers are keyed by.
    package var places: [(epoch: Int, position: Int)]
    /// Number of each sample in the data set.
    package var indices: [Int]

    /// x_t, `[N, H, W, C]`.
    package var xt: [Float] { inputs[NetworkInput.xt.rawValue] ?? [] }

    /// The class of each sample, `[N]`, where the loss reads it.
    package var labels: [Float]? { inputs[labelInput] }

    /// The micro-batch of clean samples `x0`, `[N, H, W, C]`.
    ///
    /// - Parameter labels: the class of each sample; for a loss that reads them.
    package init(
        _ x0: [Float], labels: [Float]? = nil, _ loss: any Loss, seed: UInt64,
        places: [(epoch: Int, position: Int)], indices: [Int]
    ) {
        precondition(loss.readsLabels == (labels != nil), "labels are missing, or given to a loss that reads none")
        let drawn = Drawn(loss.draws, seed: seed, at: places)
        inputs = loss.inputs(x0: x0, drawn)
        inputs[labelInput] = labels
        timesteps = drawn.timesteps
        self.places = places
        self.indices = indices
    }
}

extension MicroBatch {
    /// Samples of normal numbers in the place of a data set's, for benchmarks and plans.
    package init(madeUpFor step: StepPlan) {
        let count = step.batch.microBatchSize
        let x0 = RandomStream(seed: 0, purpose: .data)
            .normals(count: count * step.configuration.model.sampleElements, epoch: 0, position: 0)
        let labels = step.loss.readsLabels ? (0..<count).map { Float($0 % step.loss.model.classes) } : nil
        self.init(
            x0, labels: labels, step.loss, seed: 0, places: (0..<count).map { (0, $0) }, indices: Array(0..<count))
    }
}

/// Makes the micro-batch of the samples at these positions of the endless stream; called by one thread only.
package typealias MicroBatches = (Range<Int>) throws -> MicroBatch

/// Makes micro-batches of a data set's samples, and of what the loss draws for them.
///
/// All of it is keyed to the sample's place in the epoch, so it does not matter which rank or thread asks for it, or
/// when. Each thread has a copy.
package struct BatchSource {
    private let labels: ClassLabels?
    private let loss: any Loss
    private let seed: UInt64
    private var samples: SampleStream
    private let ahead: ReadAhead?

    /// - Parameters:
    ///   - labels: those of `data`, for a loss that reads them.
    ///   - ahead: reads the samples; without it they are read when wanted, which several threads may do where they are in
    ///     memory.
    package init(_ data: DataSet, _ step: StepPlan, labels: ClassLabels? = nil, ahead: ReadAhead? = nil) {
        self.labels = labels
        loss = step.loss
        seed = step.configuration.seed
        samples = SampleStream(data, step.configuration)
        self.ahead = ahead
    }

    /// The samples at `positions` of the stream.
    ///
    /// - Throws: when the data set cannot be read.
    package mutating func microBatch(_ positions: Range<Int>) throws -> MicroBatch {
        let samples = try read(positions)
        return MicroBatch(
            samples.x0, labels: labels.map { labels in samples.indices.map { Float(labels.values[$0]) } }, loss,
            seed: seed, places: samples.places, indices: samples.indices)
    }

    /// Clean samples in the order of the stream, mirrored by chance.
    package mutating func read(_ positions: Range<Int>) throws -> StreamSamples {
        if let ahead { try ahead.take(positions) } else { try samples.read(positions) }
    }
}
