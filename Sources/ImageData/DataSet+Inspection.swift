import Foundation
import HDF5

extension DataSet {
    /// The labels, one a sample; `nil` when the set has none.
    ///
    /// - Throws: `HDF5Error` when a file fails.
    public func labels() throws -> [Int32]? {
        guard source.parts.allSatisfy(\.hasLabels) else { return nil }
        var labels: [Int32] = []
        for part in source.parts.indices {
            labels += try source.file(part).labels?.read(as: Int32.self) ?? []
        }
        return labels
    }

    /// Names of the labels 0, 1, …; `nil` when the set has none.
    ///
    /// - Throws: `HDF5Error` when a file fails.
    public func labelNames() throws -> [String]? {
        let root = try source.file(0).file.root
        return root.isDataset("label_names") ? try root.dataset("label_names").readStrings() : nil
    }

    /// What there is to say about the set, as names and values, for people.
    ///
    /// - Throws: `HDF5Error` when a file fails.
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
            let root = try source.file(0).file.root
            for name in try root.attributeNames() where !["kind", "count"].contains(name) {
                if let value = try? root.attribute(name) { lines.append((name, value.description)) }
            }
            if root.isGroup("mixture") {
                let members = try root.group("mixture").names().map { "/mixture/\($0)" }
                lines.append(("mixture", members.joined(separator: " ")))
            }
        }
        if let labels = try labels() { lines.append(("labels", try describe(labels))) }
        return lines
    }

    private func describe(_ labels: [Int32]) throws -> String {
        let names = try labelNames() ?? []
        let counts = Dictionary(grouping: labels) { $0 }.mapValues(\.count)
        let shown = counts.sorted { $0.key < $1.key }.prefix(12).map { label, count in
            "\(names.indices.contains(Int(label)) ? names[Int(label)] : "\(label)"): \(count)"
        }
        return "\(counts.count) classes (\(shown.joined(separator: ", "))\(counts.count > shown.count ? ", …" : ""))"
    }

    /// Reads everything in the set at `path` and compares it with the SHA-256 stored in files and manifest.
    ///
    /// - Parameter progress: gets the samples read so far, and all samples; what it throws ends the work.
    /// - Returns: What was checked, a line each.
    /// - Throws: ``ImageDataError`` or `HDF5Error` with the first thing that is wrong.
    public static func verify(path: String, progress: (Int, Int) throws -> Void = { _, _ in }) throws -> [String] {
        let source = try SampleSource(path: path)
        var (digests, labels) = (0, 0)
        for (index, part) in source.parts.enumerated() {
            if let expected = part.fileDigest {
                let found = try sha256(file: part.path)
                guard found == expected.lowercased() else {
                    throw ImageDataError(
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
            labels += try verifyLabels(source.file(index))
        }
        try source.close()
        var report = ["\(source.count) \(source.sample.words) read"]
        if source.manifest != nil { report.append("\(source.parts.count) shards have the size and SHA-256 listed") }
        report.append(
            digests == source.parts.count
                ? "samples have the SHA-256 stored with them" : "no SHA-256 is stored with the samples to compare with")
        if labels > 0 { report.append("\(labels) labels read") }
        return report
    }

    private static func verifyLabels(_ file: SampleFile) throws -> Int {
        guard let set = file.labels else { return 0 }
        let labels = try set.read(as: Int32.self)
        if case .string(let stored)? = try set.attribute(DataSetFormat.digestAttribute) {
            guard sha256(labels.withUnsafeBytes { Array($0) }) == stored.lowercased() else {
                throw ImageDataError("\(file.path): /labels are damaged: not the SHA-256 stored with them")
            }
        }
        if file.file.root.isDataset("label_names") {
            let names = try file.file.root.dataset("label_names").count
            if let bad = labels.first(where: { $0 < 0 || Int($0) >= names }) {
                throw ImageDataError("\(file.path): /labels holds \(bad), but only \(names) labels have names")
            }
        }
        return labels.count
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
