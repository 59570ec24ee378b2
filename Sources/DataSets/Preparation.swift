/// Makes data sets from what people have: the work behind `smd dataset prepare`.
public struct Preparation {
    /// Where the data set goes.
    public var output: String
    /// Where it comes from.
    public var provenance: Provenance
    /// Most samples of a file; `nil` for one file without a manifest.
    public var shardSize: Int?
    /// Whether files that exist may be replaced.
    public var overwrite: Bool
    /// Gets the samples done and all samples, from time to time; what it throws ends the work and leaves no file.
    public var progress: (Int, Int) throws -> Void

    /// All of it; see the properties.
    public init(
        output: String, provenance: Provenance, shardSize: Int? = nil, overwrite: Bool = false,
        progress: @escaping (Int, Int) throws -> Void = { _, _ in }
    ) {
        self.output = output
        self.provenance = provenance
        self.shardSize = shardSize
        self.overwrite = overwrite
        self.progress = progress
    }

    /// Makes the data set with `body`, which appends the samples and finishes it; after an error what was written is
    /// dropped.
    func write(
        _ sample: SampleShape, labelled: Bool, count: Int, digest: String? = nil, _ body: (DataSetWriter) throws -> Void
    ) throws {
        var job = self
        job.provenance.sourceDigest = digest
        let writer = try DataSetWriter(job, sample: sample, labelled: labelled, expectedCount: count)
        do {
            try body(writer)
        } catch {
            writer.abandon()
            throw error
        }
    }

    /// Says now, before the work, that the output cannot be written.
    func checkOutput() throws { try FileReplacement(path: output).check(overwrite: overwrite) }

    /// Grey images and labels from two files of the IDX format, every image centred on a black square of `size`.
    ///
    /// - Parameter known: sets that are known by their digests; where the files are one of them, the data set gets its
    ///   name and the names of its labels. Those of others stay numbers.
    /// - Returns: The numbers of images and of classes written, and the set that the files are known as.
    /// - Throws: ``DataSetError`` when a file is missing, damaged, or the two do not belong together.
    public func idx(
        images imagePath: String, labels labelPath: String, size: Int, known: [KnownIDXSet]
    ) throws -> (count: Int, classes: Int, known: KnownIDXSet?) {
        try checkOutput()
        let images = try IDXArray(path: imagePath)
        let labels = try IDXArray(path: labelPath)
        guard images.dimensions.count == 3 else {
            throw DataSetError("\(imagePath): \(shapeText(images.dimensions)) are not images; N×H×W is wanted")
        }
        let (count, height, width) = (images.dimensions[0], images.dimensions[1], images.dimensions[2])
        guard labels.dimensions == [count] else {
            throw DataSetError("\(labelPath): \(shapeText(labels.dimensions)) labels for \(count) images")
        }
        guard height <= size && width <= size else {
            throw DataSetError("\(imagePath): images of \(height)×\(width) do not fit into \(size)×\(size)")
        }
        let found = known.first { $0.images == images.digest && $0.labels == labels.digest }
        let digest = sha256(Array((try sha256(file: imagePath) + sha256(file: labelPath)).utf8))
        var named = self
        if let found { named.provenance.source = found.name }
        let shape = SampleShape.image(height: size, width: size, channels: 1)
        try named.write(shape, labelled: true, count: count, digest: digest) { writer in
            writer.labelNames = found?.labelNames
            for start in stride(from: 0, to: count, by: 1000) {
                let end = min(count, start + 1000)
                let padded = (start..<end).flatMap { i in
                    let pixels = Array(images.values[i * height * width..<(i + 1) * height * width])
                    return RasterImage(height: height, width: width, channels: 1, pixels: pixels)
                        .padded(to: size).pixels
                }
                try writer.append(images: padded, labels: labels.values[start..<end].map(Int32.init))
                try progress(end, count)
            }
            try writer.finish()
        }
        return (count, Set(labels.values).count, found)
    }

    /// Points from a text file; see ``PointText``.
    ///
    /// - Returns: The number of points written, and their dimension.
    /// - Throws: ``DataSetError`` with the number of the first bad line.
    public func points(file path: String) throws -> (count: Int, dimension: Int) {
        try checkOutput()
        let bytes = try readFile(path, atMost: PointText.maximumBytes)
        let text = try PointText(bytes: bytes, name: path)
        let shape = SampleShape.point(dimension: text.dimension)
        try write(shape, labelled: false, count: text.count, digest: sha256(bytes)) { writer in
            try writer.append(points: text.values)
            try progress(text.count, text.count)
            try writer.finish()
        }
        return (text.count, text.dimension)
    }

    /// `count` points drawn from a known distribution, labelled with the component they came from; it is stored too.
    public func points(drawnFrom source: some DrawnPoints, count: Int) throws {
        try write(.point(dimension: 2), labelled: true, count: count) { writer in
            writer.distribution = source.distribution
            for start in stride(from: 0, to: count, by: 100_000) {
                let end = min(count, start + 100_000)
                let drawn = source.draw(start..<end)
                try writer.append(points: drawn.points, labels: drawn.labels)
                try progress(end, count)
            }
            try writer.finish()
        }
    }
}
