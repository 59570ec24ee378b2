import Glibc
import HDF5

/// A data set to train on: an HDF5 file of images, points or latents, or the manifest of several.
///
/// Files of this product (docs/data-sets.md) and any other HDF5 file with `/images` uint8 N×H×W×C (or N×H×W, one
/// channel) or `/points` float N×D are read. Not for use from several threads at once.
public final class DataSet {
    /// The path it was opened with.
    public let path: String
    /// Number of samples N, positive.
    public let count: Int
    /// What a sample is.
    public let sample: SampleShape
    /// Identifies the content, in hexadecimal: SHA-256 over kind, shape and, up to 2 GiB, every sample; beyond that
    /// over the stored digests and 1024 samples spread over the set. The name and place of the file, its compression
    /// and, up to 2 GiB, its division into shards do not matter.
    public let fingerprint: String
    /// What latents are latents of.
    public var latents: LatentFacts? { source.latents }
    /// Numbers in a sample, as a network is shown it.
    public var elementsPerSample: Int { sample.elements }
    /// Bytes of a sample as it is stored in a file of this product.
    public var bytesPerSample: Int { source.bytesPerSample }
    /// Samples that lie together in a file: a chunk of the files of this product, about 128 KiB.
    public var chunkSamples: Int { DataSetFormat.chunkSamples(sample) }

    let source: SampleSource
    private let store: Store

    /// Where samples are read from.
    private enum Store {
        /// All of them lie here, one after the other, in the type that they have in a file of this product.
        case memory(UnsafeRawBufferPointer, owner: AnyObject?)
        /// Each is read from its file.
        case files
        /// Read from the files in chunks, of which the last used are kept.
        case chunks(ChunkCache)
    }

    /// What is held in memory.
    public enum Holding: Sendable {
        /// Nothing.
        case nothing
        /// All samples.
        case everything
        /// The chunks used last, up to so many bytes.
        case chunks(bytes: Int)
    }

    /// Opens and checks the data set at `path`.
    ///
    /// - Parameter memoryLimitBytes: sets up to this size are held in memory, larger ones are read sample by sample.
    /// - Throws: ``DataSetError`` or `HDF5Error`, one line that says what was found and what is wanted: a missing or
    ///   damaged file, a wrong rank or type, no samples, senseless sizes, samples that are not those written (by the
    ///   SHA-256 stored with them), points that are not finite.
    public convenience init(path: String, memoryLimitBytes: Int = 2 << 30) throws {
        try self.init(SampleSource(path: path)) { $0 <= memoryLimitBytes ? .everything : .nothing }
    }

    /// Checks the samples of `source`, and holds what it is told of them.
    ///
    /// - Parameter holding: what to hold of a set of so many bytes.
    /// - Throws: as ``init(path:memoryLimitBytes:)``.
    package convenience init(_ source: SampleSource, holding: (Int) -> Holding) throws {
        switch holding(source.totalBytes) {
        case .everything:
            let memory = try OwnedMemory(byteCount: source.totalBytes, source.path)
            try self.init(source, held: UnsafeRawBufferPointer(memory.bytes), owner: memory, source.fill(memory.bytes))
        case .nothing: self.init(source, .files, try source.fingerprintFromFiles())
        case .chunks(let bytes):
            self.init(source, .chunks(ChunkCache(source, bytes: bytes)), try source.fingerprintFromFiles())
        }
    }

    /// A set whose samples someone else holds, as `source.fill` left them there, where it found this `fingerprint`.
    package convenience init(
        _ source: SampleSource, held: UnsafeRawBufferPointer, owner: AnyObject? = nil, _ fingerprint: String
    ) throws {
        self.init(source, .memory(held, owner: owner), fingerprint)
        try source.close()
    }

    private init(_ source: SampleSource, _ store: Store, _ fingerprint: String) {
        path = source.path
        (count, sample) = (source.count, source.sample)
        (self.source, self.store, self.fingerprint) = (source, store, fingerprint)
    }

    /// Whether all samples are in memory.
    public var isInMemory: Bool {
        if case .memory = store { true } else { false }
    }

