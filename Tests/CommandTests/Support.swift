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
