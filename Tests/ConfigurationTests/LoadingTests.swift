import Configuration
import Foundation
import NeuralNetwork
import enum TensorGraph.Precision
import TestSupport
import Testing

/// Defaults, file and overrides, and what is said about keys and types that are wrong.
@Suite struct LoadingTests {
    @Test func anEmptyMappingGivesTheDefaults() throws {
        #expect(try RunConfiguration.load(text: "{}", name: "run.yaml") == RunConfiguration())
    }

    @Test func theFileWinsOverDefaultsAndSetOverTheFile() throws {
        let text = """
            data: a.h5
            seed: 18446744073709551615
            learning_rate: 1e-3
            steps: 30_000
            model:
              dim: 64
              dim_mults: [1, 2]
              smd: no
              eta: zero
            ema:
            """
        let found = try RunConfiguration.load(
            text: text, name: "run.yaml",
            overrides: [
                "model.dim=32", "model.full_attention=[true,false]", "data=b c: [d.h5", "model.dim_mults=1, 3",
                "model.dim = 16", "optimizer={beta1: 0.5}", "diffusion.flip=false",
            ])
        var wanted = RunConfiguration()
        wanted.data = "b c: [d.h5"
        wanted.seed = .max
        wanted.learningRate = 1e-3
        wanted.steps = 30_000
        wanted.model.unet.dim = 16
        wanted.model.unet.dimMults = [1, 3]
        wanted.model.unet.fullAttention = [true, false]
        wanted.model.smd = false
        wanted.model.eta = .zero
        wanted.optimizer.beta1 = 0.5
        wanted.diffusion.flip = false
        #expect(found == wanted)
    }

    @Test(arguments: [
        ("model:\n  dimm: 3", "unknown key model.dimm in run.yaml (line 2), did you mean model.dim?"),
        ("data: x\nbatchsize: 3", "unknown key batchsize in run.yaml (line 2), did you mean batch_size?"),
        ("stesp: 3", "unknown key stesp in run.yaml (line 1), did you mean steps?"),
        ("lr: 3", "unknown key lr in run.yaml (line 1), did you mean learning_rate?"),
        ("dim_mults: [1]", "unknown key dim_mults in run.yaml (line 1), did you mean model.dim_mults?"),
        ("models:\n  dim: 3", "unknown key models in run.yaml (line 2), did you mean model?"),
        ("num_steps: 3", "unknown key num_steps in run.yaml (line 1), did you mean steps?"),
        (
            "model: {identifier: {dims: 3}}",
            "unknown key model.identifier.dims in run.yaml (line 1), did you mean model.identifier.dim?"
        ),
        (
            "ema:\n  qqqqqqqqqqq: 3",
            "unknown key ema.qqqqqqqqqqq in run.yaml (line 2); the keys of ema are decay, every, "
                + "half_life_images, ramp, start"
        ),
    ])
    func unknownKeys(text: String, message: String) {
        #expect(complaint(text) == message)
    }

    @Test func unknownKeyOfSet() {
        #expect(
            complaint("data: x", set: ["model.dimm=3"]) == "unknown key model.dimm in --set, did you mean model.dim?")
        #expect(complaint("data: x", set: ["model.dim"]) == "--set model.dim: wanted KEY=VALUE, such as model.dim=64")
        #expect(complaint("data: x", set: ["steps="]) == "steps is left empty in --set, wanted an integer")
        #expect(complaint("data: x", set: ["steps=[3"]).contains("--set steps is not valid YAML"))
    }

    @Test(arguments: [
        ("steps: many", "steps is the text \"many\" in run.yaml (line 1), wanted an integer"),
        ("steps: \"3\"", "steps is the text \"3\" in run.yaml (line 1), wanted an integer"),
        ("steps: 1.5", "steps is 1.5 in run.yaml (line 1), wanted an integer"),
        ("steps: 0x10", "steps is 0x10 in run.yaml (line 1), wanted an integer"),
        ("steps: true", "steps is true in run.yaml (line 1), wanted an integer"),
        ("steps: [3]", "steps is a list in run.yaml (line 1), wanted an integer"),
        (
            "steps: 99999999999999999999",
            "steps is 99999999999999999999 in run.yaml (line 1), wanted an integer in range"
        ),
        ("seed: -1", "seed is -1 in run.yaml (line 1), wanted an integer in range"),
        ("learning_rate: .inf", "learning_rate is .inf in run.yaml (line 1), wanted a number"),
        ("learning_rate: .nan", "learning_rate is .nan in run.yaml (line 1), wanted a number"),
        ("learning_rate: 1e999", "learning_rate is 1e999 in run.yaml (line 1), wanted a number"),
        ("model:\n  smd: 1", "model.smd is 1 in run.yaml (line 2), wanted true or false"),
        (
            "model:\n  dim_mults: 2",
            "model.dim_mults is 2 in run.yaml (line 2), wanted a list of integers, such as [1, 2, 2]"
        ),
        (
            "model:\n  dim_mults: [1, two]",
            "model.dim_mults is a list with the text \"two\" in run.yaml (line 2), "
                + "wanted a list of integers, such as [1, 2, 2]"
        ),
        (
            "model:\n  eta: gaussian",
            "model.eta is the text \"gaussian\" in run.yaml (line 2), wanted one of normal, zero"
        ),
        (
            "precision: fp16",
            "precision is the text \"fp16\" in run.yaml (line 1), wanted one of fp32, bf16, bf16-emulated"
        ),
        ("optimizer: 3", "optimizer is 3 in run.yaml (line 1), wanted keys such as optimizer.beta1"),
        ("data:", "data is left empty in run.yaml (line 1), wanted text"),
        (
            "diffusion:\n  schedule: sigmoidal",
            "diffusion.schedule is the text \"sigmoidal\" in run.yaml (line 2), wanted one of linear, sqrt_linear, cosine, sigmoid, logsnr"
        ),
    ])
    func wrongTypes(text: String, message: String) {
        #expect(complaint(text) == message)
    }

    @Test(arguments: Precision.allCases) func precisions(_ precision: Precision) throws {
        let loaded = try RunConfiguration.load(text: "precision: \(precision.rawValue)", name: "run.yaml")
        #expect(loaded.precision == precision)
        #expect(try RunConfiguration(json: loaded.resolvedJSON()).precision == precision)
        #expect(loaded.settings().first { $0.key == "precision" }?.value == precision.rawValue)
    }

    /// YAML reads a leading zero as octal; nobody who writes a seed means that.
    @Test func leadingZerosAreDecimal() throws {
        #expect(try RunConfiguration.load(text: "seed: 0123", name: "run.yaml").seed == 123)
        #expect(try RunConfiguration.load(text: "seed: 000", name: "run.yaml").seed == 0)
        #expect(try RunConfiguration.load(text: "learning_rate: 1", name: "run.yaml").learningRate == 1)
        #expect(try RunConfiguration.load(text: "data: 123", name: "run.yaml").data == "123")
    }
}

