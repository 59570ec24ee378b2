import Files

/// The grey images of a file of the IDX format, each centred on a black square, and their labels from another.
public struct IDXImages: NumberedImages {
    public let path: String
    /// Height and width of the squares.
    public let size: Int
    /// The set that the files are, where it is known.
    public let known: KnownIDXSet?
    /// SHA-256 of both files' SHA-256, or that of the only one.
    let digest: String
    public let labels: SourceLabels
    private let images: IDXArray

    /// - Parameter size: nil: the smallest square that holds an image and can be halved three times.
    init(images imagePath: String, labels labelPath: String?, size: Int?, known: [KnownIDXSet]) throws {
        path = imagePath
        images = try IDXArray(path: imagePath)
        guard images.dimensions.count == 3 else {
            throw DataSetError("\(imagePath): \(shapeText(images.dimensions)) are not images; N×H×W is wanted")
        }
        let (height, width) = (images.dimensions[1], images.dimensions[2])
        self.size = size ?? (max(height, width) + 7) / 8 * 8
        guard max(height, width) <= self.size else {
            throw DataSetError("\(imagePath): images of \(height)×\(width) do not fit into \(self.size)×\(self.size)")
        }
        guard let labelPath else {
            (self.known, labels, digest) = (nil, .none, try sha256(file: imagePath))
            return
        }
        let numbers = try IDXArray(path: labelPath)
        guard numbers.dimensions == [images.dimensions[0]] else {
            throw DataSetError(
                "\(labelPath): \(shapeText(numbers.dimensions)) labels for \(images.dimensions[0]) images")
        }
        let imageDigest = images.digest
        let found = known.first { $0.images == imageDigest && $0.labels == numbers.digest }
        self.known = found
        labels = .numbers(numbers.values.map { Int($0) }, names: found?.labelNames)
        digest = sha256(Array((try sha256(file: imagePath) + sha256(file: labelPath)).utf8))
    }

    public var count: Int { images.dimensions[0] }
    public func bytes(_ place: Int) -> Int { images.dimensions[1] * images.dimensions[2] }

    public func reader() -> any ImageReader { ArrayReader(image) }

    private func image(_ place: Int) -> RasterImage {
        let (height, width) = (images.dimensions[1], images.dimensions[2])
        let pixels = Array(images.values[place * height * width..<(place + 1) * height * width])
        return RasterImage(height: height, width: width, channels: 1, pixels: pixels).padded(to: size, value: [0])
    }
}

/// Reads images that lie in memory, or can be read at any place from any thread.
final class ArrayReader: ImageReader {
    private let image: @Sendable (Int) throws -> RasterImage

    init(_ image: @escaping @Sendable (Int) throws -> RasterImage) { self.image = image }

    func read(_ range: Range<Int>) -> [@Sendable () throws -> ImageContent] {
        range.map { [image] place in { .pixels(try image(place)) } }
    }
}
