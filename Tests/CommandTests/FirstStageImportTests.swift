import Arrays
import Foundation
import Sampling
import Storage
import StorageSupport
import TestSupport
import Testing

/// First stages of others: random weights made by diffusers 0.42.1 with PyTorch 2.11, and what it made of three images.
@Suite struct FirstStageImportTests {
    private static let fixtures = repositoryFolder + "/Tests/Fixtures/first-stages"
    private static let names = ["kl", "kl-without-quant", "tiny"]

    private func tensors(_ path: String) throws -> [NamedTensor] {
        let file = try SafeTensors(path: path)
        return try file.entries.keys.sorted().map { name in
            let shape = file.entries[name]?.shape ?? []
            return NamedTensor(name: name, shape: shape, values: try file.floats(name, shape: shape))
        }
    }

    private func weights(_ name: String) throws -> [NamedTensor] {
        try tensors("\(Self.fixtures)/\(name)/diffusion_pytorch_model.safetensors")
    }

    /// Compares what the imported checkpoint computes with what diffusers did.
    private func expectAgreement(_ checkpoint: String, _ name: String) throws {
        let outputs = try Dictionary(
            uniqueKeysWithValues: tensors("\(Self.fixtures)/\(name)-outputs.safetensors").map { ($0.name, $0.values) })
        let stage = try FirstStage(checkpoint: checkpoint)
        let gaussians = try stage.gaussians(try #require(outputs["image"]))
        let mean = try #require(outputs["mean"])
        let size = mean.count / 3
        let deviation = outputs["deviation"] ?? [Float](repeating: 0, count: mean.count)
        func near(_ a: some Collection<Float>, _ b: some Collection<Float>) -> Bool {
            a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-4 }
        }
        for image in 0..<3 {
            let (own, begin) = (image * size..<(image + 1) * size, 2 * image * size)
            #expect(near(gaussians[begin..<begin + size], mean[own]))
            #expect(near(gaussians[begin + size..<begin + 2 * size], deviation[own]))
        }
        #expect(near(try stage.decode(mean), try #require(outputs["decoded"])))
    }

    @Test(arguments: names) func foldersOfDiffusers(name: String) throws {
        try withTemporaryDirectory { folder in
            let result = try smd(
                [
                    "checkpoint", "import", "\(Self.fixtures)/\(name)", "--set", "model.size=16", "-o",
                    folder + "/stage.h5",
                ])
            #expect(result.status == 0, "\(result.errors)")
            try expectAgreement(folder + "/stage.h5", name)
        }
    }

    /// CompVis' name of a parameter of diffusers' network of two levels.
    private func compVis(_ name: String) -> String {
        var parts = name.split(separator: ".").map(String.init)
        if parts[0] == "decoder", parts[1] == "up_blocks" { parts[2] = parts[2] == "0" ? "1" : "0" }
        if parts.count > 2, parts[1] == "mid_block" {
            parts[1] = "mid"
            if parts[2] == "resnets" {
                parts.replaceSubrange(2...3, with: ["block_" + (parts[3] == "0" ? "1" : "2")])
            } else {
                parts.replaceSubrange(2...3, with: ["attn_1"])
                if parts[3] == "to_out" { parts.remove(at: 4) }
                let words = ["group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"]
                parts[3] = words[parts[3]] ?? parts[3]
            }
        }
        let words = [
            "down_blocks": "down", "up_blocks": "up", "resnets": "block", "downsamplers": "downsample",
            "upsamplers": "upsample", "conv_shortcut": "nin_shortcut", "conv_norm_out": "norm_out",
        ]
        for place in parts.indices where words[parts[place]] != nil && parts[place] != "" {
            if parts[place] == "downsamplers" || parts[place] == "upsamplers" { parts[place + 1] = "" }
            parts[place] = words[parts[place]] ?? ""
        }
        return parts.filter { !$0.isEmpty }.joined(separator: ".")
    }

