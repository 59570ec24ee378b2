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

    /// An attribute of the first file; `nil` where there is none.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` when the file fails, or the attribute is of no kind that is read.
    public func attribute(_ name: String) throws -> AttributeValue? {
        let value = try source.file(0).file.root.attribute(name)
        if isInMemory { try source.close() }
        return value
    }

    /// What there is to say about the set, as names and values, for people.
    ///
    /// - Throws: `HDF5Error` or ``DataSetError`` when a file fails.
    public func summary() throws -> [(name: String, value: String)] {
        try DataSetInfo(source, fingerprint: fingerprint).summary
    }

    /// Files of which nothing else will be read are closed again.
    private func labelling() throws -> Labelling {
        let found = try source.readLabelling()
        if isInMemory { try source.close() }
        return found
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
                done += values / source.sample.storedElements
                try progress(done, source.count)
            }
            switch source.sample {
            case .image: try source.checkSamples(index, as: UInt8.self) { try advance($0.count) }
            case .point, .latent: try source.checkSamples(index, as: Float.self) { try advance($0.count) }
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
