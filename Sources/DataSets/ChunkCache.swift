import HDF5

/// Chunks of a data set, read whole; those used last are kept. Not for use from several threads at once.
final class ChunkCache {
    /// Most bytes that are kept; at least one chunk is.
    let limitBytes: Int
    private let source: SampleSource
    private let chunkSamples: Int
    private var chunks: [Int: Chunk] = [:]
    private var heldBytes = 0
    /// Counts uses: the chunk with the smallest number goes first.
    private var uses = 0

    private struct Chunk {
        let bytes: [UInt8]
        var lastUse: Int
    }

    init(_ source: SampleSource, bytes: Int) {
        self.source = source
        chunkSamples = DataSetFormat.chunkSamples(source.sample)
        limitBytes = max(bytes, chunkSamples * source.bytesPerSample)
    }

    /// Calls `body` with a sample as it is stored.
    ///
    /// - Throws: `HDF5Error` when its chunk has to be read and the file fails.
    func withSample<T>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> T) throws -> T {
        let number = index / chunkSamples
        uses += 1
        let chunk = try chunks[number] ?? load(number)
        chunks[number]?.lastUse = uses
        let start = (index - number * chunkSamples) * source.bytesPerSample
        return try chunk.bytes.withUnsafeBytes {
            try body(UnsafeRawBufferPointer(rebasing: $0[start..<start + source.bytesPerSample]))
        }
    }

    private func load(_ number: Int) throws -> Chunk {
        let range = number * chunkSamples..<min(source.count, (number + 1) * chunkSamples)
        let size = range.count * source.bytesPerSample
        while heldBytes + size > limitBytes, let oldest = chunks.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            heldBytes -= oldest.value.bytes.count
            chunks[oldest.key] = nil
        }
        let bytes = try [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
            let bytes = UnsafeMutableBufferPointer(rebasing: buffer[..<size])
            try source.read(range, into: UnsafeMutableRawBufferPointer(bytes))
            filled = size
        }
        let chunk = Chunk(bytes: bytes, lastUse: uses)
        chunks[number] = chunk
        heldBytes += size
        return chunk
    }
}
