import Configuration
import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Writes a small checkpoint with known numbers and returns its path.
func writeCheckpoint(in folder: String, config: String? = nil, broken: Bool = false, and more: [TensorGroup] = [])
    throws -> String
{
    var configuration = RunConfiguration()
    configuration.data = "fashion.h5"
    configuration.model.unet.dim = 64
    let tensors = [
        NamedTensor(name: "identifier.scale", shape: [1], values: [broken ? .nan : 12]),
        NamedTensor(name: "model.weight", shape: [2, 1, 1, 2], values: [3, -4, 0, 0]),
    ]
    let header = CheckpointHeader(
        step: 1000, seed: .max, config: try config ?? configuration.resolvedJSON(), dataFingerprint: "abc123",
        version: "0.1.0", attributes: ["ema_updates": .integer(90)])
    let checkpoint = Checkpoint(
        header,
        groups: [
            TensorGroup(name: "parameters", tensors: tensors), TensorGroup(name: "ema", tensors: tensors),
            TensorGroup(name: "optimizer/first_moment", tensors: []),
        ] + more)
    let path = folder + "/step-00001000.h5"
    try checkpoint.write(to: path)
    return path
}

/// `smd checkpoint`, as a user runs it.
@Suite struct CheckpointCommandTests {
    @Test func inspect() throws {
        try withTemporaryDirectory { folder in
            let path = try writeCheckpoint(in: folder)
            let result = try smd(["checkpoint", "inspect", path])
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
            #expect(!hasControlCharacters(result.output))
            let lines = result.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            func value(_ name: String) -> String {
                lines.first { $0.hasPrefix(name + " ") }.map {
                    $0.dropFirst(name.count).trimmingCharacters(in: .whitespaces)
                } ?? "missing"
            }
            #expect(value("step") == "1000")
            #expect(value("seed") == "18446744073709551615")
            #expect(value("written by") == "smd 0.1.0")
            #expect(value("data set") == "abc123")
            #expect(value("parameters") == "5 (model 4, identifier 1) in 2 tensors, L2 norm 13")
            #expect(value("ema") == "2 tensors, L2 norm 13")
            #expect(value("first moment") == "none")
            #expect(value("ema_updates") == "90")
            #expect(lines.contains("model.dim=64"))
            #expect(lines.contains("learning_rate=0.0001"))
            #expect(lines.contains("model.dim_mults=[1, 2, 2, 2]"))
            #expect(!result.output.contains("second moment"))
            // The digest shown is the one that coreutils computes.
            let digest = try run(["sha256sum", path], timeout: 60).output.prefix(64)
            #expect(value("verified").hasSuffix("SHA-256 \(digest)"))
        }
    }

