import Files
import Foundation

/// The list of the files that make up a data set too big for one: JSON, beside its shards.
struct DataSetManifest: Codable, Equatable {
    /// One HDF5 file, itself a data set.
    struct Shard: Codable, Equatable {
        /// Path from the manifest's folder.
        var file: String
        /// Samples in it.
        var count: Int
        /// Size of the file.
        var bytes: Int
        /// SHA-256 of the file.
        var sha256: String
    }

    var format = DataSetFormat.manifestName
    var formatVersion = DataSetFormat.version
    var kind: String
    /// [height, width, channels] of images and latents, or [dimension].
    var sampleShape: [Int]
    /// Channels of the conditions of images; nil where they have none.
    var conditionChannels: Int?
    var count: Int
    var source: String?
    var sourceSHA256: String?
    var command: String?
    var tool: String?
    /// SHA-256 of all samples, one after the other.
    var samplesSHA256: String?
    var shards: [Shard]

    enum CodingKeys: String, CodingKey {
        case format
        case formatVersion = "format_version"
        case kind
        case sampleShape = "sample_shape"
        case conditionChannels = "condition_channels"
        case count, source
        case sourceSHA256 = "source_sha256"
        case command, tool
        case samplesSHA256 = "samples_sha256"
        case shards
    }

    /// Manifests are small; a JSON file beyond this is something else.
    private static let maximumBytes = 64 << 20

    /// Whether the file at `path` begins like JSON, as no HDF5 file does.
    static func isManifest(_ path: String) -> Bool {
        guard let head = try? readBeginning(path, count: 64) else { return false }
        return head.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == UInt8(ascii: "{")
    }

    /// Reads and checks a manifest, without looking at its shards.
    static func read(_ path: String) throws -> DataSetManifest {
        let bytes = try readFile(path, atMost: maximumBytes)
        struct Head: Decodable { var format: String? }
        guard (try? JSONDecoder().decode(Head.self, from: Data(bytes)))?.format == DataSetFormat.manifestName else {
            throw DataSetError("\(path): neither HDF5 nor a JSON file with \"format\": \"smd manifest\"")
        }
        let manifest: DataSetManifest
        do {
            manifest = try JSONDecoder().decode(DataSetManifest.self, from: Data(bytes))
        } catch {
            throw DataSetError("\(path): not a whole manifest: \(explanation(error))")
        }
        try manifest.check(path)
        return manifest
    }

    private func check(_ path: String) throws {
        guard formatVersion == DataSetFormat.version else {
            throw DataSetError("\(path): manifest of version \(formatVersion); this program reads 1")
        }
        guard ["images": 3, "points": 1, "latents": 3][kind] == sampleShape.count else {
            throw DataSetError("\(path): a manifest of \(kind) cannot have the sample shape \(sampleShape)")
        }
        guard !shards.isEmpty else { throw DataSetError("\(path): lists no shards") }
        var listed: Set<BytePath> = []
        for shard in shards {
            // By bytes: to Swift a slash and a combining accent are one character, which is no slash.
            let parts = shard.file.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            guard !parts.contains(where: { $0.isEmpty || $0.elementsEqual("..".utf8) || $0.contains(0) }) else {
                throw DataSetError("\(path): shard \"\(shard.file)\" does not lie below the manifest's folder")
            }
            guard listed.insert(BytePath(shard.file)).inserted else {
                throw DataSetError("\(path): lists the shard \(shard.file) twice")
            }
            guard (1...Int(Int32.max)).contains(shard.count) else {
                throw DataSetError("\(path): shard \(shard.file) cannot have \(shard.count) samples")
            }
        }
        // Every count fits 31 bits and a manifest of 64 MB lists less than 2³⁰ shards: the sum cannot overflow.
        let sum = shards.reduce(0) { $0 + $1.count }
        guard sum == count else {
            throw DataSetError("\(path): says \(count) samples, but its shards have \(sum)")
        }
    }

    /// Path of a shard of the manifest at `path`.
    static func path(of shard: Shard, manifest path: String) -> String {
        Path.join(Path.folder(of: path), shard.file)
    }

    /// The same bytes for the same manifest.
    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try [UInt8](encoder.encode(self)) + [UInt8(ascii: "\n")]
    }

    private static func explanation(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\(context.codingPath.map(\.stringValue).joined(separator: ".")): \(context.debugDescription)"
        default: "damaged JSON"
        }
    }
}
