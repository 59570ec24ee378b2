import Foundation
import Yams

/// Puts a configuration together: the defaults, then a document, then the overrides of the command line.
struct ConfigurationReader {
    /// Whether `~` in a path stands for the home folder.
    let expandsHome: Bool
    /// What was given for a dotted key, in canonical form, and where.
    private var given: [String: (value: Node, origin: Origin)] = [:]

    init(expandsHome: Bool) { self.expandsHome = expandsHome }

    /// Lays the keys of a YAML (or JSON) document over what is there.
    mutating func read(document: String, name: String) throws {
        guard let root = try parseYAML(document, name: name), !isNothing(root) else {
            throw ConfigurationError("\(name) is empty: it needs at least the key data")
        }
        guard case .mapping = root else {
            throw ConfigurationError("\(name) holds \(phrase(root)), wanted keys such as `steps: 30000`")
        }
        try read(root, section: "", origin: { Origin(name: name, line: $0.mark?.line) })
    }

    /// Lays one `key=value` over what is there.
    mutating func read(override: String) throws {
        guard let split = override.firstIndex(of: "=") else {
            throw ConfigurationError("--set \(oneLine(override, limit: 60)): wanted KEY=VALUE, such as model.dim=64")
        }
        let key = override[..<split].trimmingCharacters(in: .whitespaces)
        let text = override[override.index(after: split)...].trimmingCharacters(in: .whitespaces)
        let origin = Origin(name: "--set", line: nil)
        let node: Node?
        switch ConfigurationKey.byName[key]?.value.kind {
        case .text, .path: node = Node(text, Tag(.str), .doubleQuoted)  // as it stands: a path may hold any character
        case .list where !text.hasPrefix("["): node = try parseYAML("[\(text)]", name: "--set \(key)")
        default: node = try parseYAML(text, name: "--set \(key)")
        }
        try read(node ?? Node(""), at: key, origin: { _ in origin })
    }

    private mutating func read(_ node: Node, section: String, origin: (Node) -> Origin) throws {
        guard case .mapping(let mapping) = node else { return }
        for (name, value) in mapping {
            guard case .scalar(let scalar) = name else {
                throw ConfigurationError("\(phrase(name)) stands for a key \(origin(name).phrase), wanted a name")
            }
            try read(value, at: joined(section, scalar.string), origin: { origin($0.mark == nil ? name : $0) })
        }
    }

    private mutating func read(_ node: Node, at key: String, origin: (Node) -> Origin) throws {
        if ConfigurationKey.sections.contains(key) {
            if isNothing(node) { return }  // a section whose keys are all commented out
            guard case .mapping = node else {
                let example = ConfigurationKey.names(inside: key).first ?? ""
                throw ConfigurationError(
                    "\(key) is \(phrase(node)) \(origin(node).phrase), wanted keys such as \(joined(key, example))")
            }
            return try read(node, section: key, origin: origin)
        }
        guard let row = ConfigurationKey.byName[key] else { throw unknown(key, origin(node)) }
        let kind = row.value.kind
        guard let canonical = canonical(node, kind) else {
            throw ConfigurationError(
                "\(key) is \(phrase(node, kind)) \(origin(node).phrase), wanted \(row.wanted)")
        }
        let expands = kind == .path && expandsHome
        given[key] = (expands ? try expanded(canonical, key, origin(node)) : canonical, origin(node))
    }

    /// A path with `~` written out.
    private func expanded(_ node: Node, _ key: String, _ origin: Origin) throws -> Node {
        guard let path = node.scalar?.string else { return node }
        do {
            return Node(try expandingHome(path), Tag(.str), .doubleQuoted)
        } catch {
            throw ConfigurationError("\(key) is \(oneLine(path, limit: 200)) \(origin.phrase): \(error)")
        }
    }

