import CCodecs

/// An image in memory: 8 bits a channel, row-major, channels last.
public struct RasterImage: Equatable, Sendable {
    /// Rows.
    public let height: Int
    /// Columns.
    public let width: Int
    /// 1 (grey) or 3 (RGB).
    public let channels: Int
    /// height × width × channels.
    public let pixels: [UInt8]

    /// The image of `pixels`, height × width × channels of them; channels is 1 or 3.
    public init(height: Int, width: Int, channels: Int, pixels: [UInt8]) {
        precondition(
            height > 0 && width > 0 && (channels == 1 || channels == 3) && pixels.count == height * width * channels,
            "\(pixels.count) values are not \(height)×\(width)×\(channels) pixels")
        self.height = height
        self.width = width
        self.channels = channels
        self.pixels = pixels
    }

    /// The largest side of an image that is read, in pixels (that of JPEG).
    public static let maximumSide = 65_500
    /// The most pixels of an image that is read: 2²⁸, as in a square of 16,384 a side.
    public static let maximumPixels = 1 << 28
    /// The largest image file that is read, in bytes.
    static let maximumFileBytes = 1 << 30

    /// Decodes an image file of any of ``ImageFormat/all``, told apart by its first bytes, in the orientation that its Exif
    /// data ask for.
    ///
    /// 16-bit channels are rounded to 8, transparent pixels composited on `background` (RGB), CMYK becomes RGB, of several
    /// frames or pages the first is taken. Stored values are kept: no gamma, no colour profile.
    /// Throws ``DataSetError`` for other formats, for damaged files, and beyond ``maximumSide`` or
    /// ``maximumPixels``.
    public static func decode(_ bytes: [UInt8], background: [UInt8] = [255, 255, 255]) throws -> RasterImage {
        guard let image = try decode(bytes, within: maximumPixels, background: background) else {
            throw DataSetError("an image too large")
        }
        return image
    }

    /// The same; `nil`, with no memory taken for the pixels, where they are more than `pixels`.
    package static func decode(
        _ bytes: [UInt8], within pixels: Int, background: [UInt8] = [255, 255, 255]
    ) throws -> RasterImage? {
        let format = try ImageFormat(of: bytes)
        let image = try decode(bytes, within: pixels, background, with: format.decode)
        let orientation = ExifOrientation(of: bytes).number
        guard format.mirrors else { return image?.oriented(orientation) }
        return orientation < 5 ? image : image?.oriented(orientation - 4).oriented(orientation)
    }

    private static func decode(
        _ bytes: [UInt8], within pixels: Int, _ background: [UInt8], with decoder: ImageFormat.Decoder
    ) throws -> RasterImage? {
        precondition(background.count == 3, "a background of \(background)")
        var image = codecs_image()
        let request = codecs_request(
            max_side: Int64(maximumSide), max_pixels: Int64(pixels),
            background: (background[0], background[1], background[2]))
        var status = Int32(CODECS_OK.rawValue)
        do {
            try checkCodec { message, size in
                status = bytes.withUnsafeBufferPointer {
                    decoder($0.baseAddress, $0.count, request, &image, message, size)
                }
                return status
            }
        } catch {
            if status == Int32(CODECS_TOO_LARGE.rawValue), pixels < maximumPixels { return nil }
            throw error
        }
        defer { codecs_free(image.pixels) }
        let (height, width, channels) = (Int(image.height), Int(image.width), Int(image.channels))
        let pixels = UnsafeBufferPointer(start: image.pixels, count: height * width * channels)
        return RasterImage(height: height, width: width, channels: channels, pixels: Array(pixels))
    }

    /// The image with 1 or 3 channels. Grey is repeated; RGB becomes the luma of ITU-R BT.601 (0.299, 0.587, 0.114),
    /// as in JPEG, rounded to nearest.
    public func converted(toChannels wanted: Int) -> RasterImage {
        precondition(wanted == 1 || wanted == 3, "an image has 1 or 3 channels, not \(wanted)")
        if wanted == channels { return self }
        let converted = [UInt8](unsafeUninitializedCapacity: height * width * wanted) { out, filled in
            filled = height * width * wanted
            for i in 0..<height * width {
                if wanted == 3 {
                    for c in 0..<3 { out[3 * i + c] = pixels[i] }
                } else {
                    let (r, g, b) = (Int(pixels[3 * i]), Int(pixels[3 * i + 1]), Int(pixels[3 * i + 2]))
                    out[i] = UInt8((299 * r + 587 * g + 114 * b + 500) / 1000)
                }
            }
        }
        return RasterImage(height: height, width: width, channels: wanted, pixels: converted)
    }

    /// The image on a canvas of `size`×`size`, centred, surrounded by pixels of `value`, one number a channel.
    public func padded(to size: Int, value: [UInt8]) -> RasterImage {
        precondition(size >= height && size >= width, "\(height)×\(width) pixels do not fit into \(size)×\(size)")
        precondition(value.count == channels, "\(value) around \(channels) channels")
        let (top, left) = ((size - height) / 2, (size - width) / 2)
        var canvas = [UInt8](repeating: value[0], count: size * size * channels)
        for c in 0..<channels where value[c] != value[0] {
            for i in stride(from: c, to: canvas.count, by: channels) { canvas[i] = value[c] }
        }
        for y in 0..<height {
            let row = ((top + y) * size + left) * channels
            let source = y * width * channels
            canvas.replaceSubrange(row..<row + width * channels, with: pixels[source..<source + width * channels])
        }
        return RasterImage(height: size, width: size, channels: channels, pixels: canvas)
    }

    /// An RGB colour as ``converted(toChannels:)`` has it.
    static func converted(_ colour: [UInt8], toChannels channels: Int) -> [UInt8] {
        RasterImage(height: 1, width: 1, channels: 3, pixels: colour).converted(toChannels: channels).pixels
    }
}

extension RasterImage {
    /// Pixels that a PNG picture can show: the first of 2 channels, the first 3 of 4.
    package static func visible(_ pixels: [UInt8], channels: Int) -> [UInt8] {
        if channels == 1 || channels == 3 { return pixels }
        let kept = channels < 3 ? 1 : 3
        return stride(from: 0, to: pixels.count, by: channels).flatMap { pixels[$0..<$0 + kept] }
    }
}

/// The funnel of the codecs: turns a status of CCodecs into a thrown error.
func checkCodec(_ call: (UnsafeMutablePointer<CChar>?, Int) -> Int32) throws {
    let message = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer -> String? in
        buffer.initialize(repeating: 0)
        let status = call(buffer.baseAddress, buffer.count)
        guard status != Int32(CODECS_OK.rawValue) else { return nil }
        return buffer.baseAddress.map { String(cString: $0) } ?? "codec status \(status)"
    }
    if let message { throw DataSetError(message) }
}
