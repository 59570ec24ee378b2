import Configuration
import Foundation
import Sampling

/// The `config.json` that diffusers keeps beside the weights of a first stage.
public struct DiffusersConfiguration {
    private let values: [String: Any]
    private let path: String

    /// The one at `path`; nil where the file is something else.
    public init?(path: String) {
        guard path.hasSuffix(".json"), let bytes = FileManager.default.contents(atPath: path),
            let values = try? JSONSerialization.jsonObject(with: bytes) as? [String: Any],
            values["_class_name"] is String
        else { return nil }
        (self.values, self.path) = (values, path)
    }

    /// The configuration with `overrides` laid over it. `scaling_factor` and `shift_factor` are not taken: what latents are
    /// multiplied by is measured of the data set.
    ///
    /// - Throws: ``RunError`` where it is of a network that is not known; `ConfigurationError` for the overrides.
    public func run(overrides: [String]) throws -> RunConfiguration {
        let kind = values["_class_name"] as? String ?? ""
        let settings =
            switch kind {
            case "AutoencoderKL": try kl()
            case "AutoencoderTiny": try tiny()
            default:
                throw RunError("\(path) is of \(kind); AutoencoderKL and AutoencoderTiny are known", status: .badInput)
            }
        let text = try JSONSerialization.data(withJSONObject: settings, options: [.sortedKeys])
        return try .load(text: String(decoding: text, as: UTF8.self), name: path, overrides: overrides)
    }

    private func kl() throws -> [String: Any] {
        let channels = values["block_out_channels"] as? [Int] ?? [64]
        try require("act_fn", "silu", default: "silu")
        for (key, block) in [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")] {
            let types = values[key] as? [String] ?? Array(repeating: block, count: channels.count)
            guard types.count == channels.count, types.allSatisfy({ $0 == block }) else {
                throw RunError("\(path): \(key) is \(types); only \(block) is known", status: .badInput)
            }
        }
        return settings([
            "kind": "kl", "channels": channels, "blocks": values["layers_per_block"] as? Int ?? 1,
            "latent_channels": values["latent_channels"] as? Int ?? 4,
            "groups": values["norm_num_groups"] as? Int ?? 32,
            "attention": values["mid_block_add_attention"] as? Bool ?? true,
        ])
    }

    private func tiny() throws -> [String: Any] {
        let channels = values["encoder_block_out_channels"] as? [Int] ?? [64, 64, 64, 64]
        let blocks = values["num_encoder_blocks"] as? [Int] ?? [1, 3, 3, 3]
        let rest = blocks.dropFirst()
        guard values["decoder_block_out_channels"] as? [Int] ?? channels == channels,
            values["num_decoder_blocks"] as? [Int] ?? blocks.reversed() == blocks.reversed(),
            blocks.count == channels.count, blocks.first == 1, Set(rest).count <= 1
        else {
            throw RunError(
                "\(path): wanted are one block in the first stage, as many in each other, and the same in the decoder, the "
                    + "other way round", status: .badInput)
        }
        try require("act_fn", "relu", default: "relu")
        try require("upsample_fn", "nearest", default: "nearest")
        try require("upsampling_scaling_factor", 2, default: 2)
        try require("latent_magnitude", 3, default: 3)
        return settings([
            "kind": "tiny", "channels": channels, "blocks": rest.first ?? 1,
            "latent_channels": values["latent_channels"] as? Int ?? 4,
        ])
    }

    private func settings(_ autoencoder: [String: Any]) -> [String: Any] {
        [
            "method": "autoencoder", "autoencoder": autoencoder,
            "model": [
                "size": values["sample_size"] as? Int ?? 256, "channels": values["in_channels"] as? Int ?? 3,
                "smd": false,
            ] as [String: Any],
        ]
    }

    private func require<T: Equatable>(_ key: String, _ wanted: T, default: T) throws {
        let found = values[key] as? T ?? `default`
        guard found == wanted else {
            throw RunError("\(path): \(key) is \(found); only \(wanted) is known", status: .badInput)
        }
    }
}
