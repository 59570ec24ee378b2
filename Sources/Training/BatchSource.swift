import Configuration
import Diffusion
import Foundation
import ImageData
import NeuralNetwork
import Philox

/// One micro-batch: what the network is shown and asked, and the random inputs of its samples.
struct MicroBatch {
    /// x_t, target, weight and t.
    var task: TrainingBatch
    /// η, `[N, H, W, C]`; empty without SMD.
    var eta: [Float]
    /// Timesteps as integers, `[N]`.
    var timesteps: [Int]
    /// Epoch of each sample and its place there: what its random numbers are keyed by.
    var places: [(epoch: Int, place: Int)]
    /// Number of each sample in the data set.
    var indices: [Int]
}

/// Makes micro-batches from the data set: order, flips, timesteps, noise and η.
///
/// All of it is keyed to the sample's place in the epoch, so it does not matter which rank or thread asks for it, or
/// when. Copies may be used by several threads.
struct BatchSource {
    private let data: DataSet
    private let model: ModelConfiguration
    private let flips: Bool
    private let task: TrainingTask
    private var order: EpochOrder
    private let timestep, noise, eta, flip, offset: RandomStream
    private var x0: [Float] = []
    private var epsilon: [Float] = []
    /// Shared by copies: HDF5 is not to be called by two threads at a time.
    private let file = NSLock()

    init(_ data: DataSet, _ configuration: RunConfiguration) {
        self.data = data
        model = configuration.model
        flips = configuration.diffusion.flip
        task = TrainingTask(configuration.diffusion)
        order = EpochOrder(seed: configuration.seed, count: data.count)
        func stream(_ purpose: Purpose) -> RandomStream { RandomStream(seed: configuration.seed, purpose: purpose) }
        timestep = stream(.timestep)
        noise = stream(.noise)
        eta = stream(.eta)
        flip = stream(.flip)
        offset = stream(.offsetNoise)
    }

    /// The samples at `positions` of the stream.
    ///
    /// - Throws: when the data set cannot be read.
    mutating func microBatch(_ positions: Range<Int>) throws -> MicroBatch {
        let size = data.elementsPerSample
        let total = positions.count * size
        if x0.count != total {
            x0 = [Float](repeating: 0, count: total)
            epsilon = [Float](repeating: 0, count: total)
        }
        let drawsEta = model.drawsEta
        var timesteps: [Int] = []
        var places: [(epoch: Int, place: Int)] = []
        var indices: [Int] = []
        var offsets: [Float]? = task.offsetNoise == 0 ? nil : []
        var batchEta = [Float](repeating: 0, count: model.usesEta ? total : 0)
        for (slot, position) in positions.enumerated() {
            let (index, epoch, place) = order.sample(at: position)
            let range = slot * size..<(slot + 1) * size
            let flipped = flips && flip.integer(below: 2, epoch: epoch, position: place) == 1
            try x0.withUnsafeMutableBufferPointer {
                let sample = UnsafeMutableBufferPointer(rebasing: $0[range])
                if !data.isInMemory { file.lock() }
                defer { if !data.isInMemory { file.unlock() } }
                try data.read(index, flip: flipped, into: sample)
            }
            epsilon.withUnsafeMutableBufferPointer {
                noise.fillNormals(UnsafeMutableBufferPointer(rebasing: $0[range]), epoch: epoch, position: place)
            }
            if drawsEta {
                batchEta.withUnsafeMutableBufferPointer {
                    eta.fillNormals(UnsafeMutableBufferPointer(rebasing: $0[range]), epoch: epoch, position: place)
                }
            }
            timesteps.append(timestep.integer(below: task.schedule.timesteps, epoch: epoch, position: place))
            places.append((epoch, place))
            indices.append(index)
            offsets?.append(contentsOf: offset.normals(count: model.channels, epoch: epoch, position: place))
        }
        return MicroBatch(
            task: task.batch(x0: x0, noise: epsilon, timesteps: timesteps, offsets: offsets), eta: batchEta,
            timesteps: timesteps, places: places, indices: indices)
    }

    /// The estimate of x_0 in an output for `batch`, for self-conditioning.
    func x0Estimate(output: [Float], _ batch: MicroBatch) -> [Float] {
        task.x0Estimate(output: output, xt: batch.task.xt, timesteps: batch.timesteps)
    }
}
