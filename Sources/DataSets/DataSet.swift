import HDF5

/// A data set to train on: an HDF5 file of images or points, or the manifest of several.
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
    /// Whether all samples are in memory.
    public let isInMemory: Bool
    /// Numbers in a sample.
    public var elementsPerSample: Int { sample.elements }

    /// Bytes of memory that the samples take.
    public var residentBytes: Int { bytes.count + numbers.count * MemoryLayout<Float>.stride }

    let source: SampleSource
    /// All samples where they fit, in the type they have in a file of this product.
    private let bytes: [UInt8]
    private let numbers: [Float]

    /// Opens and checks the data set at `path`.
    ///
    /// - Parameter memoryLimitBytes: sets up to this size are held in memory, larger ones are read sample by sample.
    /// - Throws: ``DataSetError`` or `HDF5Error`, one line that says what was found and what is wanted: a missing or
    ///   damaged file, a wrong rank or type, no samples, senseless sizes, samples that are not those written (by the
    ///   SHA-256 stored with them), points that are not finite.
    public init(path: String, memoryLimitBytes: Int = 2 << 30) throws {
        self.path = path
        source = try SampleSource(path: path)
        count = source.count
        sample = source.sample
        isInMemory = source.totalBytes <= memoryLimitBytes
        var bytes: [UInt8] = []
        var numbers: [Float] = []
        switch (isInMemory, sample) {
        case (true, .image): bytes = try source.readAll()
        case (true, .point): numbers = try source.readAll()
        case (false, _): break
        }
        fingerprint =
            switch (isInMemory, sample) {
            case (true, .image): try source.fingerprint(ofAll: bytes)
            case (true, .point): try source.fingerprint(ofAll: numbers)
            case (false, .image): try source.fingerprint(reading: UInt8.self)
            case (false, .point): try source.fingerprint(reading: Float.self)
            }
        self.bytes = bytes
        self.numbers = numbers
        if isInMemory { try source.close() }
    }

    /// Reads sample `index` into `out`, which holds ``elementsPerSample`` numbers.
    ///
    /// Images arrive as height × width × channels, scaled from 0…255 to −1…1 by 2·v/255 − 1, mirrored left to right
    /// with `flip`. Points arrive as they are; `flip` does not touch them.
    ///
    /// - Throws: `HDF5Error` when the set is read on demand and the file fails.
    public func read(_ index: Int, flip: Bool, into out: UnsafeMutableBufferPointer<Float>) throws {
        precondition((0..<count).contains(index), "no sample \(index) in a set of \(count)")
        precondition(out.count == elementsPerSample, "\(out.count) numbers for a sample of \(elementsPerSample)")
        switch sample {
        case .point:
            if isInMemory {
                _ = out.update(fromContentsOf: numbers[index * out.count..<(index + 1) * out.count])
            } else {
                try source.read(index, into: out)
            }
        case .image(_, let width, let channels):
            if isInMemory {
                let range = index * out.count..<(index + 1) * out.count
                bytes.withUnsafeBufferPointer {
                    Self.scale(UnsafeBufferPointer(rebasing: $0[range]), width, channels, flip, into: out)
                }
            } else {
                try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: out.count) { pixels in
                    try source.read(index, into: pixels)
                    Self.scale(UnsafeBufferPointer(pixels), width, channels, flip, into: out)
                }
            }
        }
    }

    /// Some samples, as ``read(_:flip:into:)`` gives them, not mirrored: `[indices, elementsPerSample]`.
    ///
    /// - Throws: as ``read(_:flip:into:)``.
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
    /// - Throws: `HDF5Error` when the set is read on demand and the file fails.
    public func pixels(_ index: Int) throws -> [UInt8] {
        guard case .image = sample else { preconditionFailure("\(path) holds \(sample.words), not images") }
        precondition((0..<count).contains(index), "no sample \(index) in a set of \(count)")
        let size = elementsPerSample
        if isInMemory { return Array(bytes[index * size..<(index + 1) * size]) }
        return try [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
            try source.read(index, into: UnsafeMutableBufferPointer(rebasing: buffer[..<size]))
            filled = size
        }
    }

    /// 2·v/255 − 1 for every byte v, rounded once; scaled[255 − v] = −scaled[v] exactly.
    private static let scaled: [Float] = (0...255).map { Float(Double(2 * $0 - 255) / 255) }

    /// [rows][width][channels] bytes to numbers, every row reversed pixel by pixel with `flip`.
    private static func scale(
        _ pixels: UnsafeBufferPointer<UInt8>, _ width: Int, _ channels: Int, _ flip: Bool,
        into out: UnsafeMutableBufferPointer<Float>
    ) {
        scaled.withUnsafeBufferPointer { scaled in
            if !flip {
                for i in 0..<out.count { out[i] = scaled[Int(pixels[i])] }
                return
            }
            let rowLength = width * channels
            for row in stride(from: 0, to: out.count, by: rowLength) {
                for x in 0..<width {
                    let (to, from) = (row + x * channels, row + (width - 1 - x) * channels)
                    for c in 0..<channels { out[to + c] = scaled[Int(pixels[from + c])] }
                }
            }
        }
    }
}
