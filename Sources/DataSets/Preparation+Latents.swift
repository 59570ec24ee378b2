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
        let mapping = SampleMapping(
            sources: images.count, copies: mirrored ? 2 : 1, shape: shape, maker: firstStage,
            digest: { images.fingerprint }, labelling: { try (images.labels(), images.labelNames()) })
        return try latents(mapping, firstStage, image: images.sample) { range in
            let samples = try [Float](unsafeUninitializedCapacity: range.count * size) { buffer, filled in
                for (slot, place) in range.enumerated() {
                    let sample = UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size])
                    try images.read(place % images.count, flip: place >= images.count, into: sample)
                }
                filled = range.count * size
            }
            return try encode(samples)
        }
    }

    /// Latents that another program made with the first stage of this digest.
    ///
    /// - Parameter image: shape of what they are latents of.
    /// - Returns: on rank 0 the number of latents, and their scale.
    public func latents(
        from arrays: LatentArrays, firstStage: String, image: SampleShape
    ) throws -> (count: Int, scale: Double)? {
        let mapping = SampleMapping(
            sources: arrays.count, shape: arrays.sample, maker: firstStage, digest: { try sha256(file: arrays.path) },
            labelling: { (arrays.labels, nil) })
        return try latents(mapping, firstStage, image: image, make: arrays.read)
    }

    /// - Parameter make: of each sample its means, then its deviations.
    private func latents(
        _ mapping: SampleMapping, _ firstStage: String, image: SampleShape, make: (Range<Int>) throws -> [Float]
    ) throws -> (count: Int, scale: Double)? {
        var scale = 1.0
        let count = try mapped(mapping) { range in
            try make(range).withUnsafeBytes { Array($0) }
        } attributes: { work in
            scale = try 1 / deviation(ofLatentsIn: work, mapping.shape)
            return LatentFacts(firstStage: firstStage, scale: scale, image: image.axes).attributes
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
        let mapping = SampleMapping(
            sources: latents.count, shape: shape, maker: "", digest: { latents.fingerprint },
            labelling: { try (latents.labels(), latents.labelNames()) })
        return try mapped(mapping) { range in
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
    ///   - make: numbers of samples → their values, images in −1 … 1, each followed by its condition where `shape` has one.
    /// - Returns: on rank 0 the number of samples.
    /// - Throws: ``DataSetError`` where the output cannot be written; what `make` throws.
    public func samples(
        of source: DataSet, to shape: SampleShape, by maker: String, block: Int? = nil,
        attributes: [(name: String, value: AttributeValue)] = [], make: (Range<Int>) throws -> [Float]
    ) throws -> Int? {
        let isImage = if case .image = shape { true } else { false }
        let mapping = SampleMapping(
            sources: source.count, shape: shape, maker: maker, digest: { source.fingerprint },
            labelling: { try (source.labels(), source.labelNames()) })
        return try mapped(mapping, block: block) { range in
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
}
