import DataSets
import Files
import Foundation
import NeuralNetwork
import Storage

/// From latents, as a network is trained on them, to images.
public struct LatentImages {
    private let stage: FirstStage
    private let scale: Float

    /// With the first stage at `path`, a checkpoint or the folder of a run, that `facts` name.
    ///
    /// - Throws: ``RunError`` where none there is the one; what reading it throws.
    public init(_ facts: LatentFacts, at path: String, precision: JobPrecision? = nil) throws {
        let found = try Self.candidates(path)
        let digest = facts.firstStage.lowercased()
        guard let own = try found.first(where: { try CheckpointFile($0, isVerified: false).digest == digest }) else {
            throw RunError(
                "\(path): not the first stage of these latents, which has the SHA-256 \(digest.prefix(12))…; name the "
                    + "checkpoint that they were encoded with", status: .badInput)
        }
        stage = try FirstStage(checkpoint: own, precision: precision)
        scale = Float(facts.scale)
        let model = stage.configuration.model
        guard [model.size, model.size, model.channels] == facts.image else {
            throw RunError("\(own): makes other images than \(facts.image), of which these are the latents")
        }
    }

    /// The checkpoint itself, or all of a run, the newest first.
    private static func candidates(_ path: String) throws -> [String] {
        let kind = try? FileFacts(BytePath(path)).kind
        guard let kind else {
            throw RunError("\(path): there is no such first stage", status: .badInput)
        }
        guard kind == .folder else { return [path] }
        let folder = CheckpointFolder(path: Path.join(path, "checkpoints"))
        return try folder.steps().reversed().map(folder.path)
    }

    /// `model` with the sizes of the images.
    public func shown(_ model: ModelConfiguration) -> ModelConfiguration {
        var shown = model
        (shown.size, shown.channels) = (stage.configuration.model.size, stage.configuration.model.channels)
        return shown
    }

    /// Their shape.
    public var shape: SampleShape { stage.imageShape }

    /// Images `[N, H, W, C]` of latents `[N, h, w, Z]` as a network is trained on them.
    ///
    /// - Parameter progress: called with the images done so far after each batch.
    public func callAsFunction(_ latents: [Float], progress: (Int) throws -> Void = { _ in }) throws -> [Float] {
        try stage.decode(latents.map { $0 / scale }, progress: progress)
    }

    /// The same of latents as the first stage makes them.
    public func callAsFunction(unscaled latents: [Float]) throws -> [Float] { try stage.decode(latents) }
}

extension FirstStage {
    /// The shape of its latents.
    public var latentShape: SampleShape {
        .latent(height: latentSize, width: latentSize, channels: sizes.latentChannels)
    }
    /// The shape of its images.
    public var imageShape: SampleShape {
        let model = configuration.model
        return .image(height: model.size, width: model.size, channels: model.channels)
    }

    /// Of images `[N, H, W, C]` the Gaussians of their latents: of each its means `[h, w, Z]`, then its deviations
    /// `exp(ln σ² / 2)`.
    public func gaussians(_ images: [Float]) throws -> [Float] {
        let (moments, channels) = (try encode(images), sizes.latentChannels)
        let size = sizes.latentElements(size: configuration.model.size)
        var result = [Float](repeating: 0, count: moments.count)
        for first in stride(from: 0, to: moments.count, by: 2 * size) {
            for i in 0..<size {
                let place = first + i / channels * 2 * channels + i % channels
                result[first + i] = moments[place]
                result[first + size + i] = Float(exp(Double(min(max(moments[place + channels], -30), 20)) / 2))
            }
        }
        return result
    }
}
