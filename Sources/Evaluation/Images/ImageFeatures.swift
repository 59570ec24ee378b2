import Arrays
import DataSets

/// What images are compared by: F numbers of each image.
public protocol ImageFeatures {
    /// What names the figures: "pca:64".
    var name: String { get }
    /// Identifies what computes the numbers, in hexadecimal: figures of one name and digest can be compared.
    var digest: String { get }
    /// Numbers an image, F.
    var dimension: Int { get }
    /// What a file of statistics must hold beside them for other images to have the same features.
    var arrays: [(name: String, array: NumericArray)] { get }
    /// Whether their distances are what is called FID and KID.
    var areInception: Bool { get }
    /// Images of a piece of the work; progress shows, and a signal is heard, between two.
    var imagesAtATime: Int { get }
    /// Classes that the numbers tell apart; nil where there are none.
    var classes: FeatureClasses? { get }

    /// Refuses images that have no such features.
    ///
    /// - Throws: ``EvaluationError``.
    func check(_ set: DataSet) throws

    /// The numbers of each of `count` images.
    ///
    /// - Parameters:
    ///   - images: `[count, H, W, C]` in [−1, 1].
    ///   - shape: H, W and C.
    /// - Returns: `[count, F]`.
    func features(of images: [Float], count: Int, _ shape: SampleShape) throws -> [Float]
}

extension ImageFeatures {
    public var arrays: [(name: String, array: NumericArray)] { [] }
    public var areInception: Bool { false }
    public var imagesAtATime: Int { 256 }
    public var classes: FeatureClasses? { nil }
    public func check(_ set: DataSet) throws {}

    /// What a distance of these features is called: `common` of Inception features, which alone may be called so.
    func distanceName(_ plain: String, common: String) -> String { "\(areInception ? common : plain) (\(name))" }
}

/// What images are compared with, which features may be fitted to.
public enum ImageReference {
    case images(DataSet)
    /// Statistics of features, from a file.
    case statistics(NPZ)
}

/// A kind of features, as `--features NAME:ARGUMENT` asks for it.
public struct FeatureKind: Sendable {
    /// What the argument is.
    public enum Argument: Sendable { case number, file, checkpoint }

    /// What stands before the colon.
    public let name: String
    /// What follows it, for messages and help: "pca:64".
    let example: String
    /// What it is, for help.
    let meaning: String
    /// What follows the colon.
    public var argument = Argument.number
    /// Makes the features from the argument. Collective.
    let make: @Sendable (String, ImageReference, EvaluationWork) throws -> any ImageFeatures

    /// All kinds there are.
    public static let all: [FeatureKind] = [.principalComponents, .classifier, .inception, .inceptionTorch]

    /// What `--features` takes, for help.
    public static var help: String { all.map { "\($0.example) (\($0.meaning))" }.joined(separator: ", ") }

    /// Makes the features that `text` asks for. Collective.
    ///
    /// - Throws: ``EvaluationError`` where there are none of that name or their argument makes no sense; what making them
    ///   throws.
    public static func features(
        _ text: String, for reference: ImageReference, _ work: EvaluationWork
    ) throws -> any ImageFeatures {
        let (kind, argument) = try parse(text)
        return try kind.make(argument, reference, work)
    }

    /// The kind that `text` names, and its argument.
    ///
    /// - Throws: ``EvaluationError`` where there is none.
    @discardableResult
    public static func parse(_ text: String) throws -> (kind: FeatureKind, argument: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let kind = all.first(where: { $0.name == String(parts[0]) }), parts.count == 2 else {
            throw EvaluationError("there are no features \(text); there are \(help)", status: .usage)
        }
        return (kind, String(parts[1]))
    }
}

extension ImageFeatures {
    /// The features of all images of `set`. Collective.
    ///
    /// - Throws: what reading or computing throws.
    public func features(of set: DataSet, _ task: String, _ work: EvaluationWork) throws -> FeatureMatrix {
        let tiles = EvaluationWork.tiles(of: set.count, length: imagesAtATime)
        let values = try work.pieces(task, tiles.count) { tile in
            try features(of: set.images(tiles[tile]), count: tiles[tile].count, set.sample)
        }
        return FeatureMatrix(Array(values.joined()), count: set.count, dimension: dimension)
    }
}

extension DataSet {
    /// Samples one after the other, `[range, H, W, C]`, images in [−1, 1].
    func images(_ range: Range<Int>) throws -> [Float] {
        let size = elementsPerSample
        return try [Float](unsafeUninitializedCapacity: range.count * size) { buffer, filled in
            for (slot, index) in range.enumerated() {
                let place = UnsafeMutableBufferPointer(rebasing: buffer[slot * size..<(slot + 1) * size])
                try read(index, flip: false, into: place)
            }
            filled = range.count * size
        }
    }
}