    /// Bytes of memory that samples take at most, shared memory included.
    public var residentBytes: Int {
        switch store {
        case .memory(let bytes, _): bytes.count
        case .files: 0
        case .chunks(let cache): cache.limitBytes
        }
    }

    /// Reads sample `index` into `out`, which holds ``elementsPerSample`` numbers, or as many as a window has.
    ///
    /// Images arrive as height × width × channels, scaled from 0…255 to −1…1 by 2·v/255 − 1, mirrored left to right
    /// with `flip`; of these `window` alone where one is given, mirrored within. Points arrive as they are. Latents arrive as (mean + deviation · noise) · scale, or as mean · scale.
    /// `flip` does not touch either.
    ///
    /// - Parameter noise: draws of N(0, 1), one for each number of a latent.
    /// - Throws: `HDF5Error` when the set is not in memory and the file fails.
    public func read(
        _ index: Int, flip: Bool, noise: [Float]? = nil, window: ImageWindow? = nil,
        into out: UnsafeMutableBufferPointer<Float>
    ) throws {
        let wanted = window.map { $0.elements(of: sample) } ?? elementsPerSample
        precondition(out.count == wanted, "\(out.count) numbers for a sample of \(wanted)")
        try withStored(index) { stored in
            switch sample {
            case .point: _ = out.update(fromContentsOf: stored.bindMemory(to: Float.self))
            case .image(let height, let width, let channels, _):
                let window = window ?? ImageWindow(top: 0, left: 0, height: height, width: width)
                Self.scale(stored.bindMemory(to: UInt8.self), width, channels, window, flip, into: out)
            case .latent: draw(stored.bindMemory(to: Float.self), noise, into: out)
            }
        }
    }

    /// Reads the condition of image `index` into `out`, as ``read(_:flip:noise:window:into:)`` does the image.
    ///
    /// - Throws: `HDF5Error` when the set is not in memory and the file fails.
    public func readCondition(
        _ index: Int, flip: Bool, window: ImageWindow? = nil, into out: UnsafeMutableBufferPointer<Float>
    ) throws {
        guard case .image(let height, let width, _, let channels) = sample, channels > 0 else {
            preconditionFailure("\(path) holds \(sample.words), no conditions")
        }
        let window = window ?? ImageWindow(top: 0, left: 0, height: height, width: width)
        let wanted = window.height * window.width * channels
        precondition(out.count == wanted, "\(out.count) numbers for a condition of \(wanted)")
        try withStored(index) { stored in
            let condition = UnsafeRawBufferPointer(rebasing: stored[elementsPerSample...])
            Self.scale(condition.bindMemory(to: UInt8.self), width, channels, window, flip, into: out)
        }
    }

