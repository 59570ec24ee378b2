import Configuration
import DataSets
import NeuralNetwork
import Philox

/// Consecutive samples of the stream.
package struct StreamSamples {
    /// Clean, mirrored by chance: `[samples, elements]`.
    package var x0: [Float]
    /// Epoch of each sample and its place there.
    package var places: [(epoch: Int, position: Int)]
    /// Number of each in the data set.
    package var indices: [Int]
}

/// The endless stream of samples that a run trains on: their order, and which of them are mirrored. Not for use from
/// several threads at once; copies are, where the samples are in memory.
package struct SampleStream {
    private let data: DataSet
    /// Mirrors samples; nil where none are.
    private let flip: RandomStream?
    /// Draws latents from their Gaussians; nil where there are none.
    private let latents: RandomStream?
    private var order: EpochOrder

    package init(_ data: DataSet, _ configuration: RunConfiguration) {
        self.data = data
        flip = configuration.diffusion.flip ? RandomStream(seed: configuration.seed, purpose: .flip) : nil
        latents = data.latents == nil ? nil : RandomStream(seed: configuration.seed, purpose: .latent)
        order = EpochOrder(seed: configuration.seed, count: data.count, pools: configuration.pools(of: data))
    }

    /// The samples at `positions`.
    ///
    /// - Throws: when the data set cannot be read.
    package mutating func read(_ positions: Range<Int>) throws -> StreamSamples {
        let size = data.elementsPerSample
        let samples = positions.map { order.sample(at: $0) }
        let places = samples.map { (epoch: $0.epoch, position: $0.place) }
        let x0 = try [Float](unsafeUninitializedCapacity: positions.count * size) { buffer, filled in
            for (slot, place) in places.enumerated() {
                let flipped = flip?.integer(below: 2, epoch: place.epoch, position: place.position) == 1
                let noise = latents?.normals(count: size, epoch: place.epoch, position: place.position)
                let sample = UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size])
                try data.read(samples[slot].index, flip: flipped, noise: noise, into: sample)
            }
            filled = positions.count * size
        }
        return StreamSamples(x0: x0, places: places, indices: samples.map(\.index))
    }
}

extension RunConfiguration {
    private var windowBytes: Int { shuffleWindow << 20 }

    /// The pools that samples are mixed in; nil where all are mixed with all.
    fileprivate func pools(of data: DataSet) -> EpochOrder.Pools? {
        guard shuffle == .chunks else { return nil }
        let chunkBytes = data.chunkSamples * data.bytesPerSample
        return EpochOrder.Pools(chunkSamples: data.chunkSamples, chunks: max(1, windowBytes / chunkBytes))
    }

    /// What a rank holds of a set of so many bytes, as `cache` says.
    package func holding(bytes: Int) -> DataSet.Holding {
        // Of a pool and the next one, whose samples are read ahead; in an order without pools a chunk is used once.
        let streamed = DataSet.Holding.chunks(bytes: shuffle == .chunks ? 2 * windowBytes : 32 << 20)
        switch cache {
        case .none: return .nothing
        case .rank, .node: return .everything
        case .stream: return streamed
        case .auto: return bytes <= 2 << 30 ? .everything : streamed
        }
    }
}
