import Configuration
import DataSets
import Diffusion
import NeuralNetwork
import Philox

/// Consecutive samples of the stream.
package struct StreamSamples {
    /// Clean; cropped, mirrored and augmented by chance: `[samples, elements]`.
    package var x0: [Float]
    /// Epoch of each sample and its place there.
    package var places: [(epoch: Int, position: Int)]
    /// Number of each in the data set.
    package var indices: [Int]
    /// What the network is told of augmentation, `[samples, 9]`; nil where there is none.
    package var augmentation: [Float]?
    /// The images that they are to be drawn from, cropped and mirrored as they are: `[samples, elements]`; nil where the
    /// network is shown none.
    package var conditions: [Float]?
}

/// The endless stream of samples that a run trains on: their order, and how they are cropped, mirrored and
/// augmented. Not for use from several threads at once; copies are, where the samples are in memory.
package struct SampleStream {
    private let data: DataSet
    /// Mirrors samples; nil where none are.
    private let flip: RandomStream?
    /// Draws latents from their Gaussians; nil where there are none.
    private let latents: RandomStream?
    /// Augments images; nil where none are.
    private let augmentation: Augmentation?
    private let model: ModelConfiguration
    /// Chooses a window of each image; nil where they are taken whole.
    private let crop: RandomCrop?
    /// What one scale of several sees of images; nil where they are taken as they are.
    private let haar: HaarTransform?
    private var order: EpochOrder

    package init(_ data: DataSet, _ configuration: RunConfiguration) {
        self.data = data
        flip = configuration.diffusion.flip ? RandomStream(seed: configuration.seed, purpose: .flip) : nil
        latents = data.latents == nil ? nil : RandomStream(seed: configuration.seed, purpose: .latent)
        model = configuration.model
        augmentation =
            model.augment > 0 ? Augmentation(probability: model.augment, seed: configuration.seed) : nil
        crop =
            configuration.crop == .random
            ? RandomCrop(data.sample, size: configuration.model.size, seed: configuration.seed) : nil
        haar = configuration.dataTransform
        order = EpochOrder(seed: configuration.seed, count: data.count, pools: configuration.pools(of: data))
    }

    /// The samples at `positions`.
    ///
    /// - Throws: when the data set cannot be read.
    package mutating func read(_ positions: Range<Int>) throws -> StreamSamples {
        let size = crop?.elements ?? data.elementsPerSample
        let samples = positions.map { order.sample(at: $0) }
        let places = samples.map { (epoch: $0.epoch, position: $0.place) }
        let changes = augmentation.map { places.map($0.change(at:)) }
        let images = try [Float](unsafeUninitializedCapacity: positions.count * size) { buffer, filled in
            for (slot, place) in places.enumerated() {
                let noise = latents?.normals(count: size, epoch: place.epoch, position: place.position)
                let sample = UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size])
                try data.read(
                    samples[slot].index, flip: isFlipped(place), noise: noise, window: crop?.window(at: place),
                    into: sample)
                changes?[slot].apply(to: sample, side: haar?.side ?? model.size, channels: model.channels)
            }
            filled = positions.count * size
        }
        return StreamSamples(
            x0: haar?.approximation(images) ?? images, places: places, indices: samples.map(\.index),
            augmentation: changes?.flatMap(\.numbers),
            conditions: model.conditionChannels > 0 ? try conditions(samples.map(\.index), places) : nil)
    }

    /// The conditions of samples, with what is done to their images.
    private func conditions(_ indices: [Int], _ places: [(epoch: Int, position: Int)]) throws -> [Float] {
        let size = model.conditionElements
        return try [Float](unsafeUninitializedCapacity: indices.count * size) { buffer, filled in
            for (slot, place) in places.enumerated() {
                try data.readCondition(
                    indices[slot], flip: isFlipped(place), window: crop?.window(at: place),
                    into: UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size]))
            }
            filled = indices.count * size
        }
    }

    private func isFlipped(_ place: (epoch: Int, position: Int)) -> Bool {
        flip?.integer(below: 2, epoch: place.epoch, position: place.position) == 1
    }
}

/// Square windows of images, every place in an image equally likely: drawn for a sample's place in its epoch.
private struct RandomCrop {
    private let size: Int
    private let rows: Int
    private let columns: Int
    private let stream: RandomStream
    /// Numbers in a window.
    let elements: Int

    /// Windows of `size` × `size` pixels of images that are at least as large.
    init(_ sample: SampleShape, size: Int, seed: UInt64) {
        guard case .image(let height, let width, let channels, _) = sample, height >= size, width >= size else {
            preconditionFailure("\(sample.words) without windows of \(size) pixels")
        }
        (self.size, rows, columns) = (size, height - size + 1, width - size + 1)
        stream = RandomStream(seed: seed, purpose: .crop)
        elements = size * size * channels
    }

    func window(at place: (epoch: Int, position: Int)) -> ImageWindow {
        let number = stream.integer(below: rows * columns, epoch: place.epoch, position: place.position)
        return ImageWindow(top: number / columns, left: number % columns, height: size, width: size)
    }
}

extension RunConfiguration {
    /// Makes of the data's images what a scale but the finest sees of them; nil for the finest, or the only one.
    var dataTransform: HaarTransform? {
        let side = diffusion.blockSide
        return side == 1
            ? nil
            : HaarTransform(side: model.size * side, channels: model.channels, levels: side.trailingZeroBitCount)
    }

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
