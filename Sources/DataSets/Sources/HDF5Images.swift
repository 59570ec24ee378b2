import Files
import HDF5

/// The images of a data set of any HDF5 file.
public struct HDF5Images: NumberedImages {
    public let path: String
    public let labels: SourceLabels
    /// Which numbers are which pixels.
    public let array: PixelArray
    private let dataset: String
    private let rules: PixelArrayRules

    /// - Parameter dataset: its path in the file.
    /// - Throws: ``DataSetError`` or `HDF5Error` where it is no array of images, or the labels are not one for each.
    public init(path: String, dataset: String, _ rules: PixelArrayRules) throws {
        (self.path, self.dataset, self.rules) = (path, dataset, rules)
        let file = try HDF5File.open(path)
        let set = try file.root.dataset(dataset)
        guard set.isNumeric else { throw DataSetError("\(path): /\(dataset) is \(set.elementType), not numbers") }
        array = try PixelArray(
            name: "\(path): /\(dataset)", shape: set.shape, isBytes: set.elementType == .uint8, layout: rules.layout,
            range: rules.range)
        labels = try rules.labels.map { .numbers(try Self.labels(file, $0, count: set.shape[0]), names: nil) } ?? .none
        try file.close()
    }

    private static func labels(_ file: HDF5File, _ name: String, count: Int) throws -> [Int] {
        let set = try file.root.dataset(name)
        guard set.isNumeric, set.shape == [count] || set.shape == [count, 1] else {
            throw DataSetError(
                "\(file.name): /\(name) is \(set.elementType) of \(shapeText(set.shape)), not an integer for each of \(count) images"
            )
        }
        return try set.read(as: Double.self).map { number in
            guard number == number.rounded(), abs(number) <= Double(Int32.max) else {
                throw DataSetError("\(file.name): /\(name) holds \(number), which is no label")
            }
            return Int(number)
        }
    }

    /// Makes libhdf5 do with arrays what reading them would, for a helper process.
    ///
    /// - Throws: `HDF5Error` where it cannot.
    public static func tryReading(path: String, _ names: [String]) throws {
        let root = try HDF5File.open(path).root
        for name in names {
            let set = try root.dataset(name)
            guard set.isNumeric, let rows = set.shape.first else { continue }
            if try set.isCompressed() { try set.checkChunks() }
            let axes = Array(set.shape.dropFirst())
            let step = max(1, (1 << 20) / max(1, axes.reduce(1, *)))
            for start in stride(from: 0, to: rows, by: step) {
                _ = try set.read(
                    as: Double.self, offset: [start] + axes.map { _ in 0 }, count: [min(step, rows - start)] + axes)
            }
        }
    }

    public var count: Int { array.count }
    public func bytes(_ place: Int) -> Int { array.elements }

    public func reader() throws -> any ImageReader { try Reader(self) }

    private final class Reader: ImageReader {
        private let images: HDF5Images
        private let set: HDF5Dataset

        init(_ images: HDF5Images) throws {
            self.images = images
            set = try HDF5File.open(images.path).root.dataset(images.dataset)
        }

        func read(_ range: Range<Int>) throws -> [@Sendable () throws -> ImageContent] {
            let (array, background) = (images.array, images.rules.background)
            let axes = Array(set.shape.dropFirst())
            let offset = [range.lowerBound] + axes.map { _ in 0 }
            if set.elementType == .uint8 {
                let bytes = try set.read(as: UInt8.self, offset: offset, count: [range.count] + axes)
                return range.indices.map { index in
                    let begin = (index - range.lowerBound) * array.elements
                    let image = Array(bytes[begin..<begin + array.elements])
                    return { .pixels(try array.image(bytes: image, background: background)) }
                }
            }
            let numbers = try set.read(as: Double.self, offset: offset, count: [range.count] + axes)
            return range.indices.map { index in
                let begin = (index - range.lowerBound) * array.elements
                let image = Array(numbers[begin..<begin + array.elements])
                return { .pixels(try array.image(image, background: background)) }
            }
        }
    }
}
