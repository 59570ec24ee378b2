import Foundation
import TestSupport

/// Runs the built `smd` with `arguments`, with its output in files.
func smd(
    _ arguments: [String], environment: [String: String] = [:]
) throws -> (status: Int32, output: String, errors: String) {
    try run([product("smd")] + arguments, environment: environment, timeout: 60)
}

/// True when `text` could move a cursor, colour a log or ring a bell.
func hasControlCharacters(_ text: String) -> Bool {
    text.unicodeScalars.contains { $0 != "\n" && $0.properties.generalCategory == .control }
}

/// The object that a command wrote as JSON.
func object(_ json: String) throws -> [String: Any] {
    try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] ?? [:]
}

/// A network for points of the plane, in YAML.
let smallPointModel =
    "{size: 1, channels: 2, dim: 8, groups: 4, dim_mults: [1], heads: 1, head_dim: 8, latent_dim: 8, "
    + "identifier: {dim: 8, dim_mults: [1]}}"
