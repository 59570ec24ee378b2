import Diffusion
import NeuralNetwork

/// The parameter names of guided-diffusion and improved-diffusion, of a network without the mixture.
///
/// Behind `model.` they are ours: of one network there is nothing in front of them. Shapes are the same.
enum GuidedDiffusionNames {
    private static let prefix = "model."

    /// Why a network has no names there; nil where it has.
    static func fault(_ model: ModelConfiguration) -> String? {
        if model.backbone != .adm { return "model.backbone is \(model.backbone.rawValue), wanted adm" }
        return model.smd ? "model.smd is true, and the mixture is not known there" : nil
    }

    /// Why a diffusion is none that is sampled there; nil where it is.
    static func fault(_ diffusion: DiffusionConfiguration) -> String? {
        if diffusion.shift != .none {
            return "diffusion.shift is \(diffusion.shift.rawValue), and no shift of the forward process is known there"
        }
        return diffusion.scales > 1 ? "diffusion.scales is \(diffusion.scales), and scales are not known there" : nil
    }

    /// The name there of a parameter of ours.
    static func theirs(_ name: String) -> String { String(name.dropFirst(prefix.count)) }

    /// Whether a file of these names is one of theirs.
    static func areIn(_ names: some Sequence<String>) -> Bool {
        let names = Array(names)
        return names.contains("time_embed.0.weight") && !names.contains { $0.hasPrefix(prefix) }
    }
}
