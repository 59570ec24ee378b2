import Files
import Foundation
import HDF5

extension DataSet {
    /// The labels, one a sample; `nil` when the set has none that can be used.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` when a file fails.
    public func labels() throws -> [Int]? { try labelling().labels }

    /// Names of the labels 0, 1, …; `nil` when the set has none that can be used.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` when a file fails.
    public func labelNames() throws -> [String]? { try labelling().names }

    /// Files of which nothing else will be read are closed again.
    private func labelling() throws -> Labelling {
        let found = try source.readLabelling()
        if isInMemory { try source.close() }
        return found
    }

    /// What there is to say about the set, as names and values, for people. What was found under a name that a data set
    /// may have, but is not used, is said too.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` when a file fails.
    public func summary() throws -> [(name: String, value: String)] {
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
        } else {
            let file = try source.file(0)
            let root = file.file.root
            for attribute in try root.foundAttributes() {
                // In the files of others the same names mean other things.
                if file.isOurs && ["kind", "count"].contains(attribute.name) { continue }
                lines.append((file.isOurs ? attribute.name : "attribute \(attribute.name)", words(attribute.value)))
            }
            if !file.isOurs {
                for attribute in try file.samples.foundAttributes() {
                    lines.append(("attribute /\(sample.kind) \(attribute.name)", words(attribute.value)))
                }
            }
            for name in ["mixture", "rectangles"] where root.isGroup(name) {
                let members = try root.group(name).names().map { "/\(name)/\($0)" }
                lines.append((name, members.joined(separator: " ")))
            }
        }
        let labelling = try source.readLabelling()
        if let labels = labelling.labels { lines.append(("labels", describe(labels, names: labelling.names))) }
        return lines + labelling.remarks.map { ("not used", $0) }
    }

    private func describe(_ labels: [Int], names: [String]?) -> String {
        var counts = labels.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
        // A class of which no sample is left is worth knowing.
        for label in (names ?? []).indices where counts[label] == nil { counts[label] = 0 }
        let shown = counts.sorted { $0.key < $1.key }.prefix(12).map { label, count in
            "\(names?[label] ?? "\(label)"): \(count)"
        }
        return "\(counts.count) classes (\(shown.joined(separator: ", "))\(counts.count > shown.count ? ", …" : ""))"
    }

    private static let shownNumbers = 32
    private static let shownCharacters = 2000

    /// A value of any size in a line, and where it is cut, how long it is.
    private func words(_ value: Result<AttributeValue, HDF5Error>) -> String {
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

    /// Reads everything in the set at `path` and compares it with the SHA-256 stored in files and manifest.
    ///
    /// - Parameter progress: gets the samples read so far, and all samples; what it throws ends the work.
    /// - Returns: What was checked, a line each.
    /// - Throws: ``DataSetError`` or `HDF5Error` with the first thing that is wrong.
    public static func verify(path: String, progress: (Int, Int) throws -> Void = { _, _ in }) throws -> [String] {
        let source = try SampleSource(path: path)
        var digests = 0
        for (index, part) in source.parts.enumerated() {
            if let expected = part.fileDigest {
                let found = try sha256(file: part.path)
                guard found == expected.lowercased() else {
                    throw DataSetError(
                        "\(part.path): the shard is damaged: SHA-256 \(found.prefix(12))… is not the "
                            + "\(expected.prefix(12))… of the manifest; make or copy it again")
                }
            }
            var done = part.range.lowerBound
            func advance(_ values: Int) throws {
                done += values / source.sample.elements
                try progress(done, source.count)
            }
            switch source.sample {
            case .image: try source.checkSamples(index, as: UInt8.self) { try advance($0.count) }
            case .point: try source.checkSamples(index, as: Float.self) { try advance($0.count) }
            }
            digests += part.storedDigest != nil ? 1 : 0
            try verifyLabelDigest(source.file(index))
        }
        let labelling = try source.readLabelling()
        try source.close()
        var report = ["\(source.count) \(source.sample.words) read"]
        if source.manifest != nil { report.append("\(source.parts.count) shards have the size and SHA-256 listed") }
        report.append(
            digests == source.parts.count
                ? "samples have the SHA-256 stored with them" : "no SHA-256 is stored with the samples to compare with")
        if let labels = labelling.labels { report.append("\(labels.count) labels read") }
        return report + labelling.remarks.map { "not used: \($0)" }
    }

    private static func verifyLabelDigest(_ file: DataSetFile) throws {
        guard file.isOurs, let set = try file.openLabels(),
            let stored = try DataSetFile.text(DataSetFormat.digestAttribute, of: set.attribute, file.path)
        else { return }
        guard sha256(try set.read(as: Int32.self).withUnsafeBytes { Array($0) }) == stored.lowercased() else {
            throw DataSetError("\(file.path): /labels are damaged: not the SHA-256 stored with them")
        }
    }
}

/// Bytes for people: "47.0 MiB".
func sizeText(_ bytes: Int) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    var (value, unit) = (Double(bytes), 0)
    while value >= 1024 && unit < units.count - 1 {
        value /= 1024
        unit += 1
    }
    return unit == 0 ? "\(bytes) bytes" : "\((value * 10).rounded() / 10) \(units[unit])"
}
