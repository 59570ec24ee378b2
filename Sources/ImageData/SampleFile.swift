import Foundation
import HDF5

/// One HDF5 file of samples, opened and checked: this product's own, or any with `/images` uint8 N×H×W×C (or N×H×W) or
/// `/points` float N×D.
struct SampleFile {
    let path: String
    let file: HDF5File
    let samples: HDF5Dataset
    let sample: SampleShape
    let count: Int
    /// SHA-256 of the samples that the file's writer stored.
    let storedDigest: String?
    /// Labels, one a sample.
    let labels: HDF5Dataset?

    /// The most numbers a sample may have.
    private static let maximumElements = 1 << 28

    init(path: String) throws {
        self.path = path
        file = try HDF5File.open(path)
        let root = file.root
        let kind = try Self.kind(of: root, path: path)
        samples = try root.dataset(kind)
        let shape = samples.shape
        (sample, count) = try kind == "images" ? Self.images(samples, path) : Self.points(samples, path)
        guard count > 0 else { throw ImageDataError("\(path): /\(kind) of \(shapeText(shape)) holds no samples") }
        guard count <= Int(Int32.max) else {
            throw ImageDataError("\(path): /\(kind) of \(shapeText(shape)): at most \(Int32.max) samples are read")
        }
        // Product by product, so that nothing can wrap around: the axes may be anything up to 2⁶³.
        var elements = 1
        for axis in shape.dropFirst() {
            let (product, overflow) = elements.multipliedReportingOverflow(by: axis)
            guard !overflow, product > 0, product <= Self.maximumElements else {
                throw ImageDataError("\(path): /\(kind) of \(shapeText(shape)) has samples of a senseless size")
            }
            elements = product
        }
        // A header can claim anything; deflate shrinks at most 1032 to 1. The product is below 2³¹·2²⁸·2².
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
        guard count * elements * sample.elementBytes / 1100 <= size else {
            throw ImageDataError(
                "\(path): /\(kind) claims to be \(shapeText(shape)), which a file of \(size) bytes cannot hold")
        }
        storedDigest = try Self.text(samples.attribute(DataSetFormat.digestAttribute))
        labels = try Self.labels(of: root, count: count, path: path)
        if case .integer(let said)? = try root.attribute("count"), said != count {
            throw ImageDataError("\(path): says it has \(said) samples, but /\(kind) has \(count); prepare it again")
        }
    }

    /// Bytes of a sample as it is kept in memory.
    var bytesPerSample: Int { sample.elements * sample.elementBytes }

    /// Reads the samples `range` into `out`.
    func read<T: HDF5Scalar>(_ range: Range<Int>, into out: UnsafeMutableBufferPointer<T>) throws {
        let axes = Array(samples.shape.dropFirst())
        try samples.read(into: out, offset: [range.lowerBound] + axes.map { _ in 0 }, count: [range.count] + axes)
    }

    private static func kind(of root: HDF5Group, path: String) throws -> String {
        if case .string(DataSetFormat.name)? = try root.attribute("format") {
            if case .integer(let version)? = try root.attribute("format_version"), version > DataSetFormat.version {
                throw ImageDataError(
                    "\(path): data set of format version \(version); this program reads \(DataSetFormat.version)")
            }
            if let kind = try text(root.attribute("kind")) {
                guard kind == "images" || kind == "points" else {
                    throw ImageDataError("\(path): a data set of \(kind.prefix(40)); images or points are wanted")
                }
                return kind
            }
        }
        if root.contains("images") { return "images" }
        if root.contains("points") { return "points" }
        let names = try root.names().prefix(8).map { "/\($0)" }.joined(separator: ", ")
        throw ImageDataError(
            "\(path): has neither /images nor /points, but \(names.isEmpty ? "nothing" : names); "
                + "images are wanted as /images uint8 N×H×W×C")
    }

    private static func images(_ set: HDF5Dataset, _ path: String) throws -> (SampleShape, Int) {
        let found = "\(path): /images is \(set.elementType) \(shapeText(set.shape))"
        guard set.elementType == .uint8 else {
            throw ImageDataError("\(found); wanted is uint8 N×H×W×C, with values 0…255")
        }
        guard set.shape.count == 3 || set.shape.count == 4 else {
            throw ImageDataError("\(found), of rank \(set.shape.count); wanted is rank 4, N×H×W×C (or 3, N×H×W)")
        }
        let channels = set.shape.count == 4 ? set.shape[3] : 1
        guard (1...4).contains(channels) else {
            throw ImageDataError("\(found), with \(channels) channels; wanted is N×H×W×C with 1…4, channels last")
        }
        return (.image(height: set.shape[1], width: set.shape[2], channels: channels), set.shape[0])
    }

    private static func points(_ set: HDF5Dataset, _ path: String) throws -> (SampleShape, Int) {
        let found = "\(path): /points is \(set.elementType) \(shapeText(set.shape))"
        guard set.elementType == .float32 || set.elementType == .float64 else {
            throw ImageDataError("\(found); wanted is float32 N×D")
        }
        guard set.shape.count == 2 else {
            throw ImageDataError("\(found), of rank \(set.shape.count); wanted is rank 2, N×D")
        }
        return (.point(dimension: set.shape[1]), set.shape[0])
    }

    /// In a file of this product labels must fit the samples; what others keep under that name is theirs to know.
    private static func labels(of root: HDF5Group, count: Int, path: String) throws -> HDF5Dataset? {
        guard root.isDataset("labels") else { return nil }
        let labels = try root.dataset("labels")
        guard labels.shape == [count], labels.isNumeric else {
            guard case .string(DataSetFormat.name)? = try root.attribute("format") else { return nil }
            throw ImageDataError("\(path): /labels has the shape \(shapeText(labels.shape)), wanted is \(count)")
        }
        return labels
    }

    private static func text(_ value: AttributeValue?) -> String? {
        if case .string(let text)? = value { text } else { nil }
    }
}
