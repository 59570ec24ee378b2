import Arrays
import NeuralNetwork
import TensorGraph

/// Where files of others keep the parameters of a first stage: diffusers under our names, diffusers before 0.17 with other
/// names in attention, and CompVis under its own, in whole models behind `first_stage_model.`.
struct FirstStageNames {
    private let file: SafeTensors
    private let levels: Int
    private let isCompVis: Bool
    /// What names of a first stage begin with in a file of a whole model.
    private let prefix: String

    init(_ file: SafeTensors, _ sizes: AutoencoderSizes) {
        self.file = file
        levels = sizes.channels.count
        let whole = "first_stage_model."
        prefix = file.entries.keys.contains { $0.hasPrefix(whole + "encoder.") } ? whole : ""
        isCompVis = file.entries.keys.contains("\(prefix)encoder.mid.block_1.norm1.weight")
    }

    /// Names of the file that are not of its first stage.
    var others: [String] { file.entries.keys.filter { !$0.hasPrefix(prefix) || $0 == "\(prefix)logvar" || isLoss($0) } }

    /// What CompVis trains a first stage by.
    private func isLoss(_ name: String) -> Bool { name.hasPrefix("\(prefix)loss.") }

    /// The name in the file of the parameter `name`; nil where it is not there and need not be.
    func theirs(_ name: String) -> String? {
        let found = prefix + (isCompVis ? compVis(name) : name)
        if file.entries[found] != nil { return found }
        let old = Self.replaced(
            found, ["to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"], in: ".attentions.0.")
        if file.entries[old] != nil { return old }
        return Self.mayLack(name) ? nil : found
    }

    /// The values of a parameter that is not in the file: of 1×1 convolutions that leave everything as it is.
    static func identity(_ shape: [Int]) -> [Float] {
        let width = shape[0]
        return shape.count == 1
            ? [Float](repeating: 0, count: width) : (0..<width * width).map { $0 % (width + 1) == 0 ? 1 : 0 }
    }

    /// Whether a first stage may be without it (`use_quant_conv`, `use_post_quant_conv`).
    private static func mayLack(_ name: String) -> Bool {
        name.hasPrefix("quant_conv.") || name.hasPrefix("post_quant_conv.")
    }

    private func compVis(_ name: String) -> String {
        var name = name
        name = Self.replaced(
            name, ["group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"],
            in: ".attentions.0.")
        if let match = name.prefixMatch(of: /decoder\.up_blocks\.(\d+)\./), let stage = Int(match.1) {
            name = "decoder.up.\(levels - 1 - stage)." + name[match.range.upperBound...]
        }
        let words = [
            (".down_blocks.", ".down."), (".resnets.", ".block."), (".downsamplers.0.", ".downsample."),
            (".upsamplers.0.", ".upsample."), (".conv_shortcut.", ".nin_shortcut."),
            (".mid_block.block.0.", ".mid.block_1."), (".mid_block.block.1.", ".mid.block_2."),
            (".mid_block.attentions.0.", ".mid.attn_1."), (".conv_norm_out.", ".norm_out."),
        ]
        return words.reduce(name) { $0.replacing($1.0, with: $1.1) }
    }

    /// `name` with the word behind `place` exchanged.
    private static func replaced(_ name: String, _ words: [String: String], in place: String) -> String {
        guard let range = name.firstRange(of: place) else { return name }
        let rest = String(name[range.upperBound...])
        guard let word = words.keys.first(where: { rest.hasPrefix($0 + ".") }), let other = words[word] else {
            return name
        }
        return name[..<range.upperBound] + other + rest.dropFirst(word.count)
    }
}
