import NeuralNetwork
import Yams

/// One key of a configuration: a row of the table (`ConfigurationKey.all`), which holds all that is known about it.
public struct ConfigurationKey: Sendable {
    /// The dotted name, `model.dim`.
    public let name: String
    /// Unit of the value; empty where it has none.
    public let unit: String
    /// What another value means to a run that goes on from a checkpoint.
    public let rule: ResumeRule
    /// What it does, as one line of Markdown.
    public let meaning: String
    /// Whether it does nothing without the mixture.
    let needsMixture: Bool
    /// The backbone without which it does nothing, if there is one.
    public let backbone: Backbone?
    let value: KeyValue

    /// - Parameter meaning: one that ends in a colon is completed by the words of the choice.
    init(
        _ name: String, _ value: KeyValue, unit: String = "", _ rule: ResumeRule, needsMixture: Bool = false,
        only backbone: Backbone? = nil, _ meaning: String
    ) {
        (self.name, self.value, self.unit, self.rule) = (name, value, unit, rule)
        let words = (value.choices ?? []).map { "`\($0)`" }.joined(separator: ", ")
        self.meaning = meaning.hasSuffix(":") ? "\(meaning) \(words)." : meaning
        (self.needsMixture, self.backbone) = (needsMixture, backbone)
    }

    /// Whether it does something in a network of these settings.
    func counts(in model: ModelConfiguration) -> Bool {
        (model.smd || !needsMixture) && (backbone == nil || backbone == model.backbone)
    }

    /// The words that a choice accepts; nil where the value is none.
    public var choices: [String]? { value.choices }

    /// The value in a configuration: a number, a truth value, a text or a list; of a choice its word.
    public func value(in configuration: RunConfiguration) -> Any { value.read(configuration) }

    /// The value in a configuration as `--set` takes it: `32`, `[1, 2, 2]`.
    public func text(in configuration: RunConfiguration) -> String { "\(value.read(configuration))" }

    /// What is wanted, for messages: "an integer", "one of normal, zero".
    var wanted: String { choices.map { "one of \($0.joined(separator: ", "))" } ?? value.kind.phrase }
}

/// What a key holds.
indirect enum ValueKind: Equatable, Sendable {
    case boolean, integer, number, text
    /// A path of a file, which may begin with `~`.
    case path
    case list(ValueKind)

    /// "an integer".
    var phrase: String {
        switch self {
        case .boolean: "true or false"
        case .integer: "an integer"
        case .number: "a number"
        case .text, .path: "text"
        case .list(.integer): "a list of integers, such as [1, 2, 2]"
        case .list(.number): "a list of numbers, such as [0.05, 0.1]"
        case .list(.boolean): "a list of true and false, such as [false, true]"
        case .list(let element): "a list, each entry \(element.phrase)"
        }
    }
}

/// Where the value of a key lies in a configuration, and what it can be.
struct KeyValue: Sendable {
    typealias Path<Value> = WritableKeyPath<RunConfiguration, Value> & Sendable

    let kind: ValueKind
    let choices: [String]?
    /// The value; of a choice its word.
    let read: @Sendable (RunConfiguration) -> any Encodable & Sendable
    /// Puts a node of this kind into a configuration; throws where the type cannot hold it.
    let write: @Sendable (Node, inout RunConfiguration) throws -> Void
    /// What is wrong with the value, "is 0, wanted …"; nil where nothing is.
    let problem: @Sendable (RunConfiguration) -> String?

    private init<Value: Codable & Sendable>(
        _ kind: ValueKind, _ path: Path<Value>, choices: [String]? = nil,
        problem: @escaping @Sendable (Value) -> String? = { _ in nil },
        as form: @escaping @Sendable (Value) -> any Encodable & Sendable = { $0 }
    ) {
        (self.kind, self.choices) = (kind, choices)
        read = { form($0[keyPath: path]) }
        write = { $1[keyPath: path] = try YAMLDecoder().decode(Value.self, from: $0) }
        self.problem = { problem($0[keyPath: path]) }
    }

    static func boolean(_ path: Path<Bool>) -> KeyValue { KeyValue(.boolean, path) }
    static func booleans(_ path: Path<[Bool]>) -> KeyValue { KeyValue(.list(.boolean), path) }
    /// A text that `fault` says what is wrong with.
    static func text(
        _ path: Path<String>, fault: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> KeyValue { KeyValue(.text, path, problem: fault) }
    static func path(_ path: Path<String>) -> KeyValue { KeyValue(.path, path) }
    /// Any number of 64 bits.
    static func seed(_ path: Path<UInt64>) -> KeyValue { KeyValue(.integer, path) }

    static func integer(_ path: Path<Int>, _ range: ClosedRange<Int>? = nil) -> KeyValue {
        KeyValue(.integer, path, problem: { value in range.flatMap { outside($0, value) } })
    }

    static func integers(_ path: Path<[Int]>, each range: ClosedRange<Int>) -> KeyValue {
        KeyValue(.list(.integer), path, problem: { $0.lazy.compactMap { outside(range, $0) }.first })
    }

    static func numbers(_ path: Path<[Double]>, each range: ClosedRange<Double>) -> KeyValue {
        KeyValue(
            .list(.number), path,
            problem: { values in
                values.first { !range.contains($0) }.map {
                    "is \($0), wanted a number from \(range.lowerBound) to \(range.upperBound)"
                }
            })
    }

    /// A number for which `holds`; `wanted` ends the message about another.
    static func number(
        _ path: Path<Double>, _ wanted: String, where holds: @escaping @Sendable (Double) -> Bool
    ) -> KeyValue {
        KeyValue(.number, path, problem: { holds($0) ? nil : "is \($0)\(wanted)" })
    }

    static func number(_ path: Path<Double>, above lower: Double, upTo upper: Double) -> KeyValue {
        number(path, ", wanted a number above \(lower), at most \(upper)") { $0 > lower && $0 <= upper }
    }

    /// A share that is kept from one step to the next.
    static func decay(_ path: Path<Double>) -> KeyValue {
        number(path, ", wanted 0 or more and below 1") { $0 >= 0 && $0 < 1 }
    }

    /// One word of an enumeration.
    static func choice<Value: Codable & CaseIterable & RawRepresentable<String> & Sendable>(
        _ path: Path<Value>
    ) -> KeyValue {
        KeyValue(.text, path, choices: Value.allCases.map(\.rawValue), as: { $0.rawValue })
    }

    private static func outside(_ range: ClosedRange<Int>, _ value: Int) -> String? {
        range.contains(value) ? nil : "is \(value), wanted an integer from \(range.lowerBound) to \(range.upperBound)"
    }
}
