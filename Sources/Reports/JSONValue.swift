import Foundation

/// Any JSON.
enum JSONValue: Decodable {
    case null
    case truth(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let truth = try? value.decode(Bool.self) {
            self = .truth(truth)
        } else if let integer = try? value.decode(Int.self) {
            self = .integer(integer)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([JSONValue].self) {
            self = .list(list)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    private static let shownEntries = 16

    /// What is in it, a row each: names with dots where objects are nested; a list of single values is one row.
    func flattened(_ name: String) -> [(name: String, value: String)] {
        switch self {
        case .object(let members): return members.sorted { $0.key < $1.key }.flatMap { $1.flattened(name + "." + $0) }
        case .list(let entries):
            let texts = entries.compactMap(\.text)
            guard texts.count == entries.count else {
                return entries.enumerated().flatMap { $1.flattened("\(name).\($0)") }
            }
            let shown = texts.prefix(Self.shownEntries).joined(separator: ", ")
            return [(name, texts.count > Self.shownEntries ? "\(shown), … (\(texts.count) in all)" : shown)]
        case .null, .truth, .integer, .number, .text: return [(name, text ?? "")]
        }
    }

    /// A single value in words; nil for what holds others.
    private var text: String? {
        switch self {
        case .null: "—"
        case .truth(let truth): "\(truth)"
        case .integer(let integer): "\(integer)"
        case .number(let number): String(format: "%.6g", number)
        case .text(let text): text
        case .list, .object: nil
        }
    }
}
