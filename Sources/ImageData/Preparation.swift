import Crypto
import Foundation

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

    private func writer(_ sample: SampleShape, labelled: Bool, count: Int, digest: String?) throws -> DataSetWriter {
        var provenance = provenance
        provenance.sourceDigest = digest
        return try DataSetWriter(
            path: output, sample: sample, labelled: labelled, provenance: provenance, expectedCount: count,
            shardSize: shardSize, overwrite: overwrite)
    }

    /// Runs `body` with the writer; what it leaves unfinished after an error is dropped.
    private func writing(_ writer: DataSetWriter, _ body: (DataSetWriter) throws -> Void) throws {
        do { try body(writer) } catch {
            writer.abandon()
            throw error
        }
    }

    /// Says now, before the work, that the output cannot be written.
    private func checkOutput() throws { try FileReplacement(path: output).check(overwrite: overwrite) }

    /// Grey images and labels from two files of the IDX format, every image centred on a black square of `size`.
    ///
    /// - Returns: The number of images written.
    /// - Throws: ``ImageDataError`` when a file is missing, damaged, or the two do not belong together.
    public func idx(images imagePath: String, labels labelPath: String, labelNames: [String], size: Int) throws -> Int {
        try checkOutput()
        let images = try IDXArray(path: imagePath)
        let labels = try IDXArray(path: labelPath)
        guard images.dimensions.count == 3 else {
            throw ImageDataError("\(imagePath): \(shapeText(images.dimensions)) are not images; N×H×W is wanted")
        }
        let (count, height, width) = (images.dimensions[0], images.dimensions[1], images.dimensions[2])
        guard labels.dimensions == [count] else {
            throw ImageDataError("\(labelPath): \(shapeText(labels.dimensions)) labels for \(count) images")
        }
        guard height <= size && width <= size else {
            throw ImageDataError("\(imagePath): images of \(height)×\(width) do not fit into \(size)×\(size)")
        }
        if let bad = labels.values.first(where: { Int($0) >= labelNames.count }) {
            throw ImageDataError("\(labelPath): holds the label \(bad); there are \(labelNames.count) classes")
        }
        let digest = sha256(Array((try sha256(file: imagePath) + sha256(file: labelPath)).utf8))
        let writer = try writer(
            .image(height: size, width: size, channels: 1), labelled: true, count: count, digest: digest)
        writer.labelNames = labelNames
        try writing(writer) { writer in
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
        return count
    }

    /// The PNG and JPEG images of a folder, each scaled so that its short side is `size`, cropped to the centre, with
    /// `channels` 1 or 3; labelled by sub-folder when every file lies in one.
    ///
    /// - Parameters:
    ///   - strict: whether a file that cannot be read ends the work; otherwise it is skipped.
    ///   - report: gets a line for every file that was skipped.
    /// - Returns: The numbers of images written and of files skipped.
    /// - Throws: ``ImageDataError`` when there is not one image, or a file cannot be read and `strict` is set.
    public func images(
        folder path: String, size: Int, channels: Int, strict: Bool, report: (String) -> Void
    ) throws -> (written: Int, skipped: Int) {
        try checkOutput()
        let folder = try ImageFolder(path: path)
        let total = folder.files.count
        let writer = try writer(
            .image(height: size, width: size, channels: channels), labelled: folder.labelNames != nil, count: total,
            digest: nil)
        writer.labelNames = folder.labelNames
        let labels = Dictionary(uniqueKeysWithValues: (folder.labelNames ?? []).enumerated().map { ($1, Int32($0)) })
        var sources = SHA256()
        var skipped = 0
        try writing(writer) { writer in
            let step = 64
            for start in stride(from: 0, to: total, by: step) {
                let range = start..<min(total, start + step)
                var batch: [UInt8] = []
                var batchLabels: [Int32] = []
                for (file, item) in zip(folder.files[range], folder.load(range, size: size, channels: channels)) {
                    switch item.pixels {
                    case .success(let pixels):
                        batch += pixels
                        batchLabels.append(labels[String(file.prefix { $0 != "/" })] ?? 0)
                        sources.update(values: Array("\(item.digest) \(file)\n".utf8))
                    case .failure(let error):
                        let line = "\(FileReplacement.join(path, file)): \(error)"
                        if strict { throw ImageDataError(line) }
                        skipped += 1
                        report(line)
                    }
                }
                try writer.append(images: batch, labels: folder.labelNames == nil ? nil : batchLabels)
                try progress(range.upperBound, total)
            }
            guard writer.count > 0 else { throw ImageDataError("\(path): holds no PNG or JPEG image that can be read") }
            try writer.finish(sourceDigest: hexDigest(sources.finalize()))
        }
        return (writer.count, skipped)
    }

    /// Points from a text file; see ``PointText``.
    ///
    /// - Returns: The number of points written, and their dimension.
    /// - Throws: ``ImageDataError`` with the number of the first bad line.
    public func points(file path: String) throws -> (count: Int, dimension: Int) {
        try checkOutput()
        let bytes = try readFile(path, atMost: PointText.maximumBytes)
        let text = try PointText(bytes: bytes, name: path)
        let writer = try writer(
            .point(dimension: text.dimension), labelled: false, count: text.count, digest: sha256(bytes))
        try writing(writer) { writer in
            try writer.append(points: text.values)
            try progress(text.count, text.count)
            try writer.finish()
        }
        return (text.count, text.dimension)
    }

    /// `count` points drawn from a mixture, labelled with the Gaussian they came from; the mixture is stored too.
    public func gaussianGrid(_ grid: GaussianGrid, count: Int) throws {
        let writer = try writer(.point(dimension: 2), labelled: true, count: count, digest: nil)
        writer.mixture = grid
        try writing(writer) { writer in
            for start in stride(from: 0, to: count, by: 100_000) {
                let end = min(count, start + 100_000)
                let drawn = grid.draw(start..<end)
                try writer.append(points: drawn.points, labels: drawn.labels)
                try progress(end, count)
            }
            try writer.finish()
        }
    }
}
