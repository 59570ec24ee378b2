import HDF5

extension DataSet {
    /// Bytes of samples up to which a trial reads all of a set whose samples are compressed: as much as opening reads
    /// at most.
    private static let wholeTrialBytes = 2 << 30
    private static let spreadSamples = 1024

    /// Makes libhdf5 do with the set at `path` what using it would: opens every file, reads all attributes, labels and
    /// names, and samples. Compressed samples are all read, up to 2 GiB; of others, which are plain bytes behind an
    /// index, and of larger sets, 1024 at equal distances. For a helper process: a file that makes libhdf5 crash, hang
    /// or eat memory shall do it there.
    ///
    /// - Throws: ``DataSetError`` or `HDF5Error`, as opening does.
    public static func tryReading(path: String) throws {
        let source = try SampleSource(path: path)
        for (index, part) in source.parts.enumerated() {
            let file = try source.file(index)
            let root = file.file.root
            // What cannot be read among these does not keep a set from being used.
            _ = try root.foundAttributes()
            for set in file.sets { _ = try set.foundAttributes() }
            if root.isDataset("labels") { _ = try? root.dataset("labels").foundAttributes() }
            _ = try file.readLabelling()
            for name in ["mixture", "rectangles"] where root.isGroup(name) { _ = try root.group(name).names() }
            if case .point(let dimension) = source.sample { _ = try? file.readDistribution(dimension) }
            // However large the set is: each chunk is read and inflated once.
            let compressed = try file.sets.filter { try $0.isCompressed() }
            for set in compressed { try set.checkChunks() }
            let all = !compressed.isEmpty && source.totalBytes <= wholeTrialBytes
            switch (source.sample, all) {
            case (.image, true): try source.stream(index, as: UInt8.self) { _ in }
            case (.point, true), (.latent, true): try source.stream(index, as: Float.self) { _ in }
            case (_, false): try readSpread(part, of: source)
            }
        }
        try source.close()
    }

    private static func readSpread(_ part: SampleSource.Part, of source: SampleSource) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: source.bytesPerSample, alignment: 16)
        defer { buffer.deallocate() }
        let count = min(part.range.count, spreadSamples)
        for i in 0..<count {
            let index = part.range.lowerBound + (count == 1 ? 0 : i * (part.range.count - 1) / (count - 1))
            try source.read(index..<index + 1, into: buffer)
        }
    }
}
