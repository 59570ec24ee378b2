import HDF5

/// What one sample of a data set is.
public enum SampleShape: Equatable, Sendable {
    /// An image of height × width × channels bytes, and where there are any, height × width × conditions bytes of what it
    /// is to be drawn from: an image of the same size.
    case image(height: Int, width: Int, channels: Int, conditions: Int = 0)
    /// A vector of `dimension` numbers.
    case point(dimension: Int)
    /// Of an image what a first stage makes of it: a Gaussian of height × width × channels numbers, each with its mean and
    /// its deviation.
    case latent(height: Int, width: Int, channels: Int)

    /// Numbers in a sample as a network is shown it.
    public var elements: Int { axes.reduce(1, *) }

    /// Numbers that are stored of a sample: of a latent all means, then all deviations; of an image its own, then those of
    /// its condition.
    package var storedElements: Int { datasets.reduce(0) { $0 + $1.axes.reduce(1, *) } }
    /// Their bytes.
    package var storedBytes: Int { storedElements * elementBytes }

    /// Lengths of the axes that follow the samples' own: [height, width, channels] or [dimension].
    package var axes: [Int] {
        switch self {
        case .image(let height, let width, let channels, _), .latent(let height, let width, let channels):
            [height, width, channels]
        case .point(let dimension): [dimension]
        }
    }

    /// Channels of the condition of an image; 0 where it has none.
    public var conditions: Int {
        if case .image(_, _, _, let conditions) = self { conditions } else { 0 }
    }

    /// The same with a condition of so many channels; 0: without.
    public func with(conditions: Int) -> SampleShape {
        guard case .image(let height, let width, let channels, _) = self else { return self }
        return .image(height: height, width: width, channels: channels, conditions: conditions)
    }

    /// "images", "points" or "latents": the value of the attribute `kind`.
    package var kind: String {
        switch self {
        case .image: "images"
        case .point: "points"
        case .latent: "latents"
        }
    }

    /// The HDF5 data sets that hold samples, with their axes but that of the samples.
    var datasets: [(name: String, axes: [Int])] {
        switch self {
        case .image(let height, let width, _, let conditions):
            [(kind, axes)] + (conditions > 0 ? [("conditions", [height, width, conditions])] : [])
        case .point: [(kind, axes)]
        case .latent: [("mean", axes), ("deviation", axes)]
        }
    }

    /// Bytes of a number in a file that this product writes.
    var elementBytes: Int {
        switch self {
        case .image: 1
        case .point, .latent: 4
        }
    }

    /// Type of a number in a file that this product writes.
    var elementType: ElementType {
        switch self {
        case .image: .uint8
        case .point, .latent: .float32
        }
    }

    /// The shape in words: "32×32×1 images" or "2-dimensional points".
    package var words: String {
        switch self {
        case .image, .latent:
            "\(shapeText(axes)) \(kind)"
                + (conditions == 0 ? "" : " with conditions of \(conditions) channel\(conditions == 1 ? "" : "s")")
        case .point(let dimension): "\(dimension)-dimensional points"
        }
    }
}

/// What latents are latents of.
public struct LatentFacts: Equatable, Sendable {
    /// SHA-256 of the first stage's checkpoint.
    public let firstStage: String
    /// A network is shown latents times this: one over the deviation of all of them (Rombach et al. 2022, section G).
    public let scale: Double
    /// [height, width, channels] of the images.
    public let image: [Int]

    public init(firstStage: String, scale: Double, image: [Int]) {
        (self.firstStage, self.scale, self.image) = (firstStage, scale, image)
    }

    static let names = (firstStage: "first_stage_sha256", scale: "scaling_factor", image: "image_shape")
    static let attributeNames = [names.firstStage, names.scale, names.image]

    /// What a file of `count` latents says of itself.
    package func fileAttributes(count: Int) -> [String: AttributeValue] {
        let own: [String: AttributeValue] = [
            "format": .string(DataSetFormat.name), "format_version": .integer(DataSetFormat.version),
            "kind": .string("latents"), "count": .integer(count),
        ]
        return own.merging(attributes.map { ($0.name, $0.value) }) { $1 }
    }

    /// As a file states them.
    package var attributes: [(name: String, value: AttributeValue)] {
        [
            (Self.names.firstStage, .string(firstStage)), (Self.names.scale, .double(scale)),
            (Self.names.image, .integers(image)),
        ]
    }

    /// What attributes state; nil where they do not.
    package init?(_ attribute: (String) throws -> AttributeValue?) rethrows {
        guard case .string(let firstStage)? = try attribute(Self.names.firstStage),
            case .double(let scale)? = try attribute(Self.names.scale), scale > 0, scale.isFinite,
            case .integers(let image)? = try attribute(Self.names.image), image.count == 3
        else { return nil }
        self.init(firstStage: firstStage, scale: scale, image: image)
    }

    /// What the file of latents at `path` states.
    init(_ root: HDF5Group, _ path: String) throws {
        guard let stated = try LatentFacts(root.attribute) else {
            throw DataSetError(
                "\(path): is damaged: latents without \(Self.attributeNames.joined(separator: ", ")); encode them again"
            )
        }
        self = stated
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
        max(1, (128 << 10) / max(1, sample.storedBytes))
    }
}
