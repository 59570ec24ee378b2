import CPUBackend
import DataSets
import Communication
import Configuration
import Diffusion
import Files
import Foundation
import HDF5
import Mixtures
import NeuralNetwork
import Storage

/// A checkpoint that samples are to be drawn from.
public struct SamplingJob {
    private let network: TrainedNetwork

    /// The run's configuration.
    public var configuration: RunConfiguration { network.configuration }
    /// The same as stored.
    public var json: String { network.json }
    /// Step of the checkpoint.
    public var step: Int { network.step }
    /// Which of its weights.
    public var weights: SampleWeights { network.weights }
    /// SHA-256 of the checkpoint, as its prefix has it.
    public var digest: String { network.digest }
    /// Where the checkpoint lies.
    public var path: String { network.path }
    /// Of the samples that it was trained on.
    public var dataFingerprint: String { network.dataFingerprint }
    /// What the samples are latents of; nil where they are none.
    public var latents: LatentFacts? { network.latents }

    /// Reads and verifies the checkpoint at `path`.
    ///
    /// - Parameters:
    ///   - conditions: whether samples are to be drawn from images.
    ///   - scales: whether it may be one scale of several.
    /// - Throws: also ``RunError`` where it is none of a diffusion, or of one with images where there are none, or the reverse.
    public init(_ path: String, _ weights: SampleWeights, conditions: Bool = false, scales: Bool = false) throws {
        network = try TrainedNetwork(path, weights)
        guard network.configuration.method == .diffusion else {
            let name = network.configuration.networkName
            guard network.configuration.method != .dds else {
                throw RunError(
                    "\(path) is the checkpoint of a \(name), which draws from a density without data: smd sample draws from "
                        + "it, and smd evaluate partition \(shellWord(path)) says how well", status: .badInput)
            }
            throw RunError(
                "\(path) is the checkpoint of \(name == "autoencoder" ? "an" : "a") \(name), which draws no samples; how good "
                    + "it is says smd evaluate \(name) \(shellWord(path)) --data FILE")
        }
        let (scale, n) = (configuration.diffusion.scale, configuration.diffusion.scales)
        guard n == 1 || scales else {
            throw RunError(
                "\(path) is scale \(scale) of \(n) of a multi-scale diffusion, of which only smd sample makes use, with the runs of "
                    + "all scales: smd sample FINEST --coarser RUN", status: .badInput)
        }
        let takesConditions = network.configuration.model.conditionChannels > 0
        guard takesConditions == conditions else {
            throw RunError(
                takesConditions
                    ? "\(path) holds a network that draws from images: smd sample \(shellWord(path)) --conditions FILE"
                    : "\(path) holds a network without conditions (model.condition_channels is 0): leave out --conditions",
                status: .badInput)
        }
    }

    /// How many classes it draws; 0 where it knows none.
    public var classes: Int { network.shift?.classes ?? configuration.model.classes }

    /// The prior that sampling by `settings` begins with; nil for N(0, I). Of the run's own the checkpoint's copy, where it has
    /// one.
    ///
    /// - Throws: `HDF5Error` or `MixtureError` where the file cannot be used; ``RunError`` where it is another than the run's own, or
    ///   of other samples.
    public func prior(_ settings: DiffusionConfiguration) throws -> GaussianMixture? {
        guard let path = settings.priorPath else { return nil }
        let isOwn = settings.prior == configuration.diffusion.prior
        let kept = try isOwn ? PriorFile(attributes: network.priorAttributes) : nil
        let prior = try kept ?? PriorFile(path: path)
        if isOwn, case .string(let digest)? = network.priorAttributes["prior_sha256"], digest != prior.digest {
            throw RunError(
                "\(path) is another prior than the one that \(self.path) was trained with; name the file that is meant: --prior "
                    + "FILE", status: .badInput)
        }
        let size = configuration.model.sampleElements
        guard prior.mixture.dimension == size, prior.mixture.hasDensity else {
            throw RunError(
                "\(path): a prior of \(prior.mixture.dimension) numbers, but the network's samples have \(size)",
                status: .badInput)
        }
        return prior.mixture
    }

    /// The class of each sample of `data`, where it knows any.
    ///
    /// - Throws: `DataSetError` where labels are missing, or are of classes that it does not know.
    public func labels(of data: DataSet) throws -> [Int32]? {
        classes > 0 ? try data.classLabels(count: classes).values : nil
    }

