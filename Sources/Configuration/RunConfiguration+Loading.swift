import Crypto
import Files
import Foundation
import NeuralNetwork
import Yams

extension RunConfiguration {
    /// The defaults, under the keys of a YAML file, under `--set` overrides; the last word wins.
    ///
    /// Only keys and types are checked here; `validate()` and `validate(ranks:)` check the values. A path that begins
    /// with `~/` is one in the home folder.
    ///
    /// - Parameters:
    ///   - path: The YAML file.
    ///   - overrides: `key=value` each, the key dotted, the value as in YAML; a list may leave out its brackets.
    /// - Throws: `ConfigurationError` with the key, the file and the line.
    public static func load(path: String, overrides: [String] = []) throws -> RunConfiguration {
        try load(text: readConfigurationText(path: path), name: path, overrides: overrides)
    }

    /// As `load(path:overrides:)`, with the text of the file given; `name` stands for it in messages.
    public static func load(text: String, name: String, overrides: [String] = []) throws -> RunConfiguration {
        try load(text: text, name: name, overrides: overrides, expandsHome: true)
    }

    private static func load(
        text: String, name: String, overrides: [String], expandsHome: Bool
    ) throws -> RunConfiguration {
        var reader = try ConfigurationReader(expandsHome: expandsHome)
        try reader.read(document: text, name: name)
        for override in overrides { try reader.read(override: override) }
        return try reader.configuration()
    }

    /// Reads what `resolvedJSON()` wrote. Keys that are missing keep their defaults, so that checkpoints of an earlier
    /// version stay readable; unknown keys are refused. `name` stands for the text in messages.
    ///
    /// - Throws: `ConfigurationError`.
    public init(json: String, name: String = "the stored configuration") throws {
        self = try RunConfiguration.load(text: json, name: name, overrides: [], expandsHome: false)
    }

    /// Every key with its value as one line of JSON, keys sorted: the same text for the same configuration.
    ///
    /// - Throws: `ConfigurationError` when a value is not finite, which `validate()` refuses too.
    public func resolvedJSON() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        } catch {
            throw ConfigurationError("the configuration holds a number that is not finite")
        }
    }

    /// Every dotted key with its value as `--set` takes it, sorted by key.
    ///
    /// - Throws: `ConfigurationError` when it cannot be encoded.
    public func settings() throws -> [(key: String, value: String)] {
        let root = try tree(of: self)
        return try KeySchema.shared.get().kinds.sorted { $0.key < $1.key }.map { key, kind in
            let text = value(of: key, in: root).map(settingText) ?? ""
            // As Swift writes it: 0.0001 rather than the YAML encoder's 1e-4.
            return (key, kind == .number ? Double(text).map { "\($0)" } ?? text : text)
        }
    }

    /// SHA-256 of `resolvedJSON()` in hex: ranks compare it at start.
    ///
    /// - Throws: As `resolvedJSON()`.
    public func digest() throws -> String {
        SHA256.hash(data: Data(try resolvedJSON().utf8)).hexadecimal
    }
}

/// A value as one would write it: `32`, `[1, 2, 2]`.
private func settingText(_ node: Node) -> String {
    node.scalar?.string ?? "[" + node.array().compactMap(\.scalar?.string).joined(separator: ", ") + "]"
}
