import Crypto
import Files
import Foundation
import HDF5

/// Writes a data set piece by piece: one HDF5 file, or shards of `shardSize` samples and a manifest that lists them.
///
/// Nothing appears under the name of the output before `finish()`; shards appear one after the other and the manifest
/// last. Not for use from several threads at once.
public final class DataSetWriter {
    private let path: String
    private let sample: SampleShape
    private let labelled: Bool
    private let provenance: Provenance
    private let shardSize: Int?
    private let expectedCount: Int
    private let overwrite: Bool
    private var shard: ShardWriter?
    private var shards: [DataSetManifest.Shard] = []
    private var samplesHash = SHA256()

    /// Names of the labels 0, 1, …; written beside the labels.
    public var labelNames: [String]?
    /// The distribution that the points were drawn from; stored with them.
    public var distribution: StoredDistribution?
    /// Samples written so far.
    public private(set) var count = 0

    /// Begins the data set of a preparation; with shards its output is a manifest, whose name must end in ".json".
    ///
    /// - Parameters:
    ///   - labelled: whether every sample comes with a label.
    ///   - expectedCount: about how many samples will come.
    /// - Throws: ``DataSetError`` when the output exists or cannot be written.
    public init(_ job: Preparation, sample: SampleShape, labelled: Bool, expectedCount: Int) throws {
        precondition(sample.elements > 0 && expectedCount >= 0, "no data set of \(expectedCount) \(sample.words)")
        precondition(job.shardSize ?? 1 > 0, "shards of \(job.shardSize ?? 0) samples")
        (path, provenance, shardSize, overwrite) = (job.output, job.provenance, job.shardSize, job.overwrite)
        self.sample = sample
        self.labelled = labelled
        self.expectedCount = expectedCount
        if (shardSize != nil) != path.hasBytes(suffix: ".json") {
            throw DataSetError(
                shardSize != nil
                    ? "\(path): with shards the output is a manifest; give it a name that ends in .json"
                    : "\(path): .json is for the manifest of a sharded set; give a name that ends in .h5")
        }
        for place in [path] + Self.shards(of: path, count: expectedCount, shardSize: shardSize) {
            try FileReplacement(path: place).check(overwrite: overwrite)
        }
        // From here on the old manifest would list files that are being replaced.
        if shardSize != nil { try removeOldSet() }
    }

    /// Appends images: whole samples of height × width × channels bytes, each followed by its condition where they have some,
    /// with a label each in a labelled set.
    ///
    /// - Parameter sources: what each was made of; for all samples of a set, or for none.
    public func append(images: [UInt8], labels: [Int32]? = nil, sources: [SampleOrigin]? = nil) throws {
        try append(images, labels: labels, sources: sources)
    }

    /// Appends points: whole samples of `dimension` numbers, with a label each in a labelled set.
    public func append(points: [Float], labels: [Int32]? = nil) throws { try append(points, labels: labels) }

    /// Appends latents: of each its means, then its deviations, with a label each in a labelled set.
    public func append(latents: [Float], labels: [Int32]? = nil) throws { try append(latents, labels: labels) }

    private func append<T: HDF5Scalar>(_ values: [T], labels: [Int32]?, sources: [SampleOrigin]? = nil) throws {
        let elements = sample.storedElements
        let added = values.count / elements
        guard count + added <= Int(Int32.max) else {
            throw DataSetError("\(path): a data set holds at most \(Int32.max) samples")
        }
        if shardSize != nil { samplesHash.update(values: values) }
        var done = 0
        while done < added {
            let writer = try shard ?? openShard()
            shard = writer
            let room = shardSize.map { $0 - writer.count } ?? added
            let end = min(added, done + room)
            let whole = done == 0 && end == added
            try writer.append(
                whole ? values : Array(values[done * elements..<end * elements]),
                labels: labels.map { whole ? $0 : Array($0[done..<end]) },
                sources: sources.map { Array($0[done..<end]) })
            count += end - done
            done = end
            if writer.count == shardSize { try closeShard(sourceDigest: provenance.sourceDigest) }
        }
    }

