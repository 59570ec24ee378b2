import Files
import Foundation

/// Where the labels of images come from.
public enum LabelRule: Equatable, Sendable {
    /// `dataset.json` where the source has one; otherwise the source's own labels, or its sub-folders of the first level.
    case automatic
    /// A list of names and labels: CSV, or JSON as StyleGAN and EDM have it.
    case list(String)
    /// The first group of a regular expression, or all that it matches, in the name of an image.
    case pattern(String)
    case none

    /// The largest list that is read.
    static let maximumListBytes = 1 << 30
}

/// A label for each of some images.
struct AssignedLabels {
    /// By place among the images; empty where there are no labels.
    var numbers: [Int32]
    /// Names of the labels 0, 1, …; nil where they are numbers only.
    var names: [String]?
}

/// What becomes of the names of images, by a ``LabelRule``.
struct LabelAssignment {
    let source: any ImageSource
    let rule: LabelRule
    let strict: Bool

    /// Labels of the images at `places`, all of which can be read.
    ///
    /// - Throws: ``DataSetError`` where an image has no label, or a list or pattern is wrong.
    func labels(of places: [Int], warn: (String) -> Void) throws -> AssignedLabels? {
        switch rule {
        case .none: return nil
        case .pattern(let pattern): return try named(places, by: matcher(pattern))
        case .list(let path):
            let bytes = try readFile(path, atMost: LabelRule.maximumListBytes)
            return try listed(places, LabelList(bytes, name: path), name: path, warn)
        case .automatic:
            if let bytes = try source.companion("dataset.json") {
                let name = "\(source.path)/dataset.json"
                let list = try LabelList(bytes, name: name)
                if !list.labels.isEmpty { return try listed(places, list, name: name, warn) }
            }
            switch source.labels {
            case .none: return nil
            case .numbers(let numbers, let names):
                return AssignedLabels(numbers: places.map { Int32(numbers[$0]) }, names: names)
            case .byFolder: return try byFolder(places, warn)
            }
        }
    }

    /// Only images that can be read count: any other file, and a folder without images, is of no class.
    private func byFolder(_ places: [Int], _ warn: (String) -> Void) throws -> AssignedLabels? {
        let folders = Set(places.compactMap { source.name($0).firstFolder })
        if folders.isEmpty { return nil }
        guard let loose = places.first(where: { source.name($0).firstFolder == nil }) else {
            return try named(places) { source.name($0).firstFolder }
        }
        let sorted = folders.sorted()
        let names = sorted.prefix(3).map(\.description).joined(separator: ", ") + (sorted.count > 3 ? ", …" : "")
        let line =
            "\(BytePath(source.path)): only some images lie in sub-folders (\(names)), others beside them "
            + "(\(source.name(loose))): which class the latter have is not known, so no labels are written; for labels, "
            + "move them into sub-folders"
        if strict { throw DataSetError(line) }
        warn(line)
        return nil
    }

    /// Classes in the order of the bytes of their names; the first is label 0.
    private func named(_ places: [Int], by name: (Int) throws -> BytePath?) throws -> AssignedLabels {
        let found = try places.map { place in
            guard let label = try name(place) else {
                throw DataSetError("\(source.path): \(source.name(place)) gets no label by the pattern")
            }
            return label
        }
        let names = Set(found).sorted()
        let number = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
        return AssignedLabels(numbers: found.map { number[$0] ?? 0 }, names: names.map(\.nameText))
    }

    private func matcher(_ pattern: String) throws -> (Int) throws -> BytePath? {
        let regex: Regex<AnyRegexOutput>
        do {
            regex = try Regex(pattern)
        } catch {
            throw DataSetError("--label-pattern \(pattern): not a regular expression: \(error)", status: .usage)
        }
        return { place in
            let name = source.name(place).nameText
            guard let match = try regex.firstMatch(in: name) else { return nil }
            let text = match.output.count > 1 ? match.output[1].substring : match.output[0].substring
            return text.map { BytePath(String($0)) }
        }
    }

