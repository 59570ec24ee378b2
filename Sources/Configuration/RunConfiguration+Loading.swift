import Crypto
import Files
import Foundation
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
        var reader = ConfigurationReader(expandsHome: expandsHome)
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

    /// The keys of a section, or of all, as a tree.
    private func tree(of section: String) -> JSONTree {
        let pairs = ConfigurationKey.names(inside: section).map { name in
            let key = joined(section, name)
            return (name, ConfigurationKey.byName[key].map { .value($0.value.read(self)) } ?? tree(of: key))
        }
        return .section(Dictionary(uniqueKeysWithValues: pairs))
    }

    /// The same with settings of the sampler laid over, `key=value` each.
    ///
    /// - Throws: `ConfigurationError`, also for a key that a trained network does not leave open.
    public func sampling(overrides: [String]) throws -> RunConfiguration {
        let changed = try RunConfiguration.load(
            text: resolvedJSON(), name: "the checkpoint", overrides: overrides, expandsHome: false)
        let open = ConfigurationKey.sampler.map(\.name)
        if let change = changed.changes(since: self, sameData: true).first(where: { !open.contains($0.key) }) {
            throw ConfigurationError(
                "--set \(change.key): a checkpoint is sampled as it was trained; what can be set is "
                    + open.joined(separator: ", "))
        }
        return changed
    }

    /// Every dotted key with its value as `--set` takes it, sorted by key.
    public func settings() -> [(key: String, value: String)] {
        ConfigurationKey.all.map { ($0.name, $0.text(in: self)) }.sorted { $0.key < $1.key }
    }

    /// SHA-256 of `resolvedJSON()` in hex: ranks compare it at start.
    ///
    /// - Throws: As `resolvedJSON()`.
    public func digest() throws -> String {
        SHA256.hash(data: Data(try resolvedJSON().utf8)).hexadecimal
    }
}

extension RunConfiguration: Encodable {
    public func encode(to encoder: any Encoder) throws { try tree(of: "").encode(to: encoder) }
}

/// What JSON is made of.
private enum JSONTree: Encodable {
    case value(any Encodable)
    case section([String: JSONTree])

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .value(let value): try value.encode(to: encoder)
        case .section(let members): try members.encode(to: encoder)
        }
    }
}
