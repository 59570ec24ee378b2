/// How the numbers of an array from elsewhere are images: which axis is which, and which numbers are black and white.
public struct PixelArray: Equatable, Sendable {
    /// The order of the axes after that of the images.
    public enum Layout: String, CaseIterable, Sendable {
        case channelsLast = "NHWC"
        case channelsFirst = "NCHW"
    }

    /// Images.
    let count: Int
    let height: Int
    let width: Int
    /// 1, 3, or 4: RGB and alpha.
    let channels: Int
    let layout: Layout
    /// The numbers that become 0 and 255.
    let range: ClosedRange<Double>

    var elements: Int { height * width * channels }

    /// - Parameters:
    ///   - name: what the array is called in errors.
    ///   - shape: N×H×W, or with channels behind or before H×W.
    ///   - layout: nil: wherever 1, 3 or 4 channels are, if that is one place.
    ///   - range: nil: 0…255 for bytes; others must say it.
    init(
        name: String, shape: [Int], isBytes: Bool, layout: Layout?, range: ClosedRange<Double>?
    ) throws {
        let found = "\(name): an array of \(shapeText(shape))"
        guard shape.count == 3 || shape.count == 4, shape.allSatisfy({ $0 > 0 }) else {
            throw DataSetError("\(found); images are N×H×W, N×H×W×C or N×C×H×W")
        }
        let possible = Layout.allCases.filter { [1, 3, 4].contains($0 == .channelsLast ? shape.last : shape[1]) }
        if shape.count == 3 {
            self.layout = .channelsLast
        } else if let layout {
            guard possible.contains(layout) else {
                throw DataSetError("\(found) has no 1, 3 or 4 channels where --layout \(layout.rawValue) has them")
            }
            self.layout = layout
        } else {
            guard possible.count == 1 else {
                throw DataSetError(
                    possible.isEmpty
                        ? "\(found) has no axis of 1, 3 or 4 channels, first or last"
                        : "\(found) may be N×H×W×C or N×C×H×W; say --layout NHWC or --layout NCHW")
            }
            self.layout = possible[0]
        }
        let isLast = self.layout == .channelsLast
        let axes = shape.count == 3 ? shape + [1] : isLast ? shape : [shape[0], shape[2], shape[3], shape[1]]
        (count, height, width, channels) = (axes[0], axes[1], axes[2], axes[3])
        guard max(height, width) <= RasterImage.maximumSide, height * width <= RasterImage.maximumPixels else {
            throw DataSetError("\(found): images of \(height)×\(width) are too large")
        }
        guard count <= Int(Int32.max) else { throw DataSetError("\(found): at most \(Int32.max) images are read") }
        guard isBytes || range != nil else {
            throw DataSetError(
                "\(name): its numbers are no bytes; say which are black and white: --range 0,1 or --range=-1,1 or "
                    + "--range 0,65535")
        }
        self.range = range ?? 0...255
    }

    /// Size and channels of the samples: what is asked for, or what the images have.
    ///
    /// - Throws: ``DataSetError`` where they are not square and no size is given.
    public func sample(size: Int?, channels wanted: Int?, _ name: String) throws -> (size: Int, channels: Int) {
        guard size != nil || height == width else {
            throw DataSetError(
                "\(name): its images are \(height)×\(width); say how large they shall be: --size", status: .usage)
        }
        return (size ?? height, wanted ?? min(channels, 3))
    }

    /// The image of stored bytes, on `background` where it has alpha.
    func image(bytes: [UInt8], background: [UInt8]) throws -> RasterImage {
        guard range == 0...255 else { return try image(bytes.map { Double($0) }, background: background) }
        return raster(bytes, background: background)
    }

    /// The image of numbers, each brought from ``range`` to 0…255 and rounded to nearest.
    ///
    /// - Throws: ``DataSetError`` where one lies outside by more than a step.
    func image(_ numbers: [Double], background: [UInt8]) throws -> RasterImage {
        let scale = 255 / (range.upperBound - range.lowerBound)
        let bytes = try numbers.map { number in
            let value = ((number - range.lowerBound) * scale).rounded()
            guard (-1...256).contains(value) else {
                throw DataSetError("holds \(number), outside of \(range.lowerBound)…\(range.upperBound) (--range)")
            }
            return UInt8(min(max(value, 0), 255))
        }
        return raster(bytes, background: background)
    }

    private func raster(_ stored: [UInt8], background: [UInt8]) -> RasterImage {
        precondition(stored.count == elements, "\(stored.count) numbers for \(height)×\(width)×\(channels)")
        let area = height * width
        func at(_ pixel: Int, _ c: Int) -> UInt8 {
            layout == .channelsLast ? stored[pixel * channels + c] : stored[c * area + pixel]
        }
        if channels != 4 && layout == .channelsLast {
            return RasterImage(height: height, width: width, channels: channels, pixels: stored)
        }
        let kept = min(channels, 3)
        let pixels = (0..<area).flatMap { pixel in
            (0..<kept).map { c -> UInt8 in
                guard channels == 4 else { return at(pixel, c) }
                let alpha = Int(at(pixel, 3))
                return UInt8((Int(at(pixel, c)) * alpha + Int(background[c]) * (255 - alpha) + 127) / 255)
            }
        }
        return RasterImage(height: height, width: width, channels: kept, pixels: pixels)
    }
}

/// How an array of images from elsewhere is read.
public struct PixelArrayRules: Sendable {
    /// Name of the array of labels.
    public var labels: String?
    public var layout: PixelArray.Layout?
    public var range: ClosedRange<Double>?
    /// RGB, under pixels with alpha.
    public var background: [UInt8] = [255, 255, 255]

    /// The rules of most.
    public init() {}
}