    /// The same weights as CompVis keeps them, out of a whole model; and as diffusers did before.
    @Test func otherNames() throws {
        #expect(compVis("decoder.up_blocks.0.upsamplers.0.conv.weight") == "decoder.up.1.upsample.conv.weight")
        #expect(compVis("encoder.mid_block.attentions.0.to_out.0.bias") == "encoder.mid.attn_1.proj_out.bias")
        #expect(
            compVis("encoder.down_blocks.1.resnets.0.conv_shortcut.bias") == "encoder.down.1.block.0.nin_shortcut.bias")
        #expect(compVis("decoder.mid_block.resnets.1.norm2.bias") == "decoder.mid.block_2.norm2.bias")
        let own = try weights("kl")
        func renamed(_ name: (String) -> String) -> [NamedTensor] {
            own.map { tensor in
                let isMatrix = tensor.shape.count == 2
                return NamedTensor(
                    name: name(tensor.name), shape: isMatrix ? tensor.shape + [1, 1] : tensor.shape,
                    values: tensor.values)
            }
        }
        let further = ["model.diffusion_model.x", "first_stage_model.loss.logvar", "cond_stage_model.y"].map {
            NamedTensor(name: $0, shape: [2], values: [1, 2])
        }
        let old = renamed { name in
            let words = ["to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"]
            return words.reduce(name) { $0.replacing(".attentions.0.\($1.key).", with: ".attentions.0.\($1.value).") }
        }
        for tensors in [renamed(compVis), renamed { "first_stage_model." + compVis($0) } + further, old] {
            try withTemporaryDirectory { folder in
                let file = folder + "/theirs.safetensors"
                let arrays = tensors.map { SafeTensors.Tensor(name: $0.name, shape: $0.shape, values: $0.values) }
                try Data(SafeTensors.encode(arrays, metadata: [:])).write(to: URL(filePath: file))
                let settings =
                    ["method=autoencoder", "model.smd=false", "model.size=16"]
                    + ["channels=8,16", "blocks=2", "latent_channels=3", "groups=4"].map { "autoencoder." + $0 }
                let result = try smd(
                    ["checkpoint", "import", file, "-o", folder + "/stage.h5"] + settings.flatMap { ["--set", $0] })
                #expect(result.status == 0, "\(result.errors)")
                try expectAgreement(folder + "/stage.h5", "kl")
            }
        }
    }

    @Test func refusals() throws {
        try withTemporaryDirectory { folder in
            func refusal(_ change: (String) -> String, _ settings: [String] = []) throws -> String {
                let place = folder + "/\(UUID().uuidString)"
                try FileManager.default.copyItem(atPath: Self.fixtures + "/kl", toPath: place)
                let config = try String(contentsOfFile: place + "/config.json", encoding: .utf8)
                try change(config).write(toFile: place + "/config.json", atomically: true, encoding: .utf8)
                let result = try smd(["checkpoint", "import", place, "-o", folder + "/no.h5"] + settings)
                #expect(result.status != 0 && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: folder + "/no.h5"))
                return result.errors
            }
            #expect(try refusal { $0.replacing("AutoencoderKL", with: "VQModel") }.contains("is of VQModel"))
            #expect(try refusal { $0.replacing("silu", with: "gelu") }.contains("act_fn is gelu; only silu is known"))
            let attention = try refusal { $0.replacing("\"DownEncoderBlock2D\"", with: "\"AttnDownEncoderBlock2D\"") }
            #expect(attention.contains("only DownEncoderBlock2D is known"))
            #expect(
                try refusal { $0.replacing("layers_per_block\": 2", with: "layers_per_block\": 1") }.contains("holds"))
            #expect(try refusal({ $0 }, ["--set", "model.size=15"]).contains("model.size is 15"))
            #expect(try refusal { _ in "{" }.contains("does not say of which network"))
        }
        // Such a network cannot be trained.
        let plan = try smd(["plan", "autoencoder-fashion", "--set", "autoencoder.kind=tiny"])
        #expect(plan.status != 0 && plan.errors.contains("not trained: autoencoder.kind=kl"), "\(plan.errors)")
    }
}