/// Documents that are no configuration, some of them made to hurt.
@Suite struct HostileDocumentTests {
    @Test(arguments: [
        ("", "run.yaml is empty: it needs at least the key data"),
        ("# nothing\n", "run.yaml is empty: it needs at least the key data"),
        ("- 1\n- 2", "run.yaml holds a list, wanted keys such as `steps: 30000`"),
        ("hello", "run.yaml holds the text \"hello\", wanted keys such as `steps: 30000`"),
        ("seed: 1\nsteps: 3\nseed: 2", "key seed is given twice in run.yaml (line 1)"),
        ("seed: 1\n---\nseed: 2", "run.yaml holds more than one YAML document (line 2); a configuration is one"),
        ("steps: &n 3\nseed: *n", "run.yaml uses YAML anchors and aliases (&name, *name): write the values out"),
        ("? [a, b]\n: 3", "a list stands for a key in run.yaml (line 1), wanted a name"),
        (
            "\tseed: 1",
            "run.yaml is not valid YAML: found character that cannot start any token (line 1, column 1)"
        ),
    ])
    func refused(text: String, message: String) {
        #expect(complaint(text) == message)
    }

    @Test(arguments: ["[", "{", "- ", "? ", "[\n", "{a: ", "[{a: "])
    func deepNesting(opener: String) {
        #expect(complaint(String(repeating: opener, count: 100_000)).hasPrefix("run.yaml is nested too deeply"))
    }

    @Test func deepIndentation() {
        let text = (0..<1400).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
        #expect(complaint(text) == "run.yaml is nested too deeply (line 1000)")
    }

    @Test func nestingUnderTheParsersLimit() {
        #expect(
            complaint(String(repeating: "- ", count: 900))
                == "run.yaml holds a list, wanted keys such as `steps: 30000`")
        #expect(complaint("a: " + String(repeating: "[", count: 900)).hasPrefix("run.yaml is not valid YAML"))
    }

    @Test func aliasBomb() {
        var text = "a0: &a0 [x, x]\n"
        for level in 1..<60 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(complaint(text + "? *a59\n: 1\n").contains("anchors and aliases"))
    }

    @Test func theMessageStaysOnOneLine() {
        let long = String(repeating: "k", count: 5000)
        for text in ["\"a\\nb\\e[31m\": 3", "\(long): 3", "steps: \"\\r\\e]0;x\"", "\"\u{202E}x\": 1"] {
            let message = complaint(text)
            #expect(message.count < 600)  // the names of all keys, and little else
            #expect(!message.unicodeScalars.contains { $0.properties.generalCategory == .control })
            #expect(!message.unicodeScalars.contains("\u{202E}"))
        }
    }

    @Test func files() throws {
        try withTemporaryDirectory { folder in
            func complaint(_ path: String) -> String {
                do {
                    _ = try RunConfiguration.load(path: path)
                    return "(accepted)"
                } catch { return "\(error)" }
            }
            let path = folder + "/run.yaml"
            #expect(complaint(path) == "there is no file \(path)")
            #expect(complaint(folder) == "\(folder) is a folder, not a configuration file")
            try Data(repeating: 0x20, count: 1 << 20 + 1).write(to: URL(fileURLWithPath: path))
            #expect(complaint(path).hasPrefix("\(path) is larger than 1 MiB"))
            try Data([0x89, 0x48, 0x44, 0x46, 0xFF]).write(to: URL(fileURLWithPath: path))
            #expect(complaint(path) == "\(path) is not text in UTF-8; is it the right file?")
            try Data("\u{FEFF}data: x.h5\r\nseed: 3\r\n".utf8).write(to: URL(fileURLWithPath: path))
            #expect(try RunConfiguration.load(path: path).seed == 3)
        }
    }
}