    /// Refuses a network that is told classes, for what tells it none.
    public func requireNoClasses(_ what: String) throws {
        guard classes > 0 else { return }
        throw RunError("\(path) holds a network that is told classes, which \(what) does not do yet")
    }

    /// The sampler of these settings, with what was measured of the checkpoint where they need it.
    ///
    /// - Parameter start: the noisiest timestep that it visits; nil for all of the way from x_T.
    /// - Throws: ``RunError`` where that was not measured.
    public func sampler(_ diffusion: DiffusionConfiguration, startingAt start: Int? = nil) throws -> Sampler {
        if diffusion.scales > 1 { return Sampler(diffusion, of: configuration.model) }
        guard diffusion.variance == .optimal else { return Sampler(diffusion, startingAt: start) }
        if ![.squaredError, .hybrid].contains(configuration.diffusion.loss) {
            throw RunError(
                "diffusion.variance is optimal, which is for networks that estimate means; this one was trained by "
                    + "\(configuration.diffusion.loss.rawValue) and draws x0: set diffusion.variance=small")
        }
        return Sampler(diffusion, try VarianceFile.read(of: self), startingAt: start)
    }

    /// The network with the checkpoint's weights, for `batch` samples at a time, computing in `precision`.
    public func generator(batch: Int, precision: JobPrecision) throws -> SampleGenerator {
        let generator = try SampleGenerator(
            configuration.model, batch: batch, on: CPUBackend(precision: precision.precision))
        try generator.load { try network.load($0, into: $1) }
        generator.shift = network.shift
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
        count * (model.sampleElements * (model.isPoints ? 4 : 1) + 8) + 1 << 16
    }

    /// Samples `[count, H, W, C]` as other programs take them: see `SampleExport`.
    ///
    /// - Throws: `DataSetError` where they cannot have the form that the name of the output asks for.
    public static func export(
        to output: String, _ samples: [Float], labels: [Int32]?, count: Int, model: ModelConfiguration
    ) throws -> SampleExport {
        let shape =
            model.isPoints
            ? SampleShape.point(dimension: model.channels)
            : SampleShape.image(height: model.size, width: model.size, channels: model.channels)
        return try SampleExport(to: output, sample: shape, count: count, labels: labels?.map(Int.init)) { index in
            let sample = samples[index * shape.elements..<(index + 1) * shape.elements]
            return model.isPoints ? sample.withUnsafeBytes { Array($0) } : pixels(Array(sample))
        }
    }

    /// Writes samples `[count, H, W, C]` to `path`: `/images` (uint8, from [−1, 1]) or `/points` (float32), `/labels` where
    /// they have classes, and `attributes` at the root. The file appears under its name only when it is whole and on disk.
    ///
    /// - Parameters:
    ///   - latents: what the samples are latents of, where they are to be a data set of such: `/mean`, and `/deviation`,
    ///     which is 0.
    ///   - logWeights: ln of what each sample counts, `/log_weights`.
    public static func write(
        _ samples: [Float], count: Int, model: ModelConfiguration, labels: [Int32]? = nil, latents: LatentFacts? = nil,
        logWeights: [Double]? = nil, to path: String, replacing: Bool, attributes: [String: AttributeValue]
    ) throws {
        var attributes = attributes
        // In memory first: libhdf5 can crash where a disk is full.
        let file = try HDF5File.createInMemory(
            userBlockBytes: 0, expectedBytes: bytes(count: count, model: model))
        if let latents {
            let shape = [count, model.size, model.size, model.channels]
            try file.root.write(samples.map { $0 / Float(latents.scale) }, shape: shape, to: "mean")
            try file.root.write([Float](repeating: 0, count: samples.count), shape: shape, to: "deviation")
            attributes.merge(latents.fileAttributes(count: count)) { $1 }
        } else if model.isPoints {
            try file.root.write(samples, shape: [count, model.channels], to: "points")
        } else {
            try file.root.write(
                pixels(samples), shape: [count, model.size, model.size, model.channels], to: "images")
        }
        if let logWeights { try file.root.write(logWeights, shape: [count], to: "log_weights") }
        if let labels { try file.root.write(labels, shape: [count], to: "labels") }
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) { try file.root.setAttribute(name, value) }
        let image = try file.finishedImage()
        try image.withUnsafeMutableBytes {
            try DurableFile.write(UnsafeRawBufferPointer($0), to: path, replacing: replacing)
        }
        try image.close()
    }
}
