import Crypto
import Files
import Foundation
import HDF5

/// The files behind a data set: one, or the shards of a manifest, as one row of samples.
package final class SampleSource {
    /// A file and the samples it holds.
    struct Part {
        let path: String
        let range: Range<Int>
        let storedDigest: String?
        /// SHA-256 of the whole file, from the manifest.
        let fileDigest: String?
    }

    let path: String
    let manifest: DataSetManifest?
    let parts: [Part]
    package let sample: SampleShape
    /// Samples in all parts.
    package let count: Int
    /// Bytes of all samples, as they are kept in memory.
    package let totalBytes: Int
    /// Bytes of one.
    var bytesPerSample: Int { sample.storedBytes }
    /// What latents are latents of.
    package let latents: LatentFacts?

    /// Open files by part, the most recently used last. A set may have more shards than a process may open files.
    private var open: [(part: Int, file: DataSetFile)] = []
    private static let maximumOpen = 32

    /// Opens and checks every file.
    package init(path: String) throws {
        self.path = path
        let isFolder: Bool
        do {
            isFolder = try FileFacts(BytePath(path)).kind == .folder
        } catch let error as SystemError where error.number == ENOENT {
            throw DataSetError("\(path): no such data set; \"smd dataset prepare --help\" tells how to make one")
        } catch {
            throw DataSetError("\(path): cannot be looked at: \(error)")
        }
        if isFolder {
            throw DataSetError(
                "\(path): is a folder; make a data set of its images with: smd dataset prepare images "
                    + "\(shellWord(path)) --size 32 --output data.h5")
        }
        let manifest = try DataSetManifest.isManifest(path) ? DataSetManifest.read(path) : nil
        self.manifest = manifest
        let first: DataSetFile
        if let manifest {
            (parts, first) = try Self.openShards(manifest, path)
        } else {
            first = try DataSetFile(path: path)
            parts = [Part(path: path, range: 0..<first.count, storedDigest: first.storedDigest, fileDigest: nil)]
        }
        open = [(0, first)]
        (sample, latents) = (first.sample, first.latents)
        count = parts.last?.range.upperBound ?? 0
        // The factors are at most 2³¹ and 2³⁰ (checked by DataSetFile): no overflow.
        totalBytes = count * first.bytesPerSample
    }

    private static func openShards(_ manifest: DataSetManifest, _ path: String) throws -> ([Part], DataSetFile) {
        var parts: [Part] = []
        var first: DataSetFile?
        guard manifest.count <= Int(Int32.max) else {
            throw DataSetError("\(path): \(manifest.count) samples; at most \(Int32.max) are read")
        }
        for shard in manifest.shards {
            let shardPath = DataSetManifest.path(of: shard, manifest: path)
            let size: Int
            do {
                size = try FileFacts(BytePath(shardPath)).bytes
            } catch let error as SystemError where error.number == ENOENT {
                throw DataSetError("\(path): its shard \(shard.file) is missing")
            } catch {
                throw DataSetError("\(path): its shard \(shard.file) cannot be looked at: \(error)")
            }
            guard size == shard.bytes else {
                throw DataSetError("\(path): its shard \(shard.file) has \(size) bytes, not \(shard.bytes)")
            }
            let file = try DataSetFile(path: shardPath)
            guard file.sample.kind == manifest.kind, file.sample.axes == manifest.sampleShape,
                file.sample.conditions == manifest.conditionChannels ?? 0
            else {
                throw DataSetError(
                    "\(path): its shard \(shard.file) holds \(file.sample.words), not "
                        + "\(shapeText(manifest.sampleShape)) \(manifest.kind)")
            }
            guard first == nil || file.latents == first?.latents else {
                throw DataSetError("\(path): its shard \(shard.file) holds latents of another first stage or scale")
            }
            guard file.count == shard.count else {
                throw DataSetError("\(path): its shard \(shard.file) has \(file.count) samples, not \(shard.count)")
            }
            let start = parts.last?.range.upperBound ?? 0
            parts.append(
                Part(
                    path: shardPath, range: start..<start + file.count, storedDigest: file.storedDigest,
                    fileDigest: shard.sha256))
            if first == nil { first = file } else { try file.file.close() }
        }
        guard let first else { throw DataSetError("\(path): lists no shards") }
        return (parts, first)
    }

    /// The open file of a part.
    func file(_ part: Int) throws -> DataSetFile {
        if let place = open.lastIndex(where: { $0.part == part }) {
            if place != open.count - 1 { open.append(open.remove(at: place)) }
            return open[open.count - 1].file
        }
        if open.count >= Self.maximumOpen { try open.removeFirst().file.file.close() }
        let file = try DataSetFile(path: parts[part].path)
        guard file.count == parts[part].range.count, file.sample == sample, file.latents == latents else {
            throw DataSetError("\(parts[part].path): was replaced while in use")
        }
        open.append((part, file))
        return file
    }

    /// Closes the files; they open again when needed.
    func close() throws {
        defer { open = [] }
        for entry in open { try entry.file.file.close() }
    }

    /// Reads the samples `range` into `out`, in the type that they have in a file of this product.
    func read(_ range: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws {
        // The last part that begins at or before the range.
        var (low, high) = (0, parts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if parts[middle].range.lowerBound <= range.lowerBound { low = middle } else { high = middle }
        }
        var rest = range
        while !rest.isEmpty {
            let part = parts[low].range
            let piece = rest.lowerBound..<min(rest.upperBound, part.upperBound)
            let place = (piece.lowerBound - range.lowerBound) * bytesPerSample
            let bytes = UnsafeMutableRawBufferPointer(rebasing: out[place..<place + piece.count * bytesPerSample])
            let inPart = piece.lowerBound - part.lowerBound..<piece.upperBound - part.lowerBound
            switch sample {
            case .image: try file(low).read(inPart, into: bytes.bindMemory(to: UInt8.self))
            case .point, .latent: try file(low).read(inPart, into: bytes.bindMemory(to: Float.self))
            }
            rest = piece.upperBound..<rest.upperBound
            low += 1
        }
    }

    /// Reads every sample, in order, into `out` of ``totalBytes``, and checks them.
    ///
    /// - Returns: the fingerprint of the set.
    /// - Throws: ``DataSetError`` where samples are damaged or not finite, `HDF5Error` where a file fails.
    package func fill(_ out: UnsafeMutableRawBufferPointer) throws -> String {
        try read(0..<count, into: out)
        return switch sample {
        case .image: try fingerprint(ofAll: UnsafeRawBufferPointer(out).bindMemory(to: UInt8.self))
        case .point, .latent: try fingerprint(ofAll: UnsafeRawBufferPointer(out).bindMemory(to: Float.self))
        }
    }

    /// Calls `body` with all samples of a part, some MiB at a time, in order.
    func stream<T: HDF5Scalar>(_ part: Int, as: T.Type, _ body: (UnsafeBufferPointer<T>) throws -> Void) throws {
        let file = try file(part)
        let chunk = file.samples.chunk?.first ?? 1
        let some = max(1, (8 << 20) / file.bytesPerSample)
        let step = min(file.count, some < chunk ? some : some / chunk * chunk)
        let buffer = UnsafeMutableBufferPointer<T>.allocate(capacity: step * sample.storedElements)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: file.count, by: step) {
            let end = min(file.count, start + step)
            let piece = UnsafeMutableBufferPointer(rebasing: buffer[..<((end - start) * sample.storedElements)])
            try file.read(start..<end, into: piece)
            try body(UnsafeBufferPointer(piece))
        }
    }
}