    /// The conditions of some images, in −1 … 1: `[indices, H, W, C]`.
    ///
    /// - Throws: as ``readCondition(_:flip:window:into:)``.
    public func conditions(_ indices: some Collection<Int>) throws -> [Float] {
        let size = bytesPerSample - elementsPerSample
        return try [Float](unsafeUninitializedCapacity: indices.count * size) { buffer, filled in
            for (slot, index) in indices.enumerated() {
                try readCondition(
                    index, flip: false,
                    into: UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size]))
            }
            filled = indices.count * size
        }
    }

    /// (mean + deviation · noise) · scale of `[mean, deviation]`.
    private func draw(
        _ stored: UnsafeBufferPointer<Float>, _ noise: [Float]?, into out: UnsafeMutableBufferPointer<Float>
    ) {
        guard let latents else { preconditionFailure("\(path) holds no latents") }
        precondition(noise.map { $0.count == out.count } ?? true, "\(noise?.count ?? 0) draws for \(out.count) numbers")
        let (scale, count) = (Float(latents.scale), out.count)
        for i in 0..<count {
            out[i] = (noise.map { stored[i] + stored[count + i] * $0[i] } ?? stored[i]) * scale
        }
    }

    /// Some samples, as ``read(_:flip:noise:into:)`` gives them, not mirrored, of latents the means:
    /// `[indices, elementsPerSample]`.
    ///
    /// - Throws: as ``read(_:flip:noise:into:)``.
    public func samples(_ indices: some Collection<Int>) throws -> [Float] {
        let size = elementsPerSample
        return try [Float](unsafeUninitializedCapacity: indices.count * size) { buffer, filled in
            for (slot, index) in indices.enumerated() {
                let sample = UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size])
                try read(index, flip: false, into: sample)
            }
            filled = indices.count * size
        }
    }

    /// The stored bytes of image `index`: height × width × channels, 0…255.
    ///
    /// - Throws: `HDF5Error` when the set is not in memory and the file fails.
    public func pixels(_ index: Int) throws -> [UInt8] {
        guard case .image = sample else { preconditionFailure("\(path) holds \(sample.words), not images") }
        return try withStored(index) { Array($0.prefix(elementsPerSample)) }
    }

    /// Sample `index` as it is stored in a file of this product: bytes of an image and then of its condition, float32 of a
    /// point, and of a latent its means and then its deviations.
    ///
    /// - Throws: `HDF5Error` when the set is not in memory and the file fails.
    func stored(_ index: Int) throws -> [UInt8] { try withStored(index) { Array($0) } }

    /// Calls `body` with sample `index` as it is stored in a file of this product.
    private func withStored<T>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> T) throws -> T {
        precondition((0..<count).contains(index), "no sample \(index) in a set of \(count)")
        let size = source.bytesPerSample
        switch store {
        case .memory(let all, _):
            return try body(UnsafeRawBufferPointer(rebasing: all[index * size..<(index + 1) * size]))
        case .files:
            return try withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { bytes in
                try source.read(index..<index + 1, into: bytes)
                return try body(UnsafeRawBufferPointer(bytes))
            }
        case .chunks(let cache): return try cache.withSample(index, body)
        }
    }

    /// 2·v/255 − 1 for every byte v, rounded once; scaled[255 − v] = −scaled[v] exactly.
    private static let scaled: [Float] = (0...255).map { Float(Double(2 * $0 - 255) / 255) }

    /// A window of [rows][width][channels] bytes to numbers, every row reversed pixel by pixel with `flip`.
    private static func scale(
        _ pixels: UnsafeBufferPointer<UInt8>, _ width: Int, _ channels: Int, _ window: ImageWindow, _ flip: Bool,
        into out: UnsafeMutableBufferPointer<Float>
    ) {
        scaled.withUnsafeBufferPointer { scaled in
            let rowLength = window.width * channels
            for y in 0..<window.height {
                let (row, first) = (y * rowLength, ((window.top + y) * width + window.left) * channels)
                if !flip {
                    for i in 0..<rowLength { out[row + i] = scaled[Int(pixels[first + i])] }
                    continue
                }
                for x in 0..<window.width {
                    let (to, from) = (row + x * channels, first + (window.width - 1 - x) * channels)
                    for c in 0..<channels { out[to + c] = scaled[Int(pixels[from + c])] }
                }
            }
        }
    }
}

/// A part of an image.
public struct ImageWindow: Equatable, Sendable {
    /// Rows above it and columns to its left.
    public let top: Int
    public let left: Int
    public let height: Int
    public let width: Int

    public init(top: Int, left: Int, height: Int, width: Int) {
        (self.top, self.left, self.height, self.width) = (top, left, height, width)
    }

    /// Numbers in this part of a sample, which is an image that has it.
    func elements(of sample: SampleShape) -> Int {
        guard case .image(let rows, let columns, let channels, _) = sample, top >= 0, left >= 0, height > 0, width > 0,
            top + height <= rows, left + width <= columns
        else { preconditionFailure("\(sample.words) without the window \(self)") }
        return height * width * channels
    }
}

/// Memory that goes with its owner.
private final class OwnedMemory {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int, _ path: String) throws {
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, max(byteCount, 1)) == 0, let memory else {
            throw DataSetError(
                "\(path): there is no memory for its \(byteCount >> 20) MiB of samples: set cache=node or cache=stream",
                status: .failure)
        }
        bytes = UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
    }

    deinit { free(bytes.baseAddress) }
}
