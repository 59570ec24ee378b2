import Arrays
import Configuration
import Foundation
import HDF5
import Storage
import StorageSupport
import TestSupport
import Testing

/// `smd checkpoint export`, `import` and `average`, as a user runs them.
@Suite struct WeightExchangeTests {
    private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

    /// A reference case's network as --set takes it, and its first parameters.
    private func referenceCase(_ name: String) throws -> (settings: [String], tensors: [NamedTensor]) {
        let file = try HDF5File.open(goldenFolder + "/" + name)
        guard case .string(let text)? = try file.root.attribute("config") else { return ([], []) }
        let config = try object(text)
        let isADM = config["backbone"] as? String == "adm"
        let shared = ["dim", "dim_mults", "full_attention", "groups", "heads", "head_dim"]
        var settings: [String] = []
        func set(_ keys: [String], _ values: [String: Any], _ section: String) throws {
            for key in keys {
                guard let value = values[key] else { continue }
                let json = try JSONSerialization.data(withJSONObject: value, options: .fragmentsAllowed)
                settings += ["--set", "\(section).\(key)=\(String(decoding: json, as: UTF8.self))"]
            }
        }
        if config["backbone"] as? String == "autoencoder-kl" {
            settings = ["--set", "method=autoencoder", "--set", "model.smd=false"]
            try set(["size", "channels"], config, "model")
            let names = [
                "channels": "block_out_channels", "blocks": "layers_per_block", "latent_channels": "latent_channels",
                "groups": "groups", "attention": "mid_block_add_attention",
            ]
            try set(names.keys.sorted(), names.compactMapValues { config[$0] }, "autoencoder")
            return (settings, try tensors(file))
        }
        try set(
            shared + ["channels", "self_condition", "smd", "latent_dim", "hypernet_layers", "size"], config, "model")
        let identifier = config["identifier"] as? [String: Any] ?? [:]
        try set(shared, identifier, "model.identifier")
        if isADM { settings += adm(config, "model") + (identifier.isEmpty ? [] : adm(identifier, "model.identifier")) }
        return (settings, try tensors(file))
    }

    private func tensors(_ file: HDF5File) throws -> [NamedTensor] {
        let group = try file.root.group("parameters").group("initial")
        return try group.names().map { name in
            let dataset = try group.dataset(name)
            return NamedTensor(name: name, shape: dataset.shape, values: try dataset.read(as: Float.self))
        }
    }

    /// What is called otherwise there.
    private func adm(_ config: [String: Any], _ section: String) -> [String] {
        func number(_ key: String) -> Int { config[key] as? Int ?? 0 }
        func flag(_ key: String) -> Bool { config[key] as? Bool ?? false }
        let sides = (config["attention_resolutions"] as? [Int] ?? []).map(String.init).joined(separator: ",")
        var values = [
            "blocks=\(number("num_res_blocks"))", "attention_sizes=\(sides)", "heads=\(max(1, number("num_heads")))",
            "head_dim=\(number("num_head_channels"))",
        ]
        if section == "model" {
            values += [
                "backbone=adm", "scale_shift=\(flag("use_scale_shift_norm"))", "classes=\(number("num_classes"))",
                "resampling=\(flag("resblock_updown") ? "block" : "convolution")",
                "learned_variance=\(flag("learn_sigma"))", "heads_first=\(!flag("use_new_attention_order"))",
            ]
        }
        return values.flatMap { ["--set", "\(section).\($0)"] }
    }

    private func write(_ tensors: [NamedTensor], to path: String) throws {
        let arrays = tensors.map { SafeTensors.Tensor(name: $0.name, shape: $0.shape, values: $0.values) }
        try Data(SafeTensors.encode(arrays, metadata: [:])).write(to: URL(fileURLWithPath: path))
    }