    private func listed(
        _ places: [Int], _ list: LabelList, name: String, _ warn: (String) -> Void
    ) throws -> AssignedLabels {
        var missing: [Int] = []
        let found = places.map { place in
            let label = list.labels[source.name(place)]
            if label == nil { missing.append(place) }
            return label ?? ""
        }
        if let first = missing.first {
            throw DataSetError(
                "\(name): has no label for \(missing.count) of \(places.count) images, such as \(source.name(first)); "
                    + "names are paths from \(source.path)")
        }
        let further = list.labels.count - places.count
        if further > 0 { warn("\(name): \(further) of its \(list.labels.count) names are no images of the data set") }
        let numbers = found.map { Int32($0) }
        if !numbers.contains(nil) { return AssignedLabels(numbers: numbers.compactMap { $0 }, names: nil) }
        let names = Set(found.map { BytePath($0) }).sorted()
        let number = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
        return AssignedLabels(numbers: found.map { number[BytePath($0)] ?? 0 }, names: names.map(\.nameText))
    }
}

/// Names of images with a label each: lines `name,label`, or `{"labels": [["name", 7], …]}`.
struct LabelList {
    private(set) var labels: [BytePath: String] = [:]

    init(_ bytes: [UInt8], name: String) throws {
        if bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "{") {
            try readJSON(bytes, name)
        } else {
            try readCSV(bytes, name)
        }
    }

    private mutating func readJSON(_ bytes: [UInt8], _ name: String) throws {
        guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
            let value = object["labels"]
        else { throw DataSetError("\(name): not a JSON object with \"labels\": [[\"name\", 0], …]") }
        if value is NSNull { return }
        guard let rows = value as? [Any] else { throw DataSetError("\(name): \"labels\" is no list") }
        for (index, row) in rows.enumerated() {
            guard let pair = row as? [Any], pair.count == 2, let file = pair[0] as? String else {
                throw DataSetError("\(name): entry \(index) of \"labels\" is not [\"name\", label]")
            }
            switch pair[1] {
            case let text as String: labels[BytePath(file)] = text
            case let number as NSNumber where number.doubleValue == Double(number.intValue):
                labels[BytePath(file)] = "\(number.intValue)"
            default: throw DataSetError("\(name): the label of \(file.prefix(80)) is neither an integer nor a text")
            }
        }
    }

    private mutating func readCSV(_ bytes: [UInt8], _ name: String) throws {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let line = line.last == 0x0D ? line.dropLast() : line
            if line.isEmpty { continue }
            guard let fields = Self.fields(line), fields.count == 2 else {
                throw DataSetError("\(name):\(index + 1): not a line \"name,label\"")
            }
            let label = String(decoding: fields[1], as: UTF8.self)
            // A title, as spreadsheets have it.
            if index == 0, label.lowercased() == "label" || label.lowercased() == "class" { continue }
            let file = BytePath(bytes: fields[0])
            if let other = labels[file], other != label {
                throw DataSetError("\(name):\(index + 1): \(file) has the label \(label), before it had \(other)")
            }
            labels[file] = label
        }
    }

    /// RFC 4180: a field may stand in quotes, and a quote in it twice.
    private static func fields(_ line: ArraySlice<UInt8>) -> [[UInt8]]? {
        let quote = UInt8(ascii: "\"")
        var fields: [[UInt8]] = [[]]
        var quoted = false
        var index = line.startIndex
        while index < line.endIndex {
            let byte = line[index]
            let next = line.index(after: index)
            if byte == quote, quoted, next < line.endIndex, line[next] == quote {
                fields[fields.count - 1].append(quote)
                index = next
            } else if byte == quote {
                quoted.toggle()
            } else if byte == UInt8(ascii: ","), !quoted {
                fields.append([])
            } else {
                fields[fields.count - 1].append(byte)
            }
            index = line.index(after: index)
        }
        return quoted ? nil : fields
    }
}