    private func unknown(_ key: String, _ origin: Origin) -> ConfigurationError {
        let shown = oneLine(key, limit: 60)
        if let near = ConfigurationKey.nearest(to: key) {
            return ConfigurationError("unknown key \(shown) \(origin.phrase), did you mean \(near)?")
        }
        let section = key.split(separator: ".").dropLast().joined(separator: ".")
        let known = ConfigurationKey.sections.contains(section) ? section : ""
        let list = ConfigurationKey.names(inside: known).joined(separator: ", ")
        let place = known.isEmpty ? "the keys are" : "the keys of \(known) are"
        return ConfigurationError("unknown key \(shown) \(origin.phrase); \(place) \(list)")
    }

    /// Everything read so far as a configuration.
    func configuration() throws -> RunConfiguration {
        var configuration = RunConfiguration()
        for key in ConfigurationKey.all {
            guard let (value, origin) = given[key.name] else { continue }
            do {
                try key.value.write(value, &configuration)
            } catch {
                let range = [.integer, .list(.integer)].contains(key.value.kind) ? " in range" : ""
                throw ConfigurationError(
                    "\(key.name) is \(phrase(value)) \(origin.phrase), wanted \(key.wanted)\(range)")
            }
        }
        if given["diffusion.loss"] == nil, configuration.model.head == .mixture {
            configuration.diffusion.loss = .likelihood
        }
        if given["diffusion.variance"] == nil, configuration.model.learnedVariance {
            configuration.diffusion.variance = .learned
        }
        if given["model.groups"] == nil, configuration.model.backbone == .adm { configuration.model.unet.groups = 32 }
        return configuration
    }
}

// MARK: - Values

/// True for an empty value: nothing, `~` or `null`.
private func isNothing(_ node: Node) -> Bool {
    guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
}

/// `node` in the one spelling that the decoder reads without rules of its own, or nil when it is not of `kind`.
private func canonical(_ node: Node, _ kind: ValueKind) -> Node? {
    if case .list(let element) = kind {
        guard case .sequence(let list) = node else { return nil }
        let entries = list.map { canonical($0, element) }
        guard !entries.contains(nil) else { return nil }
        return Node(entries.compactMap { $0 })
    }
    guard case .scalar(let scalar) = node, !isNothing(node) else { return nil }
    if kind == .text || kind == .path { return Node(scalar.string, Tag(.str), .doubleQuoted) }
    guard scalar.style == .plain || scalar.style == .any else { return nil }
    switch kind {
    case .boolean:
        return ["true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"][
            scalar.string.lowercased()
        ].map { Node($0, Tag(.bool)) }
    case .integer:
        return integerText(scalar.string).map { Node($0, Tag(.int)) }
    default:
        return finiteNumber(scalar.string).map { Node("\($0)", Tag(.float)) }
    }
}

/// A decimal integer, `_` allowed between digits, of any size. YAML 1.1's octal, hexadecimal and base-60 are not.
private func integerText(_ text: String) -> String? {
    guard text.wholeMatch(of: /[-+]?[0-9]+(_[0-9]+)*/) != nil else { return nil }
    let sign = text.hasPrefix("-") ? "-" : ""
    let digits = text.filter { $0.isNumber }.drop { $0 == "0" }
    return digits.isEmpty ? "0" : sign + digits
}

private func finiteNumber(_ text: String) -> Double? {
    guard text.wholeMatch(of: /[-+]?([0-9][0-9_]*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?/) != nil,
        let number = Double(text.filter { $0 != "_" }), number.isFinite
    else { return nil }
    return number
}

/// What was found, for messages: `the text "abc"`, `3`, `a list with 2.5`. Of a list that should hold `kind`, the first
/// entry that does not is named.
private func phrase(_ node: Node, _ kind: ValueKind? = nil) -> String {
    switch node {
    case .mapping: return "a group of keys"
    case .alias: return "an alias"
    case .sequence(let list):
        guard case .list(let element) = kind else { return "a list" }
        return list.first { canonical($0, element) == nil }.map { "a list with \(phrase($0))" } ?? "a list"
    case .scalar(let scalar):
        if isNothing(node) { return "left empty" }
        let shown = oneLine(scalar.string, limit: 40)
        return node.tag.description == Tag.Name.str.rawValue ? "the text \"\(shown)\"" : shown
    }
}