    /// A second network, and a group of a later version, are shown like the first.
    @Test func everyGroupIsShown() throws {
        try withTemporaryDirectory { folder in
            let critic = [NamedTensor(name: "critic.weight", shape: [2], values: [6, 8])]
            let path = try writeCheckpoint(
                in: folder,
                and: [
                    TensorGroup(name: "networks/critic/parameters", tensors: critic),
                    TensorGroup(name: "networks/critic/optimizer/first_moment", tensors: critic),
                    TensorGroup(name: "slow", tensors: []),
                ])
            let output = try smd(["checkpoint", "inspect", path, "--tensors"]).output
            #expect(output.contains("parameters           5 (model 4, identifier 1) in 2 tensors, L2 norm 13\n"))
            #expect(output.contains("critic/parameters    1 tensors, L2 norm 10\n"), "\(output)")
            #expect(output.contains("critic/first moment  1 tensors, L2 norm 10\n"))
            #expect(output.contains("\n  slow                 none\n"))
            #expect(output.contains("\n  critic.weight"))
            let parts = try object(smd(["checkpoint", "inspect", path, "--json"]).output)["parts"] as? [String: Any]
            #expect(
                parts?.keys.sorted()
                    == ["critic/first_moment", "critic/parameters", "ema", "first_moment", "parameters", "slow"])
        }
    }

    /// The settings shown are settings: given to --set they make the same configuration.
    @Test func theSettingsShownCanBeSet() throws {
        try withTemporaryDirectory { folder in
            let path = try writeCheckpoint(in: folder)
            let output = try smd(["checkpoint", "inspect", path]).output
            let lines = output.components(separatedBy: "configuration\n")[1].split(separator: "\n")
            let overrides = lines.map { $0.trimmingCharacters(in: .whitespaces) }
            let found = try RunConfiguration.load(text: "{}", name: "test", overrides: overrides)
            #expect(try found == RunConfiguration(json: Checkpoint.read(path).header.config))
        }
    }

    @Test func json() throws {
        try withTemporaryDirectory { folder in
            let path = try writeCheckpoint(in: folder)
            let result = try smd(["checkpoint", "inspect", path, "--json", "--tensors"])
            #expect(result.status == 0)
            let found = try object(result.output)
            #expect(found["step"] as? Int == 1000)
            #expect(found["data_fingerprint"] as? String == "abc123")
            let configuration = found["configuration"] as? [String: Any]
            #expect((configuration?["model"] as? [String: Any])?["dim"] as? Int == 64)
            let parts = found["parts"] as? [String: [String: Any]]
            #expect(parts?["parameters"]?["norm"] as? Double == 13)
            #expect(parts?["parameters"]?["elements"] as? Int == 5)
            let tensors = found["tensors"] as? [[String: Any]]
            #expect(tensors?.last?["name"] as? String == "model.weight")
            #expect(tensors?.last?["shape"] as? [Int] == [2, 1, 1, 2])
            #expect(tensors?.last?["minimum"] as? Double == -4)
        }
    }

    @Test func tensors() throws {
        try withTemporaryDirectory { folder in
            let path = try writeCheckpoint(in: folder)
            let output = try smd(["checkpoint", "inspect", path, "--tensors"]).output
            let row = output.split(separator: "\n").first { $0.contains("model.weight") }
            // (3, −4, 0, 0): norm 5, mean −1/4, deviation √(25/4 − 1/16).
            #expect(
                row?.split(separator: " ").map(String.init).dropFirst(5).prefix(7)
                    == ["4", "5", "-0.25", "2.487", "-4", "3", "0"])
        }
    }

    @Test func numbersThatAreNotFinite() throws {
        try withTemporaryDirectory { folder in
            let path = try writeCheckpoint(in: folder, broken: true)
            #expect(try smd(["checkpoint", "inspect", path]).output.contains("not finite, 1 elements not finite"))
            let found = try object(smd(["checkpoint", "inspect", path, "--json"]).output)
            let parts = found["parts"] as? [String: [String: Any]]
            #expect(parts?["parameters"]?["not_finite"] as? Int == 1)
        }
    }

    /// A checkpoint of a later version has keys that this one does not know; the rest must still be shown.
    @Test func configurationOfAnotherVersion() throws {
        try withTemporaryDirectory { folder in
            let path = try writeCheckpoint(in: folder, config: #"{"colour": 3}"#)
            let result = try smd(["checkpoint", "inspect", path])
            #expect(result.status == 0)
            #expect(result.output.contains("not readable: unknown key colour in \(path)"))
            let found = try object(smd(["checkpoint", "inspect", path, "--json"]).output)
            #expect((found["configuration_problem"] as? String)?.hasPrefix("unknown key colour") == true)
        }
    }

    @Test func badFiles() throws {
        try withTemporaryDirectory { folder in
            let path = try writeCheckpoint(in: folder)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: URL(fileURLWithPath: folder + "/flipped.h5"))
            try bytes.prefix(700).write(to: URL(fileURLWithPath: folder + "/short.h5"))
            try Data("hello".utf8).write(to: URL(fileURLWithPath: folder + "/text.h5"))
            for name in ["flipped.h5", "short.h5", "text.h5", "missing.h5"] {
                let result = try smd(["checkpoint", "inspect", folder + "/" + name])
                #expect(result.status == 65, "\(name)")
                #expect(result.output.isEmpty)
                #expect(result.errors.hasPrefix("smd: error: "))
                #expect(result.errors.contains(folder), "\(result.errors)")
                #expect(result.errors.filter { $0 == "\n" }.count == 1, "\(result.errors)")
            }
        }
    }
}
