import ArgumentParser
import Configuration
import Files
import Foundation
import Reports
import Storage

// What a shell may offer for a word, found out when somebody asks: keys, presets, columns.

extension CompletionKind {
    /// `key=value` of the table of keys.
    static let keys = CompletionKind.custom { _, _, prefix in offered(keySettings(prefix, of: ConfigurationKey.all)) }

    /// The same of the keys that sampling knows.
    static let samplerKeys = CompletionKind.custom { _, _, prefix in
        offered(keySettings(prefix, of: ConfigurationKey.sampler))
    }

    /// Presets and YAML files.
    static let configurations = CompletionKind.custom { _, _, prefix in
        offered(Preset.names + paths(unquoted(prefix), endingIn: ".yaml"))
    }

    /// Names of columns, separated by commas, of the metrics that the command line names.
    static let columns = CompletionKind.custom { words, index, prefix in
        offered(columnLists(unquoted(prefix), words: words.indices.filter { $0 != index }.map { unquoted(words[$0]) }))
    }
}

/// "key=" of all keys, or "key=value" of those values that go without saying: the words of a choice, true and false, or
/// else the default.
private func keySettings(_ prefix: String, of keys: [ConfigurationKey]) -> [String] {
    let prefix = unquoted(prefix)
    guard let equals = prefix.firstIndex(of: "=") else { return keys.map { $0.name + "=" } }
    guard let key = keys.first(where: { $0.name.hasSameBytes(as: prefix[..<equals]) }) else { return [] }
    let defaults = RunConfiguration()
    let values =
        key.choices ?? (key.value(in: defaults) is Bool ? ["true", "false"] : [key.text(in: defaults)])
    return values.filter { !$0.isEmpty }.map { "\(key.name)=\($0)" }
}

/// Folders, and files of a kind, whose paths begin with `prefix`.
private func paths(_ prefix: String, endingIn suffix: String) -> [String] {
    let folder = prefix.contains("/") ? String(prefix[...(prefix.lastIndex(of: "/") ?? prefix.startIndex)]) : ""
    let names = (try? namesInFolder(BytePath(folder.isEmpty ? "." : folder))) ?? []
    return names.compactMap { name in
        guard !name.isHiddenName, let text = String(validating: name.bytes, as: UTF8.self) else { return nil }
        if isFolder(folder + text) { return folder + text + "/" }
        return text.hasBytes(suffix: suffix) ? folder + text : nil
    }
}

/// The columns of the first run among `words`, each behind those that `prefix` has already.
private func columnLists(_ prefix: String, words: [String]) -> [String] {
    let file = words.lazy.filter { isFolder($0) || $0.hasBytes(suffix: ".h5") }.compactMap { try? metricsFile($0) }
        .first
    guard let file, let table = try? triedMetrics(file) else { return [] }
    let comma = prefix.lastIndex(of: ",")
    let before = comma.map { String(prefix[...$0]) } ?? ""
    let taken = Set(columnNames(before))
    return table.columns.filter { $0 != MetricsWriter.stepColumn && !taken.contains($0) }.map { before + $0 }
}

/// Only what means itself to a shell: bash expands what it is offered, and names in a file may be anything.
private func offered(_ words: [String]) -> [String] {
    words.filter { word in
        word.utf8.allSatisfy { byte in
            let scalar = Unicode.Scalar(byte)
            return scalar.isASCII && scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                || "-_./=+,:@%".unicodeScalars.contains(scalar)
        }
    }
}

/// A word without the quotes and backslashes that it was typed with.
private func unquoted(_ word: String) -> String {
    var (text, quote, isEscaped) = ("", nil as Character?, false)
    for character in word {
        if isEscaped || (quote == "'" && character != "'") {
            (text, isEscaped) = (text + String(character), false)
        } else if character == "\\" {
            isEscaped = true
        } else if character == quote {
            quote = nil
        } else if quote == nil, character == "'" || character == "\"" {
            quote = character
        } else {
            text.append(character)
        }
    }
    return text
}
