import Diffusion
import NeuralNetwork
import enum TensorGraph.Precision
import Yams

/// What a key holds.
indirect enum ValueKind: Equatable, Sendable {
    case boolean, integer, number, text
    case list(ValueKind)

    /// "an integer".
    var phrase: String {
        switch self {
        case .boolean: "true or false"
        case .integer: "an integer"
        case .number: "a number"
        case .text: "text"
        case .list(.integer): "a list of integers, such as [1, 2, 2]"
        case .list(.boolean): "a list of true and false, such as [false, true]"
        case .list(let element): "a list, each entry \(element.phrase)"
        }
    }
}

/// Every key of `RunConfiguration` with its kind, read off an encoded example: the structs stay the only list.
struct KeySchema: Sendable {
    /// The schema, made once. The failure is kept too: it could only be a value that YAML cannot hold.
    static let shared = Result { try KeySchema() }

    /// Dotted keys that hold a value.
    let kinds: [String: ValueKind]
    /// Dotted names of the groups of keys.
    let sections: Set<String>

    private init() throws {
        var example = RunConfiguration()
        example.data = "data.h5"
        example.model.fullAttention = [true]  // an empty list would not tell what it holds
        var kinds: [String: ValueKind] = [:]
        var sections: Set<String> = []
        func walk(_ node: Node, at path: String) {
            guard case .mapping(let mapping) = node else {
                kinds[path] = Self.kind(of: node)
                return
            }
            if !path.isEmpty { sections.insert(path) }
            for (key, value) in mapping {
                walk(value, at: joined(path, key.string ?? ""))
            }
        }
        walk(try tree(of: example), at: "")
        self.kinds = kinds
        self.sections = sections
    }

    private static func kind(of node: Node) -> ValueKind {
        if case .sequence(let list) = node { return .list(list.first.map(kind) ?? .text) }
        return switch Resolver.default.resolveTag(of: node) {
        case .bool: .boolean
        case .int: .integer
        case .float: .number
        default: .text
        }
    }

    /// The words a text key accepts, for messages; nil when any text will do.
    static func choices(for key: String) -> [String]? {
        switch key {
        case "precision": Precision.allCases.map(\.rawValue)
        case "reduction": Reduction.allCases.map(\.rawValue)
        case "on_bad_step": BadStepPolicy.allCases.map(\.rawValue)
        case "model.eta": EtaDistribution.allCases.map(\.rawValue)
        case "diffusion.objective": Objective.allCases.map(\.rawValue)
        case "diffusion.schedule": ScheduleKind.allCases.map(\.rawValue)
        case "diffusion.sampler": SamplerKind.allCases.map(\.rawValue)
        default: nil
        }
    }

    /// Keys that hold a path.
    static let paths: Set = ["data"]

    /// The key most likely meant by `unknown`, if one is near.
    func nearest(to unknown: String) -> String? {
        let wanted = lastComponent(unknown)
        let section = unknown.dropLast(wanted.count)
        func distance(_ candidate: String) -> Int {
            let name = lastComponent(candidate)
            let moved = candidate.dropLast(name.count) == section ? 0 : 1
            let initials = String(name.split(separator: "_").compactMap(\.first))
            let isPart = min(name.count, wanted.count) >= 4 && (name.contains(wanted) || wanted.contains(name))
            if initials.count > 1 && initials == wanted { return 1 + moved }
            return min(editDistance(unknown, candidate), editDistance(wanted, name) + moved, isPart ? 2 + moved : .max)
        }
        let ranked = (Array(kinds.keys) + sections).map { (distance($0), $0) }.sorted { $0 < $1 }
        guard let (best, key) = ranked.first, best <= max(1, min(wanted.count / 2, 4)) else { return nil }
        return key
    }

    /// The names directly inside a section, sorted; "" is the top level.
    func names(inside section: String) -> [String] {
        let prefix = section.isEmpty ? "" : section + "."
        return (Array(kinds.keys) + sections).filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
            .filter { !$0.contains(".") }.sorted()
    }
}

/// A configuration as a YAML tree.
func tree(of configuration: RunConfiguration) throws -> Node {
    let text = try YAMLEncoder().encode(configuration)
    guard let node = try Yams.compose(yaml: text) else { throw ConfigurationError("the configuration is empty") }
    return node
}

/// The value of a dotted key in a configuration's tree.
func value(of key: String, in root: Node) -> Node? {
    key.split(separator: ".").reduce(Optional(root)) { node, name in node?[String(name)] }
}

/// `section.name`, or `name` at the top level.
func joined(_ section: String, _ name: String) -> String {
    section.isEmpty ? name : section + "." + name
}

private func lastComponent(_ key: String) -> String {
    String(key.split(separator: ".", omittingEmptySubsequences: false).last ?? "")
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
func editDistance(_ first: String, _ second: String) -> Int {
    let a = Array(first.prefix(100))
    let b = Array(second.prefix(100))
    var rows = [Array(0...b.count)]
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var best = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[a.count][b.count]
}
