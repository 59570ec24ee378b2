import Configuration
import Diffusion
import Foundation
import ImageData
import NeuralNetwork
import Philox

/// One micro-batch: what a loss's graph is shown, and which samples these are.
struct MicroBatch {
    /// Values of the graph's inputs, but for self-conditioning.
    var inputs: [String: [Float]]
    /// t of each sample, `[N]`.
    var timesteps: [Int]
    /// Epoch of each sample and its place there: what its random numbers are keyed by.
    var places: [(epoch: Int, position: Int)]
    /// Number of each sample in the data set.
    var indices: [Int]

    /// x_t, `[N, H, W, C]`.
    var xt: [Float] { inputs[NetworkInput.xt.rawValue] ?? [] }

    /// The micro-batch of clean samples `x0`, `[N, H, W, C]`.
    init(_ x0: [Float], _ loss: any Loss, seed: UInt64, places: [(epoch: Int, position: Int)], indices: [Int]) {
        let drawn = Drawn(loss.draws, seed: seed, at: places)
        inputs = loss.inputs(x0: x0, drawn)
        timesteps = drawn.timesteps
        self.places = places
        self.indices = indices
    }
}

/// Makes the micro-batch of the samples at these positions of the endless stream; called by one thread only.
typealias MicroBatches = (Range<Int>) throws -> MicroBatch

/// Reads micro-batches from a data set: order, flips, and what the loss draws.
///
/// All of it is keyed to the sample's place in the epoch, so it does not matter which rank or thread asks for it, or
/// when. Copies may be used by several threads.
struct BatchSource {
    private let data: DataSet
    private let loss: any Loss
    private let seed: UInt64
    /// Mirrors samples; nil where none are.
    private let flip: RandomStream?
    private var order: EpochOrder
    /// Shared by copies: HDF5 is not to be called by two threads at a time.
    private let file = NSLock()

    init(_ data: DataSet, _ step: StepPlan) {
        self.data = data
        loss = step.loss
        seed = step.configuration.seed
        flip = step.configuration.diffusion.flip ? RandomStream(seed: seed, purpose: .flip) : nil
        order = EpochOrder(seed: seed, count: data.count)
    }

    /// The samples at `positions` of the stream.
    ///
    /// - Throws: when the data set cannot be read.
    mutating func microBatch(_ positions: Range<Int>) throws -> MicroBatch {
        let samples = try read(positions)
        return MicroBatch(samples.x0, loss, seed: seed, places: samples.places, indices: samples.indices)
    }

    /// Clean samples in the order of the stream, mirrored by chance.
    mutating func read(
        _ positions: Range<Int>
    ) throws -> (x0: [Float], places: [(epoch: Int, position: Int)], indices: [Int]) {
        let size = data.elementsPerSample
        let samples = positions.map { order.sample(at: $0) }
        let places = samples.map { (epoch: $0.epoch, position: $0.place) }
        let x0 = try [Float](unsafeUninitializedCapacity: positions.count * size) { buffer, filled in
            if !data.isInMemory { file.lock() }
            defer { if !data.isInMemory { file.unlock() } }
            for (slot, place) in places.enumerated() {
                let flipped = flip?.integer(below: 2, epoch: place.epoch, position: place.position) == 1
                let sample = UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size])
                try data.read(samples[slot].index, flip: flipped, into: sample)
            }
            filled = positions.count * size
        }
        return (x0, places, samples.map(\.index))
    }
}
