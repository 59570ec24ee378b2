import Foundation
import Yams

/// Bytes of configuration text that are read at most: a file beyond this is not one of ours.
let maximumConfigurationBytes = 1 << 20

/// Reads a configuration file.
///
/// - Throws: `ConfigurationError` for a file that is missing, unreadable, a folder, over 1 MiB or not UTF-8.
func readConfigurationText(path: String) throws -> String {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw ConfigurationError("there is no file \(path)")
    }
    guard !isFolder.boolValue else { throw ConfigurationError("\(path) is a folder, not a configuration file") }
    let bytes: Data
    do {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        bytes = try file.read(upToCount: maximumConfigurationBytes + 1) ?? Data()
    } catch {
        throw ConfigurationError("cannot read \(path): \(reason(of: error))")
    }
    guard bytes.count <= maximumConfigurationBytes else {
        throw ConfigurationError("\(path) is larger than 1 MiB, which no configuration is; is it the right file?")
    }
    guard let text = String(data: bytes, encoding: .utf8), !text.unicodeScalars.contains("\0") else {
        throw ConfigurationError("\(path) is not text in UTF-8; is it the right file?")
    }
    return text
}

/// The system's reason inside a Foundation error.
private func reason(of error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
    return (underlying ?? error as NSError).localizedDescription
}

/// Parses one YAML document. `name` stands for the text in messages.
///
/// - Returns: The root, or nil when the text holds nothing but comments.
/// - Throws: `ConfigurationError` with the line.
func parseYAML(_ text: String, name: String) throws -> Node? {
    guard text.utf8.count <= maximumConfigurationBytes else {
        throw ConfigurationError("\(name) is larger than 1 MiB, which no configuration is")
    }
    try refuseAliases(text, name: name)
    do {
        return try Yams.compose(yaml: text)
    } catch let error as YamlError {
        throw ConfigurationError(describe(error, name: name))
    }
}

/// Refuses aliases to anchors before the parser sees them. Inside a mapping's key the parser hashes what they stand
/// for, which takes exponential time for nested ones, and no configuration needs them. (The parser itself bounds the
/// depth of nesting.)
private func refuseAliases(_ text: String, name: String) throws {
    var hasAnchor = false
    var hasAlias = false
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
        if line.first(where: { $0 != UInt8(ascii: " ") }) == UInt8(ascii: "#") { continue }
        var startsToken = true
        for (byte, next) in zip(line, line.dropFirst()) {
            if startsToken && next > UInt8(ascii: " ") {
                hasAnchor = hasAnchor || byte == UInt8(ascii: "&")
                hasAlias = hasAlias || byte == UInt8(ascii: "*")
            }
            startsToken = byte <= UInt8(ascii: " ") || "[{,".utf8.contains(byte)
        }
    }
    guard !(hasAnchor && hasAlias) else {
        throw ConfigurationError("\(name) uses YAML anchors and aliases (&name, *name): write the values out")
    }
}

/// A parser's complaint as one line.
private func describe(_ error: YamlError, name: String) -> String {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _):
        if problem.hasPrefix("Maximum nesting level") { return "\(name) is nested too deeply (line \(mark.line))" }
        return "\(name) is not valid YAML: \(problem) (line \(mark.line), column \(mark.column))"
    case .composer(_, let problem, let mark, _):
        return problem.contains("another document")
            ? "\(name) holds more than one YAML document (line \(mark.line)); a configuration is one"
            : "\(name) is not valid YAML: \(problem) (line \(mark.line), column \(mark.column))"
    case .duplicatedKeysInMapping(let keys, let context):
        let first = oneLine(keys.sorted().first ?? "", limit: 60)
        return "key \(first) is given twice in \(name) (line \(context.mark.line))"
    case .reader(let problem, _, _, _):
        return "\(name) is not valid YAML: \(problem)"
    default:
        return "\(name) is not valid YAML: \(error)"
    }
}