    private static let cases: [String] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: goldenFolder)) ?? []
        return names.filter { $0.hasSuffix(".h5") && !["schedules.h5", "adm-tables.h5"].contains($0) }.sorted()
    }()

    @Test func thereAreReferenceCases() { #expect(Self.cases.count >= 7) }

    /// The names of the authors' code, in, out and in again: the same bits.
    @Test(arguments: cases) func everyReferenceCaseComesBack(name: String) throws {
        try withTemporaryDirectory { folder in
            let (settings, tensors) = try referenceCase(name)
            try write(tensors, to: folder + "/theirs.safetensors")
            let one = try smd(
                ["checkpoint", "import", folder + "/theirs.safetensors", "--output", folder + "/one.h5"] + settings)
            #expect(one.status == 0, "\(one.errors)")
            for (weights, number) in [("raw", 0), ("ema", 1)] {
                let file = folder + "/\(weights).safetensors"
                let export = ["checkpoint", "export", folder + "/one.h5", "--weights", weights, "--output", file]
                #expect(try smd(export).status == 0)
                #expect(try smd(["checkpoint", "import", file, "-o", folder + "/two\(number).h5"]).status == 0)
                let found = try Checkpoint.read(folder + "/two\(number).h5")
                for group in ["parameters", "ema"] {
                    #expect(found[group].map(\.name) == tensors.map(\.name).sorted())
                    let bits = found[group].map { $0.values.map(\.bitPattern) }
                    #expect(bits == tensors.sorted { $0.name < $1.name }.map { $0.values.map(\.bitPattern) })
                }
            }
        }
    }

    /// The names of guided-diffusion, with nothing in front of them: in, out and in again, the same bits.
    @Test func namesOfGuidedDiffusion() throws {
        try withTemporaryDirectory { folder in
            let (settings, tensors) = try referenceCase("adm-mse-linear-class-16x16x3.h5")
            let theirs = tensors.map {
                NamedTensor(name: String($0.name.dropFirst("model.".count)), shape: $0.shape, values: $0.values)
            }
            try write(theirs, to: folder + "/theirs.safetensors")
            let read = ["checkpoint", "import", folder + "/theirs.safetensors", "--output", folder + "/one.h5"]
            let one = try smd(read + settings)
            #expect(one.status == 0, "\(one.errors)")
            let file = folder + "/back.safetensors"
            let export = ["checkpoint", "export", folder + "/one.h5", "--output", file, "--names", "guided-diffusion"]
            #expect(try smd(export).status == 0)
            let back = try SafeTensors(path: file)
            #expect(
                back.entries.keys.sorted() == theirs.map(\.name).sorted() && back.entries["label_emb.weight"] != nil)
            for tensor in theirs {
                let bits = try back.floats(tensor.name, shape: tensor.shape).map(\.bitPattern)
                #expect(bits == tensor.values.map(\.bitPattern), "\(tensor.name)")
            }
            #expect(try smd(["checkpoint", "import", file, "--output", folder + "/two.h5"]).status == 0)
            #expect(try Checkpoint.read(folder + "/two.h5")["ema"] == Checkpoint.read(folder + "/one.h5")["ema"])
            let (others, tensorsOfOthers) = try referenceCase("smd-adm-hybrid-8x8x3.h5")
            try write(tensorsOfOthers, to: folder + "/smd.safetensors")
            let imported = ["checkpoint", "import", folder + "/smd.safetensors", "--output", folder + "/smd.h5"]
            #expect(try smd(imported + others).status == 0)
            let refused = try smd(
                ["checkpoint", "export", folder + "/smd.h5", "--output", folder + "/no", "--names", "guided-diffusion"])
            #expect(refused.status == 65 && refused.errors.contains("model.smd is true"), "\(refused.errors)")
            // Another forward process would be sampled there as if it were the usual one.
            let shifted = ["checkpoint", "import", folder + "/theirs.safetensors", "--output", folder + "/shifted.h5"]
            #expect(try smd(shifted + settings + ["--set", "diffusion.shift=prior"]).status == 0)
            let unknown = try smd(
                ["checkpoint", "export", folder + "/shifted.h5", "-o", folder + "/no", "--names", "guided-diffusion"])
            #expect(
                unknown.status == 65 && unknown.errors.contains("diffusion.shift is prior, and no shift"),
                "\(unknown.errors)")
        }
    }

    @Test func tensorsThatDoNotFitAreNamed() throws {
        try withTemporaryDirectory { folder in
            let (settings, tensors) = try referenceCase("ddpm-v-sigmoid-8x8x3.h5")
            let (file, output) = (folder + "/a.safetensors", folder + "/a.h5")
            func problem(_ tensors: [NamedTensor], _ more: [String]) throws -> String {
                try write(tensors, to: file)
                let result = try smd(["checkpoint", "import", file, "--output", output] + more)
                #expect(result.status == 65 && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: output))
                return result.errors
            }
            #expect(try problem(tensors, []).contains("give the configuration with --config PRESET"))
            #expect(
                try problem(Array(tensors.dropFirst(2)), settings)
                    .contains("lacks 2 tensors of the network, model.downs.0.0.block1.norm.bias first"))
            let more = NamedTensor(name: "betas", shape: [1], values: [1])
            #expect(
                try problem(tensors + [more], settings).contains("holds 1 tensor that the network does not have, betas")
            )
            var other = tensors
            other[0] = NamedTensor(name: other[0].name, shape: [2, 4], values: other[0].values)
            #expect(
                try problem(other, settings).contains("model.downs.0.0.block1.norm.bias has the shape [2, 4], not [8]"))
            #expect(try problem(tensors, settings + ["--set", "model.dim=16"]).contains("has the shape"))
        }
    }

    /// float16 and bfloat16 become the float32 of the same value; whole numbers are refused.
    @Test func typesOfElements() throws {
        try withTemporaryDirectory { folder in
            let (settings, tensors) = try referenceCase("smd-x0-cosine-vector2.h5")
            let (file, output) = (folder + "/a.safetensors", folder + "/a.h5")
            func write(_ type: String, _ element: (Float) -> [UInt8]) throws {
                var (members, elements): ([String], [UInt8]) = ([], [])
                for tensor in tensors {
                    let begin = elements.count
                    elements += tensor.values.flatMap(element)
                    members.append(
                        "\"\(tensor.name)\":{\"dtype\":\"\(type)\",\"shape\":\(tensor.shape),"
                            + "\"data_offsets\":[\(begin),\(elements.count)]}")
                }
                let header = Array("{\(members.joined(separator: ","))}".utf8)
                let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
                try Data(length + header + elements).write(to: URL(fileURLWithPath: file))
            }
            let command = ["checkpoint", "import", file, "--output", output, "--overwrite"] + settings
            try write("BF16") { value in withUnsafeBytes(of: UInt16(value.bitPattern >> 16)) { Array($0) } }
            #expect(try smd(command).status == 0)
            let brain = try Checkpoint.read(output)["ema"].flatMap { $0.values.map(\.bitPattern) }
            let sorted = tensors.sorted { $0.name < $1.name }.flatMap(\.values)
            #expect(brain == sorted.map { $0.bitPattern & 0xFFFF_0000 })
            try write("F16") { value in withUnsafeBytes(of: Float16(value).bitPattern) { Array($0) } }
            #expect(try smd(command).status == 0)
            #expect(try Checkpoint.read(output)["ema"].flatMap(\.values) == sorted.map { Float(Float16($0)) })
            try write("I16") { _ in [0, 0] }
            let refused = try smd(command)
            #expect(refused.status == 65 && refused.errors.contains("is of type I16; F32, F16 or BF16 is wanted"))
        }
    }

    @Test(
        arguments: [
            ([0x50, 0x4B, 3, 4, 0, 0], "is a file of torch.save"), ([0x80, 2, 0x8A, 0x0A], "weights_only=True"),
            ([], "is not a file of arrays"),
            ([255, 255, 255, 255, 255, 255, 255, 127, 0, 0], "or cut off: a header of"),
            ([2, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], "does not say of which network"),
        ] as [([UInt8], String)]) func filesThatAreSomethingElse(content: [UInt8], words: String) throws
    {
        try withTemporaryDirectory { folder in
            let file = folder + "/it's.pt"
            try Data(content).write(to: URL(fileURLWithPath: file))
            let result = try smd(["checkpoint", "import", file, "--output", folder + "/a.h5"])
            #expect(result.status == 65 && result.errors.contains(words), "\(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1 && result.output.isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["it's.pt"])
        }
    }

    /// What a file claims of itself is checked as it would be of anyone.
    @Test(arguments: [
        (["smd_config": "{\"model\": {\"dim\": -3}}"], "dim"), (["smd_config": "{"], "a.safetensors"),
        (["smd_config": "{\"colour\": 1}"], "unknown key colour"),
    ]) func metadataOfOtherHands(metadata: [String: String], words: String) throws {
        try withTemporaryDirectory { folder in
            let file = folder + "/a.safetensors"
            try Data(SafeTensors.encode([], metadata: metadata)).write(to: URL(fileURLWithPath: file))
            let result = try smd(["checkpoint", "import", file, "--output", folder + "/a.h5"])
            #expect(result.status == 65 && result.errors.contains(words), "\(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1)
        }
    }

    /// A mean that can be worked out: (1, 2, 6) → 3, rounded once.
    @Test func averages() throws {
        try withTemporaryDirectory { folder in
            func state(_ step: Int, _ value: Float, dim: Int = 64) throws -> String {
                let tensor = NamedTensor(name: "model.w", shape: [2], values: [value, 1e8 + 8 * value])
                let header = CheckpointHeader(
                    step: step, seed: 1, config: "{\"model\": {\"dim\": \(dim)}}", dataFingerprint: "d", version: "0",
                    attributes: ["samples_seen": .integer(7)])
                let groups = ["parameters", "ema"].map { TensorGroup(name: $0, tensors: [tensor]) }
                let path = folder + "/\(step).h5"
                try Checkpoint(header, groups: groups).write(to: path)
                return path
            }
            let paths = [try state(30, 6), try state(10, 1), try state(20, 2)]
            let soup = try smd(["checkpoint", "average"] + paths + ["--output", folder + "/soup.h5"])
            #expect(soup.status == 0, "\(soup.errors)")
            let found = try Checkpoint.read(folder + "/soup.h5")
            #expect(found.header.step == 30 && found["optimizer/first_moment"].isEmpty)
            #expect(found.header.attributes == ["origin": .string("average of ema weights of steps 10, 20, 30")])
            #expect(found["ema"] == found["parameters"] && found["ema"][0].values == [3, 1e8 + 24])
            let again = ["checkpoint", "average"] + paths.reversed() + ["--output", folder + "/again.h5"]
            #expect(try smd(again).status == 0)
            #expect(try bytes(folder + "/again.h5") == bytes(folder + "/soup.h5"))
            #expect(try smd(again).status == 73)
            let other = try smd(
                ["checkpoint", "average", paths[0], state(40, 1, dim: 32), "--output", folder + "/other.h5"])
            #expect(other.status == 65 && other.errors.contains("model.dim is 64 in the one, 32 in the other"))
            #expect(try smd(["checkpoint", "average", paths[0], "--output", folder + "/other.h5"]).status == 64)
        }
    }

    /// The whole way: what a run left, as other programs have it, draws the same samples; a run does not go on from it.
    @Test func theSameSamplesAndNoRun() throws {
        try withTemporaryDirectory { folder in
            #expect(
                try smd(["dataset", "prepare", "gaussian-grid", "--count", "64", "--output", folder + "/grid.h5"])
                    .status == 0)
            let configuration = """
                data: \(folder)/grid.h5
                batch_size: 8
                seed: 7
                ema: {decay: 0.5, every: 1, start: 0}
                model: \(smallPointModel)
                diffusion: {timesteps: 30, sampling_steps: 10, flip: false}
                """
            try configuration.write(toFile: folder + "/run.yaml", atomically: true, encoding: .utf8)
            let train = ["train", folder + "/run.yaml"]
            let trained = try smd(train + ["--set", "steps=3", "--output", folder + "/run"])
            #expect(trained.status == 0, "\(trained.errors)")
            let original = folder + "/run/checkpoints/step-00000003.h5"
            var drawn: [String: [Float]] = [:]
            for weights in ["ema", "raw"] {
                let (file, made) = (folder + "/\(weights).safetensors", folder + "/\(weights).h5")
                let export = ["checkpoint", "export", folder + "/run", "--weights", weights, "--output", file]
                #expect(try smd(export).status == 0)
                #expect(try smd(["checkpoint", "import", file, "--output", made]).status == 0)
                for (name, path) in [("from-run", original), ("from-file", made)] {
                    let output = folder + "/\(weights)-\(name).h5"
                    let sample = [
                        "sample", path, "--weights", weights, "--count", "9", "--seed", "4", "--output", output,
                    ]
                    #expect(try smd(sample).status == 0)
                    drawn["\(weights) \(name)"] = try HDF5File.open(output).root.dataset("points").read(as: Float.self)
                }
                #expect(drawn["\(weights) from-run"] == drawn["\(weights) from-file"])
            }
            #expect(drawn["ema from-run"]?.count == 18 && drawn["ema from-run"] != drawn["raw from-run"])
            let resumed = try smd(
                train + ["--set", "steps=6", "--output", folder + "/more", "--resume", folder + "/raw.h5"])
            #expect(
                resumed.status == 65
                    && resumed.errors.contains("cannot be resumed: it holds weights without the moments"))
        }
    }
}
