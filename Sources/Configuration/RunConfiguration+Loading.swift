import Crypto
import Foundation
import NeuralNetwork
import Yams

extension RunConfiguration {
    /// The defaults, under the keys of a YAML file, under `--set` overrides; the last word wins.
    ///
    /// Only keys and types are checked here; `validate()` and `validate(ranks:)` check the values.
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
        var reader = try ConfigurationReader()
        try reader.read(document: text, name: name)
        for override in overrides { try reader.read(override: override) }
        return try reader.configuration()
    }

    /// Reads what `resolvedJSON()` wrote. Keys that are missing keep their defaults, so that checkpoints of an earlier
    /// version stay readable; unknown keys are refused. `name` stands for the text in messages.
    ///
    /// - Throws: `ConfigurationError`.
    public init(json: String, name: String = "the stored configuration") throws {
        self = try RunConfiguration.load(text: json, name: name)
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
        SHA256.hash(data: Data(try resolvedJSON().utf8)).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }

    /// The `model.…` settings whose values differ in a way that changes parameters or their meaning, sorted, each as
    /// "model.dim (64 here, 32 there)". Empty: a checkpoint of `other` fits this configuration.
    ///
    /// - Throws: As `resolvedJSON()`.
    public func architectureDifferences(from other: RunConfiguration) throws -> [String] {
        let here = try architecture()
        let there = try other.architecture()
        return Set(here.keys).union(there.keys).sorted().filter { here[$0] != there[$0] }.map { key in
            "\(key) (\(here[key] ?? "unused") here, \(there[key] ?? "unused") there)"
        }
    }

    /// Dotted model keys that shape the network, with their values as text.
    private func architecture() throws -> [String: String] {
        var normal = self
        if normal.model.fullAttention.isEmpty {  // the short way to write linear attention everywhere
            normal.model.fullAttention = Array(repeating: false, count: model.dimMults.count)
        }
        let root = try tree(of: normal)
        var result: [String: String] = [:]
        for key in try KeySchema.shared.get().kinds.keys where key.hasPrefix("model.") && key != "model.eta" {
            let isPartOfSMD =
                key.hasPrefix("model.identifier.") || ["model.latent_dim", "model.hypernet_layers"].contains(key)
            if isPartOfSMD && !model.smd { continue }
            result[key] = value(of: key, in: root).map(settingText)
        }
        return result
    }
}

/// A value as one would write it: `32`, `[1, 2, 2]`.
private func settingText(_ node: Node) -> String {
    node.scalar?.string ?? "[" + node.array().compactMap(\.scalar?.string).joined(separator: ", ") + "]"
}
