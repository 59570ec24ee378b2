import Arrays
import Files

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
    /// Whether to go on with what a preparation of the same images has left.
    public var resume = false
    /// The processes that prepare the data set together.
    public var team = PreparationTeam()
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

    /// Grey images from a file of the IDX format, with or without labels from another, every image centred on a black square
    /// of `size`.
    ///
    /// - Parameter known: sets that are known by their digests; where the files are one of them, the data set gets its
    ///   name and the names of its labels. Those of others stay numbers.
    /// - Returns: The numbers of images and of classes written, and the set that the files are known as.
    /// - Throws: ``DataSetError`` when a file is missing, damaged, or the two do not belong together.
    public func idx(
        images imagePath: String, labels labelPath: String?, size: Int?, known: [KnownIDXSet],
        duplicates: ImageRules.Duplicates = .keep
    ) throws -> (images: PreparedImages, size: Int, known: KnownIDXSet?) {
        let source = try opened {
            try IDXImages(images: imagePath, labels: labelPath, size: size, known: known)
        }
        var named = self
        named.provenance.sourceDigest = source.digest
        if let found = source.known { named.provenance.source = found.name }
        var rules = ImageRules(ImageTreatment(size: source.size, channels: 1))
        rules.duplicates = duplicates
        rules.keepsSources = duplicates == .drop
        return (try named.images(from: source, rules), source.size, source.known)
    }

    /// Points from a text file (``PointText``), or from an array of NumPy, N×D.
    ///
    /// - Returns: The number of points written, and their dimension.
    /// - Throws: ``DataSetError`` with the number of the first bad line.
    public func points(file path: String) throws -> (count: Int, dimension: Int) {
        try checkOutput()
        let found = try path.lowercased().hasBytes(suffix: ".npy") ? pointArray(path) : PointText(path: path)
        let shape = SampleShape.point(dimension: found.dimension)
        try write(shape, labelled: false, count: found.count, digest: sha256(file: path)) { writer in
            try writer.append(points: found.values)
            try progress(found.count, found.count)
            try writer.finish()
        }
        return (found.count, found.dimension)
    }

    private func pointArray(_ path: String) throws -> PointText {
        do {
            let reader = try NPYReader(path: path, member: nil)
            guard reader.shape.count == 2, reader.shape[0] > 0, 1...PointText.maximumDimension ~= reader.shape[1] else {
                throw DataSetError("\(path): an array of \(shapeText(reader.shape)); points are N×D")
            }
            let values = try reader.numbers(reader.bytes(reader.shape[0] * reader.shape[1])).map { Float($0) }
            if let bad = values.firstIndex(where: { !$0.isFinite }) {
                throw DataSetError("\(path): point \(bad / reader.shape[1]) holds \(values[bad]), not a finite number")
            }
            return PointText(count: reader.shape[0], dimension: reader.shape[1], values: values)
        } catch let error as ArrayFileError {
            throw DataSetError("\(error)")
        }
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