    /// Publishes the data set.
    ///
    /// - Parameter sourceDigest: SHA-256 of the sources, where it was not known at the beginning.
    /// - Throws: ``DataSetError`` or `HDF5Error` when nothing was appended or a file cannot be written.
    public func finish(sourceDigest: String? = nil) throws {
        guard count > 0 else { throw DataSetError("\(path): not written: there is not one sample to put into it") }
        let digest = sourceDigest ?? provenance.sourceDigest
        // A digest that came late covers the whole set, not the last shard of it.
        try closeShard(sourceDigest: shardSize == nil ? digest : provenance.sourceDigest)
        guard shardSize != nil else { return }
        let manifest = DataSetManifest(
            kind: sample.kind, sampleShape: sample.axes,
            conditionChannels: sample.conditions == 0 ? nil : sample.conditions, count: count,
            source: provenance.source,
            sourceSHA256: digest, command: provenance.command, tool: provenance.tool,
            samplesSHA256: samplesHash.finalize().hexadecimal, shards: shards)
        try FileReplacement(path: path).write(manifest.encoded(), replacing: overwrite)
    }

    /// Drops what was written: the file in progress, and shards that no manifest will ever list.
    public func abandon() {
        shard?.abandon()
        shard = nil
        for shard in shards {
            try? FileManager.default.removeItem(atPath: DataSetManifest.path(of: shard, manifest: path))
        }
        shards = []
    }

    private func openShard() throws -> ShardWriter {
        var target = path
        if shardSize != nil {
            target = Self.shard(shards.count, of: path)
            try FileReplacement(path: target).check(overwrite: overwrite)
        }
        let expected = shardSize.map { min($0, expectedCount) } ?? expectedCount
        let (bytes, overflow) = expected.multipliedReportingOverflow(by: sample.storedBytes)
        return try ShardWriter(
            path: target, sample: sample, labelled: labelled, expectedBytes: overflow ? Int.max : bytes,
            replacing: overwrite)
    }

    /// Path of a shard of the manifest at `path`.
    private static func shard(_ index: Int, of path: String) -> String {
        let digits = String(index)
        let number = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        return String(decoding: path.utf8.dropLast(".json".utf8.count), as: UTF8.self) + "-\(number).h5"
    }

    /// Paths of all shards that `count` samples need.
    private static func shards(of path: String, count: Int, shardSize: Int?) -> [String] {
        shardSize.map { size in (0..<(count + size - 1) / size).map { shard($0, of: path) } } ?? []
    }

    private func closeShard(sourceDigest: String?) throws {
        guard let writer = shard else { return }
        shard = nil
        var provenance = provenance
        provenance.sourceDigest = sourceDigest
        // The first shard alone tells what is not in any.
        if !shards.isEmpty { provenance.skipped = [] }
        try writer.finish(provenance, labelNames: labelNames) { root in
            try distribution?.write(to: root)
        }
        guard shardSize != nil else { return }
        let size = try FileManager.default.attributesOfItem(atPath: writer.path)[.size] as? Int ?? 0
        shards.append(
            DataSetManifest.Shard(
                file: Path.name(of: writer.path), count: writer.count, bytes: size,
                sha256: try sha256(file: writer.path)))
    }

    /// What is already there of the data set at `path`: the file, or the manifest and its shards.
    static func files(of path: String) -> [String] {
        let shards = (try? DataSetManifest.read(path))?.shards ?? []
        return [path] + shards.map { DataSetManifest.path(of: $0, manifest: path) }
    }

    /// Removes the manifest that is being replaced, and the shards it lists.
    private func removeOldSet() throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        let old = Self.files(of: path)
        try FileManager.default.removeItem(atPath: path)
        for shard in old.dropFirst() { try? FileManager.default.removeItem(atPath: shard) }
    }
}
