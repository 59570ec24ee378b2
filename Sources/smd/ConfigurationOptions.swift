import ArgumentParser
import Configuration

/// What commands that take a configuration share: the file or preset, and overrides.
struct ConfigurationOverrides: ParsableArguments {
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Override a key of the configuration, such as model.dim=64; repeatable.", valueName: "key=value"),
        completion: .keys)
    var overrides: [String] = []
}

extension RunConfiguration {
    /// Loads a file or a preset by name, with overrides.
    static func load(fileOrPreset: String, _ overrides: ConfigurationOverrides) throws -> RunConfiguration {
        try load(path: Preset.path(fileOrPreset), overrides: overrides.overrides)
    }
}
