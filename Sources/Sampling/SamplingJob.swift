import CPUBackend
import DataSets
import Communication
import Configuration
import Diffusion
import Foundation
import HDF5
import NeuralNetwork
import Storage

/// Which weights samples are drawn with.
public enum SampleWeights: String, CaseIterable, Sendable {
    /// The exponential moving average.
    case ema
    /// The parameters as the last step left them.
    case raw
}

/// A checkpoint that samples are to be drawn from.
public struct SamplingJob {
    /// The run's configuration.
    public let configuration: RunConfiguration
    /// The same as stored.
    public let json: String
    /// Step of the checkpoint.
    public let step: Int
    /// Which of its weights.
    public let weights: SampleWeights
    /// SHA-256 of the checkpoint, as its prefix has it.
    let digest: String
    let path: String
    private let tensors: [NamedTensor]

    /// Reads and verifies the checkpoint at `path`.
    public init(_ path: String, _ weights: SampleWeights) throws {
        let checkpoint = try CheckpointFile(path)
        configuration = try RunConfiguration(json: checkpoint.header.config, name: path)
        try configuration.model.validate()
        json = checkpoint.header.config
        step = checkpoint.header.step
        digest = checkpoint.digest
        (self.path, self.weights) = (path, weights)
        tensors = try checkpoint.values((weights == .ema ? ArenaRole.ema : .parameters).rawValue)
    }

    /// The sampler of these settings, with what was measured of the checkpoint where they need it.
    ///
    /// - Throws: ``RunError`` where that was not measured.
    public func sampler(_ diffusion: DiffusionConfiguration) throws -> Sampler {
        guard diffusion.variance == .optimal else { return Sampler(diffusion) }
        if configuration.diffusion.loss != .squaredError {
            throw RunError(
                "diffusion.variance is optimal, which is for networks that estimate means; this one was trained by "
                    + "\(configuration.diffusion.loss.rawValue) and draws x0: set diffusion.variance=small")
        }
        return Sampler(diffusion, try VarianceFile.read(of: self))
    }

    /// The network with the checkpoint's weights, for `batch` samples at a time, computing in `precision`.
    public func generator(batch: Int, precision: JobPrecision) throws -> SampleGenerator {
        let generator = try SampleGenerator(
            configuration.model, batch: batch, on: CPUBackend(precision: precision.precision))
        try generator.load { layout, weights in
            let values = Dictionary(tensors.map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
            try load(tensors.map { ($0.name, $0.shape) }, layout, into: weights, of: path) { name, place in
                _ = place.update(fromContentsOf: values[name] ?? [])
            }
        }
        return generator
    }
}

/// Brings samples together that ranks drew, each its ``share(of:rank:size:)``: all `count` of them on rank 0, nothing
/// elsewhere, so that no other rank needs memory for them. Collective.
///
/// - Parameter mine: this rank's samples, of `sampleSize` elements each.
/// - Throws: `CommunicationError`.
public func collectSamples(
    _ mine: [Float], count: Int, sampleSize: Int, on communicator: any Communicator
) throws -> [Float] {
    let parts = (0..<communicator.size).map { rank in
        let samples = share(of: count, rank: rank, size: communicator.size)
        return samples.lowerBound * sampleSize..<samples.upperBound * sampleSize
    }
    var mine = mine
    var all = [Float](repeating: 0, count: communicator.rank == 0 ? count * sampleSize : 0)
    try mine.withUnsafeMutableBufferPointer { part in
        try all.withUnsafeMutableBufferPointer { whole in
            try communicator.collect(part, parts: parts, to: 0, into: communicator.rank == 0 ? whole : nil)
        }
    }
    return all
}

/// Files of samples.
public enum SampleFile {
    /// Bytes of a file of `count` samples, about.
    public static func bytes(count: Int, model: ModelConfiguration) -> Int {
        count * model.sampleElements * (model.isPoints ? 4 : 1) + 1 << 16
    }

    /// Writes samples `[count, H, W, C]` to `path`: `/images` (uint8, from [−1, 1]) or `/points` (float32), and
    /// `attributes` at the root. The file appears under its name only when it is whole and on disk.
    public static func write(
        _ samples: [Float], count: Int, model: ModelConfiguration, to path: String, replacing: Bool,
        attributes: [String: AttributeValue]
    ) throws {
        // In memory first: libhdf5 can crash where a disk is full.
        let file = try HDF5File.createInMemory(
            userBlockBytes: 0, expectedBytes: bytes(count: count, model: model))
        if model.isPoints {
            try file.root.write(samples, shape: [count, model.channels], to: "points")
        } else {
            try file.root.write(
                pixels(samples), shape: [count, model.size, model.size, model.channels], to: "images")
        }
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) { try file.root.setAttribute(name, value) }
        let image = try file.finishedImage()
        try image.withUnsafeMutableBytes {
            try DurableFile.write(UnsafeRawBufferPointer($0), to: path, replacing: replacing)
        }
        try image.close()
    }
}
