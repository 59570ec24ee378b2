import HDF5

/// What a data set is and where it came from, read without its samples.
public struct DataSetInfo {
    /// Number of samples.
    public let count: Int
    /// What a sample is.
    public let sample: SampleShape
    /// As ``DataSet/fingerprint``. Of a file or manifest that states the SHA-256 of its samples from that, not compared with
    /// them; of others from the samples.
    public let fingerprint: String
    /// What there is to say, for people. What was found under a name that a data set may have, but is not used, is said too.
    public let summary: [(name: String, value: String)]
    /// The attributes of a file of this product, by name.
    public let attributes: [String: AttributeValue]
    /// How many samples have each label; nil where there are none.
    public let classes: [LabelCount]?
    /// What was left out of the source of the samples.
    public let skipped: Int
    private let source: SampleSource

    /// A label, its name where it has one, and its samples.
    public struct LabelCount: Encodable, Equatable, Sendable {
        public let label: Int
        public let name: String?
        public let count: Int
    }

    /// Of the data set at `path`.
    ///
    /// - Throws: ``DataSetError`` or `HDF5Error`, as opening it does.
    public init(path: String) throws {
        let source = try SampleSource(path: path)
        try self.init(
            source, fingerprint: source.statedFingerprint() ?? DataSet(path: path, memoryLimitBytes: 0).fingerprint)
    }

    init(_ source: SampleSource, fingerprint: String) throws {
        (self.source, self.fingerprint) = (source, fingerprint)
        (count, sample) = (source.count, source.sample)
        let file = try source.file(0)
        let root = file.file.root
        let labelling = try source.readLabelling()
        classes = labelling.labels.map { Self.counts($0, names: labelling.names) }
        let found = try root.foundAttributes()
        attributes = file.isOurs ? Self.values(found) : [:]
        var lines: [(name: String, value: String)] = [
            ("kind", sample.kind), ("samples", "\(count)"), ("sample", sample.words),
            ("size", sizeText(source.totalBytes)), ("fingerprint", fingerprint),
        ]
        if let manifest = source.manifest {
            lines.append(("shards", "\(manifest.shards.count)"))
            let facts = [
                ("source", manifest.source), ("source_sha256", manifest.sourceSHA256), ("command", manifest.command),
                ("tool", manifest.tool),
            ]
            for (name, value) in facts { if let value { lines.append((name, value)) } }
        }
        let known = ImageTreatment.attributeNames + LatentFacts.attributeNames
        for attribute in found {
            if source.manifest != nil && !known.contains(attribute.name) { continue }
            // In the files of others the same names mean other things.
            if file.isOurs && ["kind", "count"].contains(attribute.name) { continue }
            lines.append((file.isOurs ? attribute.name : "attribute \(attribute.name)", Self.words(attribute.value)))
        }
        if !file.isOurs {
            for attribute in try file.samples.foundAttributes() {
                lines.append(("attribute \(file.samples.path) \(attribute.name)", Self.words(attribute.value)))
            }
        }
        for name in ["mixture", "rectangles"] where root.isGroup(name) {
            let members = try root.group(name).names() + root.group(name).attributeNames()
            lines.append((name, members.map { "/\(name)/\($0)" }.joined(separator: " ")))
        }
        if let classes { lines.append(("labels", Self.describe(classes))) }
        if file.isOurs, root.isGroup("sources") { lines.append(("sources", "of every sample: --sample N prints it")) }
        skipped = file.isOurs ? try Self.skipped(root, &lines) : 0
        summary = lines + labelling.remarks.map { ("not used", $0) }
    }

    private static let shownSkipped = 20

    private static func values(_ found: [FoundAttribute]) -> [String: AttributeValue] {
        let known = found.compactMap { attribute in (try? attribute.value.get()).map { (attribute.name, $0) } }
        return Dictionary(known) { first, _ in first }
    }

    private static func skipped(_ root: HDF5Group, _ lines: inout [(name: String, value: String)]) throws -> Int {
        guard root.isGroup("skipped") else { return 0 }
        let group = try root.group("skipped")
        guard case .integer(let count)? = try group.attribute("count"), let paths = try group.texts("path"),
            let reasons = try group.texts("reason")
        else { return 0 }
        for (path, reason) in zip(paths, reasons).prefix(shownSkipped) {
            lines.append(("skipped", "\(path): \(reason)"))
        }
        if count > shownSkipped { lines.append(("skipped", "… \(count) in all")) }
        return count
    }

    private static func counts(_ labels: [Int], names: [String]?) -> [LabelCount] {
        var counts = labels.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
        // A class of which no sample is left is worth knowing.
        for label in (names ?? []).indices where counts[label] == nil { counts[label] = 0 }
        return counts.sorted { $0.key < $1.key }.map { LabelCount(label: $0, name: names?[$0], count: $1) }
    }

    private static func describe(_ classes: [LabelCount]) -> String {
        let shown = classes.prefix(12).map { "\($0.name ?? "\($0.label)"): \($0.count)" }
        return
            "\(classes.count) classes (\(shown.joined(separator: ", "))\(classes.count > shown.count ? ", …" : ""))"
    }

    // MARK: One sample

    /// What sample `index` was made of; nil where its file does not say.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` where the file fails.
    public func origin(of index: Int) throws -> (name: String, sha256: String)? {
        precondition((0..<count).contains(index), "no sample \(index) in a set of \(count)")
        return try source.origins().map { ($0[index].name, $0[index].digest.hexadecimal) }
    }

    /// The label of sample `index`, and its name; nil where there are none.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` where the file fails.
    public func label(of index: Int) throws -> (label: Int, name: String?)? {
        let labelling = try source.readLabelling()
        return labelling.labels.map { labels in
            (labels[index], labelling.names.flatMap { $0.indices.contains(labels[index]) ? $0[labels[index]] : nil })
        }
    }

    // MARK: Values for people

    private static let shownNumbers = 32
    private static let shownCharacters = 2000

    /// A value of any size in a line, and where it is cut, how long it is.
    private static func words(_ value: Result<AttributeValue, HDF5Error>) -> String {
        func list<T>(_ values: [T]) -> String {
            guard values.count > Self.shownNumbers else { return "\(values)" }
            let first = values.prefix(Self.shownNumbers).map { "\($0)" }.joined(separator: ", ")
            return "[\(first), …] (\(values.count) in all)"
        }
        let whole =
            switch value {
            case .success(.integers(let values)): list(values)
            case .success(.doubles(let values)): list(values)
            case .success(.strings(let values)): list(values)
            case .success(let value): value.description
            case .failure(let error): error.description
            }
        guard whole.utf8.count > Self.shownCharacters else { return whole }
        return "\(whole.prefix(Self.shownCharacters))… (\(whole.utf8.count) bytes in all)"
    }

}

extension HDF5Group {
    /// The texts of an attribute; nil where it is something else.
    fileprivate func texts(_ name: String) throws -> [String]? {
        switch try attribute(name) {
        case .strings(let texts): texts
        case .string(let text): [text]
        default: nil
        }
    }
}
