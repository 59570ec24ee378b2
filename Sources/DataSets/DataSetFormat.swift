import HDF5

/// What one sample of a data set is.
public enum SampleShape: Equatable, Sendable {
    /// An image of height × width × channels bytes.
    case image(height: Int, width: Int, channels: Int)
    /// A vector of `dimension` numbers.
    case point(dimension: Int)

    /// Numbers in a sample.
    public var elements: Int {
        switch self {
        case .image(let height, let width, let channels): height * width * channels
        case .point(let dimension): dimension
        }
    }

    /// Lengths of the axes that follow the samples' own: [height, width, channels] or [dimension].
    package var axes: [Int] {
        switch self {
        case .image(let height, let width, let channels): [height, width, channels]
        case .point(let dimension): [dimension]
        }
    }

    /// "images" or "points": the value of the attribute `kind`, and the name of the HDF5 data set.
    package var kind: String {
        switch self {
        case .image: "images"
        case .point: "points"
        }
    }

    /// Bytes of a number in a file that this product writes.
    var elementBytes: Int {
        switch self {
        case .image: 1
        case .point: 4
        }
    }

    /// Type of a number in a file that this product writes.
    var elementType: ElementType {
        switch self {
        case .image: .uint8
        case .point: .float32
        }
    }

    /// The shape in words: "32×32×1 images" or "2-dimensional points".
    package var words: String {
        switch self {
        case .image: "\(shapeText(axes)) images"
        case .point(let dimension): "\(dimension)-dimensional points"
        }
    }
}

/// Where a data set came from; stored as attributes of its file, or in the manifest of a sharded one.
public struct Provenance: Sendable {
    /// What the samples were made from: a path as the caller gave it, or a sentence.
    public var source: String
    /// SHA-256 of what the samples were made from, where it is known before the samples are written.
    public var sourceDigest: String?
    /// The command that makes the same file again, without the name of the output.
    public var command: String
    /// The program and its version.
    public var tool: String
    /// What was done to the samples, as further attributes.
    var attributes: [(name: String, value: AttributeValue)] = []
    /// What of the source is not in the data set.
    var skipped: [SkippedEntry] = []

    /// All that a caller knows; see the properties.
    public init(source: String, sourceDigest: String? = nil, command: String, tool: String) {
        self.source = source
        self.sourceDigest = sourceDigest
        self.command = command
        self.tool = tool
    }
}

/// What a sample was made of.
public struct SampleOrigin: Equatable, Sendable {
    /// Its name in the source.
    public let name: String
    /// Of the file, or of the pixels as they lie in the source.
    public let digest: ContentDigest
}

/// Names in a data file. The layout is described in docs/data-sets.md.
enum DataSetFormat {
    static let name = "smd data set"
    static let manifestName = "smd manifest"
    static let version = 1
    static let digestAttribute = "sha256"
    /// Of `/labels`: names of the labels 0, 1, …
    static let labelNamesAttribute = "names"
    /// An attribute holds at most 64 KiB: numbers of 8 bytes, and 16 for a text, wherever its characters lie.
    static let attributeTexts = 4000
    static let attributeNumbers = 8000
    /// Up to this many bytes of samples every one of them goes into the fingerprint.
    static let fullFingerprintBytes = 2 << 30
    /// Samples per chunk: about 128 KB, at least one. Training reads single samples in random order, and a chunk is
    /// what is read from the disk.
    static func chunkSamples(_ sample: SampleShape) -> Int {
        max(1, (128 << 10) / max(1, sample.elements * sample.elementBytes))
    }
}
