import HDF5

extension Preparation {
    /// The latents of images: of each a Gaussian, written as `/mean` and `/deviation`. Blocks of images are shared by the
    /// ranks of the team, and what is done of them lies beside the output until it is written (``PreparationWork``).
    ///
    /// - Parameters:
    ///   - shape: of the latents.
    ///   - firstStage: SHA-256 of the checkpoint that makes them.
    ///   - mirrored: whether the latents of all images mirrored left to right follow; a latent itself cannot be mirrored.
    ///   - encode: images `[N, H, W, C]` in −1 … 1 → of each its means, then its deviations.
    /// - Returns: on rank 0 the number of latents, and their scale.
    /// - Throws: ``DataSetError`` where the output cannot be written; what `encode` throws.
    public func latents(
        of images: DataSet, to shape: SampleShape, firstStage: String, mirrored: Bool,
        encode: ([Float]) throws -> [Float]
    ) throws -> (count: Int, scale: Double)? {
        let size = images.elementsPerSample
        let mapping = SampleMapping(images, copies: mirrored ? 2 : 1, to: shape, by: firstStage)
        var scale = 1.0
        let count = try mapped(mapping) { range in
            let samples = try [Float](unsafeUninitializedCapacity: range.count * size) { buffer, filled in
                for (slot, place) in range.enumerated() {
                    let sample = UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size])
                    try images.read(place % images.count, flip: place >= images.count, into: sample)
                }
                filled = range.count * size
            }
            return try encode(samples).withUnsafeBytes { Array($0) }
        } attributes: { work in
            scale = try 1 / deviation(ofLatentsIn: work, shape)
            return LatentFacts(firstStage: firstStage, scale: scale, image: images.sample.axes).attributes
        } append: { writer, bytes, labels in
            try writer.append(latents: floats(bytes), labels: labels)
        }
        return count.map { ($0, scale) }
    }

    /// The images of latents, of each that of its mean.
    ///
    /// - Parameters:
    ///   - shape: of the images.
    ///   - decode: latents `[N, h, w, Z]` → images, 0 … 255.
    /// - Returns: on rank 0 the number of images.
    /// - Throws: ``DataSetError`` where the output cannot be written; what `decode` throws.
    public func images(
        of latents: DataSet, to shape: SampleShape, decode: ([Float]) throws -> [UInt8]
    ) throws -> Int? {
        try mapped(SampleMapping(latents, copies: 1, to: shape, by: "")) { range in
            try decode(range.flatMap { try floats(latents.stored($0)).prefix(latents.elementsPerSample) })
        } attributes: { _ in
            []
        } append: { writer, bytes, labels in
            try writer.append(images: bytes, labels: labels)
        }
    }

    /// Of every sample of a data set one of another, images or points, with the labels of the first: shared by ranks and
    /// kept beside the output as latents are.
    ///
    /// - Parameters:
    ///   - maker: what makes them, as a text that tells it apart.
    ///   - block: samples that a rank makes at a time and keeps; nil: as many as make a file of a good size.
    ///   - attributes: what the file says of them.
    ///   - make: numbers of samples → their values, images in −1 … 1.
    /// - Returns: on rank 0 the number of samples.
    /// - Throws: ``DataSetError`` where the output cannot be written; what `make` throws.
    public func samples(
        of source: DataSet, to shape: SampleShape, by maker: String, block: Int? = nil,
        attributes: [(name: String, value: AttributeValue)] = [], make: (Range<Int>) throws -> [Float]
    ) throws -> Int? {
        let isImage = if case .image = shape { true } else { false }
        return try mapped(SampleMapping(source, copies: 1, to: shape, by: maker), block: block) { range in
            let values = try make(range)
            return isImage ? pixels(values) : values.withUnsafeBytes { Array($0) }
        } attributes: { _ in
            attributes
        } append: { writer, bytes, labels in
            try isImage
                ? writer.append(images: bytes, labels: labels) : writer.append(points: floats(bytes), labels: labels)
        }
    }

    /// √(Var μ + E σ²) over all numbers of all latents: what a draw of them deviates by.
    private func deviation(ofLatentsIn work: PreparationWork, _ shape: SampleShape) throws -> Double {
        var (sum, squares, variance, count) = (0.0, 0.0, 0.0, 0)
        for number in 0..<work.blocks {
            let values = try floats(work.read(number).pixels)
            for start in stride(from: 0, to: values.count, by: shape.storedElements) {
                for i in start..<start + shape.elements {
                    let (mean, deviation) = (Double(values[i]), Double(values[i + shape.elements]))
                    sum += mean
                    squares += mean * mean
                    variance += deviation * deviation
                }
                count += shape.elements
            }
        }
        let mean = sum / Double(count)
        let whole = squares / Double(count) - mean * mean + variance / Double(count)
        guard whole > 0, whole.isFinite else {
            throw DataSetError(
                "\(output): not written: the latents have the variance \(whole): the first stage is of no use")
        }
        return whole.squareRoot()
    }

    // MARK: Any mapping

    /// Makes every sample of one data set a sample of another.
    private struct SampleMapping {
        let source: DataSet
        /// How often each becomes a sample: all once, then all again.
        let copies: Int
        let shape: SampleShape
        /// What makes the new samples, as a text that tells it apart.
        let maker: String

        init(_ source: DataSet, copies: Int, to shape: SampleShape, by maker: String) {
            (self.source, self.copies, self.shape, self.maker) = (source, copies, shape, maker)
        }

        var count: Int { source.count * copies }

        func plan(_ provenance: Provenance) -> PreparationWork.Plan {
            PreparationWork.Plan(
                command: provenance.command, tool: provenance.tool, images: count,
                source: source.fingerprint + maker, sampleBytes: shape.storedBytes)
        }
    }

    /// Samples that are made at a time, at most.
    private static let mappedAtOnce = 256

    /// - Returns: on rank 0 the number of samples.
    private func mapped(
        _ mapping: SampleMapping, block: Int? = nil, make: (Range<Int>) throws -> [UInt8],
        attributes: (PreparationWork) throws -> [(name: String, value: AttributeValue)],
        append: (DataSetWriter, [UInt8], [Int32]?) throws -> Void
    ) throws -> Int? {
        let work = PreparationWork(
            output: output, count: mapping.count, sampleBytes: mapping.shape.storedBytes, block: block)
        try team.together {
            if team.rank == 0 { try work.open(mapping.plan(provenance), resume: resume, restart: overwrite) }
        }
        do {
            try team.together { try fill(work, make) }
            var written: Int?
            try team.together {
                guard team.rank == 0 else { return }
                written = try write(mapping, work, attributes(work), append)
                try work.remove()
            }
            return written
        } catch {
            if team.rank == 0, !isStop(error) { try? work.remove() }
            throw error
        }
    }

    /// Every block of this rank that is not done yet.
    private func fill(_ work: PreparationWork, _ make: (Range<Int>) throws -> [UInt8]) throws {
        let mine = (0..<work.blocks).filter { $0 % team.size == team.rank }
        let total = mine.reduce(0) { $0 + work.range($1).count }
        var done = mine.reduce(0) { $0 + (work.isDone($1) ? work.range($1).count : 0) }
        for number in mine where !work.isDone(number) {
            let range = work.range(number)
            var block = PreparationWork.Block()
            // Digests are those of files, of which there are none.
            block.items = range.map { _ in PreparationWork.Item(digest: ContentDigest(of: [])) }
            for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.mappedAtOnce) {
                let some = start..<min(range.upperBound, start + Self.mappedAtOnce)
                block.pixels += try make(some)
                done += some.count
                // Of the whole, as far as the others are as fast.
                try progress(done * work.count / max(1, total), work.count)
            }
            try work.write(number, block)
        }
    }

    private func write(
        _ mapping: SampleMapping, _ work: PreparationWork, _ attributes: [(name: String, value: AttributeValue)],
        _ append: (DataSetWriter, [UInt8], [Int32]?) throws -> Void
    ) throws -> Int {
        var described = self
        described.provenance.attributes = attributes
        let (labels, names) = (try mapping.source.labels(), try mapping.source.labelNames())
        var count = 0
        try described.write(
            mapping.shape, labelled: labels != nil, count: mapping.count, digest: mapping.source.fingerprint
        ) { writer in
            writer.labelNames = names
            for number in 0..<work.blocks {
                let places = work.range(number).map { $0 % mapping.source.count }
                let own = labels.map { labels in places.map { Int32(clamping: labels[$0]) } }
                try append(writer, work.read(number).pixels, own)
            }
            try writer.finish()
            count = writer.count
        }
        return count
    }

    private func floats(_ bytes: [UInt8]) -> [Float] {
        bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}
