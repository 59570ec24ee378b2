import Configuration
import Files
import Storage

/// The settings in which two runs differ.
public struct RunDifference: Encodable {
    public struct Setting: Encodable, Equatable {
        /// The dotted key.
        public let key: String
        public let first: String
        public let second: String
    }

    /// Keys whose values differ, sorted, as `--set` takes them.
    public let settings: [Setting]
    /// Fingerprints of the data sets, where they differ.
    public let dataFingerprints: [String]?
    /// The versions that wrote them, where they differ.
    public let versions: [String]?

    /// Whether they are the same but for the version.
    public var isSame: Bool { settings.isEmpty && dataFingerprints == nil }

    /// Compares what two checkpoints say of their runs.
    ///
    /// - Parameter names: what messages call them.
    /// - Throws: `ConfigurationError` where a configuration cannot be read.
    public init(_ first: CheckpointHeader, _ second: CheckpointHeader, names: (String, String)) throws {
        let one = try RunConfiguration(json: first.config, name: names.0)
        let other = try RunConfiguration(json: second.config, name: names.1)
        settings = ConfigurationKey.all.sorted { $0.name < $1.name }.compactMap { key in
            let (before, now) = (key.text(in: one), key.text(in: other))
            return before.hasSameBytes(as: now) ? nil : Setting(key: key.name, first: before, second: now)
        }
        func pair(_ values: [String]) -> [String]? { values[0] == values[1] ? nil : values }
        dataFingerprints = pair([first.dataFingerprint, second.dataFingerprint])
        versions = pair([first.version, second.version])
    }

    /// A line a setting, with the names of both runs above.
    public func text(_ names: (String, String)) -> String {
        var rows = settings.map { [$0.key, $0.first, $0.second] }
        if let dataFingerprints {
            rows.append(["(content of the data)"] + dataFingerprints.map { String($0.prefix(12)) })
        }
        if let versions { rows.append(["(written by smd)"] + versions) }
        if rows.isEmpty { return "all settings are the same" }
        return aligned([["", names.0, names.1]] + rows).split(separator: "\n").map { printable($0) }.joined(
            separator: "\n")
    }
}
