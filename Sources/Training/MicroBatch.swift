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
    /// What the loss of each sample was multiplied by, where t was drawn by losses.
    package private(set) var importance: [Double]?

    /// x_t, `[N, H, W, C]`.
    package var xt: [Float] { inputs[NetworkInput.xt.rawValue] ?? [] }

    /// The class of each sample as the network is told it, `[N]`, where the loss reads it.
    package var labels: [Float]? { inputs[labelInput] }

    /// y_t of each sample, `[N, H, W, C']`, where the network is shown it.
    package var conditions: [Float]? { inputs[NetworkInput.condition.rawValue] }

    /// The micro-batch of clean samples `x0`, `[N, H, W, C]`.
    ///
    /// - Parameters:
    ///   - samples: clean, `[N, H, W, C]`, and which they are.
    ///   - labels: the class of each sample; for a loss that reads them, or a shift.
    ///   - history: what t is drawn by; nil: uniformly.
    ///   - shift: what the forward process moves towards, if anything.
    package init(
        _ samples: StreamSamples, labels: [Float]? = nil, _ loss: any Loss, seed: UInt64, history: LossHistory? = nil,
        shift: Shift? = nil
    ) {
        precondition(
            (loss.usesLabels || shift != nil) == (labels != nil),
            "labels are missing, or given to a loss that reads none")
        let places = samples.places
        var drawn = Drawn(loss.draws, seed: seed, at: places)
        if let history {
            let stream = RandomStream(seed: seed, purpose: .timestep)
            let draws = places.map { history.draw(stream.uniform(epoch: $0.epoch, position: $0.position)) }
            drawn = drawn.with(timesteps: draws.map(\.timestep))
            importance = draws.map(\.weight)
        }
        if let shift, let labels {
            drawn = drawn.with(
                noise: shift.shifted(noise: drawn["noise"], timesteps: drawn.timesteps, labels: labels))
        }
        inputs = loss.inputs(x0: samples.x0, drawn)
        let isDrawn = loss.draws.contains { $0.purpose == .timestep && $0.distribution != .zero }
        let fixed = isDrawn ? loss.process.timestepWeights : nil
        if let factors = importance ?? fixed.map({ weights in drawn.timesteps.map { weights[$0] } }) {
            for name in loss.weightInputs {
                inputs[name] = inputs[name].map { zip($0, factors).map { Float(Double($0) * $1) } }
            }
        }
        if let table = loss.shiftTable, let labels {
            inputs.merge(table.inputs(timesteps: drawn.timesteps, labels: labels)) { $1 }
        }
        if loss.readsLabels { inputs[labelInput] = labels.map { loss.model.told($0, drawn) } }
        inputs[NetworkInput.augmentation.rawValue] = samples.augmentation
        timesteps = drawn.timesteps
        self.places = places
        indices = samples.indices
        if let y = samples.conditions { add(conditions: y, loss, seed: seed) }
    }

    /// Adds y_t of conditions `y`, and its target behind that of x_t where it is estimated.
    private mutating func add(conditions y: [Float], _ loss: any Loss, seed: UInt64) {
        let (process, model) = (loss.process, loss.model)
        let noise = process.conditionDraw(for: model).values(seed: seed, at: places)
        let (yt, target) = process.noisedConditions(y, noise: noise, timesteps: timesteps)
        inputs[NetworkInput.condition.rawValue] = yt
        guard model.conditionScore, let ofX = inputs["target"] else { return }
        let (c, d) = (model.channels, model.conditionChannels)
        var both: [Float] = []
        both.reserveCapacity(ofX.count + target.count)
        for pixel in 0..<ofX.count / c {
            both += ofX[pixel * c..<(pixel + 1) * c]
            both += target[pixel * d..<(pixel + 1) * d]
        }
        inputs["target"] = both
    }
}

extension MicroBatch {
    /// Samples of normal numbers in the place of a data set's, or paths, for benchmarks and plans.
    package init(madeUpFor step: StepPlan) {
        let count = step.batch.microBatchSize
        if step.configuration.method == .dds {
            self.init(paths: 0..<count)
            return
        }
        let x0 = RandomStream(seed: 0, purpose: .data)
            .normals(count: count * step.configuration.model.sampleElements, epoch: 0, position: 0)
        let classes = step.loss.shiftTable?.classes ?? (step.loss.readsLabels ? step.loss.model.classes : 0)
        let labels = classes > 0 ? (0..<count).map { Float($0 % classes) } : nil
        let told = ModelConfiguration.augmentationNumbers
        let samples = StreamSamples(
            x0: x0, places: (0..<count).map { (0, $0) }, indices: Array(0..<count),
            augmentation: step.configuration.model.augment > 0 ? [Float](repeating: 0, count: count * told) : nil,
            conditions: step.configuration.model.conditionChannels > 0
                ? [Float](repeating: 0, count: count * step.configuration.model.conditionElements) : nil)
        self.init(samples, labels: labels, step.loss, seed: 0)
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
    private let history: TimestepHistory?
    private let shift: Shift?
    private var samples: SampleStream
    private let ahead: ReadAhead?

    /// - Parameters:
    ///   - labels: those of `data`, for a loss that reads them.
    ///   - ahead: reads the samples; without it they are read when wanted, which several threads may do where they are in
    ///     memory.
    ///   - history: what t is drawn by, where it is not uniform.
    ///   - shift: what the forward process moves towards, if anything.
    package init(
        _ data: DataSet, _ step: StepPlan, labels: ClassLabels? = nil, ahead: ReadAhead? = nil,
        history: TimestepHistory? = nil, shift: Shift? = nil
    ) {
        // A benchmark of a run with a shift has none.
        self.labels = step.loss.usesLabels || shift != nil ? labels : nil
        (self.history, self.shift) = (history, shift)
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
            samples, labels: labels.map { labels in samples.indices.map { Float(labels.values[$0]) } }, loss,
            seed: seed, history: history?.losses, shift: shift)
    }

    /// Clean samples in the order of the stream, mirrored by chance.
    package mutating func read(_ positions: Range<Int>) throws -> StreamSamples {
        if let ahead { try ahead.take(positions) } else { try samples.read(positions) }
    }
}
