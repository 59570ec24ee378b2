import Arrays
import Files

/// The images of an array of NumPy, `.npy` or in an `.npz` (guided-diffusion's samples: `arr_0`, labels `arr_1`), read
/// forward.
public struct NumPyImages: NumberedImages {
    public let path: String
    public let labels: SourceLabels
    /// Which numbers are which pixels.
    public let array: PixelArray
    private let member: String?
    private let rules: PixelArrayRules

    /// - Parameter member: the array in an `.npz`; nil for a `.npy`.
    /// - Throws: ``DataSetError`` where it is no array of images, or the labels are not one for each.
    public init(path: String, member: String?, _ rules: PixelArrayRules) throws {
        (self.path, self.member, self.rules) = (path, member, rules)
        (array, labels) = try arrayErrors {
            let reader = try NPYReader(path: path, member: member)
            let array = try PixelArray(
                name: member.map { "\(path): \($0)" } ?? path, shape: reader.shape, isBytes: reader.isBytes,
                layout: rules.layout, range: rules.range)
            let labels = try rules.labels.map { try Self.labels(path, $0, count: reader.shape[0]) }
            return (array, labels.map { .numbers($0, names: nil) } ?? .none)
        }
    }

    private static func labels(_ path: String, _ member: String, count: Int) throws -> [Int] {
        let reader = try NPYReader(path: path, member: member)
        guard reader.isInteger, reader.shape == [count] || reader.shape == [count, 1] else {
            throw DataSetError(
                "\(path): \(member) is \(reader.type) of \(shapeText(reader.shape)), not an integer for each of \(count) images"
            )
        }
        return try reader.numbers(reader.bytes(count)).map { number in
            guard abs(number) <= Double(Int32.max) else {
                throw DataSetError("\(path): \(member) holds \(number), too large for a label")
            }
            return Int(number)
        }
    }

    public var count: Int { array.count }
    public func bytes(_ place: Int) -> Int { array.elements }

    public func reader() throws -> any ImageReader { try Reader(self) }

    private final class Reader: ImageReader {
        private let images: NumPyImages
        private let reader: NPYReader
        private var place = 0

        init(_ images: NumPyImages) throws {
            self.images = images
            reader = try NPYReader(path: images.path, member: images.member)
        }

        func read(_ range: Range<Int>) throws -> [@Sendable () throws -> ImageContent] {
            let (array, background, isBytes) = (images.array, images.rules.background, reader.isBytes)
            return try arrayErrors {
                try reader.skip((range.lowerBound - place) * array.elements)
                place = range.upperBound
                return try range.map { _ in
                    let bytes = try reader.bytes(array.elements)
                    if isBytes { return { .pixels(try array.image(bytes: bytes, background: background)) } }
                    let numbers = reader.numbers(bytes)
                    return { .pixels(try array.image(numbers, background: background)) }
                }
            }
        }
    }
}
