import HDF5
import Philox

/// What is done to an image from elsewhere to make it a sample: a square of `size` pixels with 1 or 3 channels.
public struct ImageTreatment: Equatable, Sendable {
    /// How an image of another shape comes into the square.
    public enum Fit: String, CaseIterable, Sendable {
        /// The short side becomes `size`, what is too long is cropped.
        case cover
        /// The long side becomes `size`, what is too short is filled up with the background.
        case contain
    }

    /// Which part of an image that covers the square is kept.
    public enum Crop: String, CaseIterable, Sendable {
        case centre
        /// A place drawn for each image, by the seed and the image's digest.
        case random
        /// All of it: height and width become `size` each for itself, whatever that does to the proportions.
        case none
    }

    /// Height and width of a sample.
    public var size: Int
    /// 1 (grey) or 3 (RGB).
    public var channels: Int
    public var filter = ResizeFilter.triangle
    public var fit = Fit.cover
    public var crop = Crop.centre
    /// RGB, under transparent pixels and around an image that is contained.
    public var background: [UInt8] = [255, 255, 255]
    /// Of random crops.
    public var seed: UInt64 = 0

    /// With the other settings as most want them.
    public init(size: Int, channels: Int) { (self.size, self.channels) = (size, channels) }

    /// The sample that becomes of `image`, whose digest decides where it is cropped at random.
    public func applied(to image: RasterImage, digest: ContentDigest? = nil) -> RasterImage {
        let image = image.converted(toChannels: channels)
        if image.height == size && image.width == size { return image }
        let (height, width) = (image.height, image.width)
        switch (fit, crop) {
        case (.cover, .none): return image.resized(height: size, width: size, filter: filter)
        case (.cover, _):
            // The long side is rounded down, as in torchvision's Resize.
            let short = min(height, width)
            let (fullHeight, fullWidth) = (size * height / short, size * width / short)
            let (top, left) = place(in: fullHeight - size, fullWidth - size, digest)
            return image.resized(
                height: fullHeight, width: fullWidth, rows: top..<top + size, columns: left..<left + size,
                filter: filter)
        case (.contain, _):
            let long = max(height, width)
            return image.resized(
                height: max(1, size * height / long), width: max(1, size * width / long), filter: filter
            ).padded(to: size, value: RasterImage.converted(background, toChannels: channels))
        }
    }

    /// The upper left corner of what is kept, of `rows` and `columns` too many.
    private func place(in rows: Int, _ columns: Int, _ digest: ContentDigest?) -> (top: Int, left: Int) {
        guard crop == .random else { return (rows / 2, columns / 2) }
        // The same image is cropped alike, wherever it stands.
        let key = (digest?.bytes ?? []).prefix(6).reduce(0) { $0 << 8 | Int($1) }
        let stream = RandomStream(seed: seed, purpose: .data)
        func draw(_ count: Int, _ epoch: Int) -> Int {
            stream.integer(below: count + 1, epoch: epoch, position: key)
        }
        return (draw(rows, 0), draw(columns, 1))
    }

    /// Names of ``attributes``.
    static let attributeNames = ["filter", "fit", "crop", "background", "crop_seed"]

    /// What a data set says of it.
    var attributes: [(name: String, value: AttributeValue)] {
        var facts: [(String, AttributeValue)] = [
            ("filter", .string(filter.rawValue)), ("fit", .string(fit.rawValue)), ("crop", .string(crop.rawValue)),
            ("background", .integers(background.map { Int($0) })),
        ]
        if crop == .random { facts.append(("crop_seed", .string("\(seed)"))) }
        return facts
    }
}
