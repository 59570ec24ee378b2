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

    /// Decodes a PNG or JPEG file, told apart by its first bytes, in the orientation that its Exif data ask for.
    ///
    /// PNG: any colour type and depth; 16-bit channels are rounded to 8, transparent pixels composited on white.
    /// JPEG: grey, YCbCr, RGB, and CMYK turned to RGB. Stored values are kept: no gamma, no colour profile.
    /// Throws ``DataSetError`` for other formats, for damaged files, and beyond ``maximumSide`` or
    /// ``maximumPixels``.
    public static func decode(_ bytes: [UInt8]) throws -> RasterImage {
        guard let image = try decode(bytes, within: maximumPixels) else { throw DataSetError("an image too large") }
        return image
    }

    /// The same; `nil`, with no memory taken for the pixels, where they are more than `pixels`.
    package static func decode(_ bytes: [UInt8], within pixels: Int) throws -> RasterImage? {
        try checkSignature(bytes)
        let isPNG = bytes.starts(with: pngSignature)
        let image = try decode(bytes, within: pixels, with: isPNG ? codecs_png_decode : codecs_jpeg_decode)
        return image?.oriented(ExifOrientation(of: bytes).number)
    }

    static let pngSignature: [UInt8] = [0x89, 0x50, 0x4E, 0x47]
    private static let jpegSignature: [UInt8] = [0xFF, 0xD8, 0xFF]

    /// Throws unless a file that begins with `bytes` says it is PNG or JPEG.
    static func checkSignature(_ bytes: [UInt8]) throws {
        guard bytes.starts(with: pngSignature) || bytes.starts(with: jpegSignature) else {
            throw DataSetError(bytes.isEmpty ? "an empty file" : "neither a PNG nor a JPEG file")
        }
    }

    private typealias Decoder = (
        UnsafePointer<UInt8>?, Int, codecs_limits, UnsafeMutablePointer<codecs_image>?, UnsafeMutablePointer<CChar>?,
        Int
    ) -> Int32

    private static func decode(_ bytes: [UInt8], within pixels: Int, with decoder: Decoder) throws -> RasterImage? {
        var image = codecs_image()
        let limits = codecs_limits(max_side: Int64(maximumSide), max_pixels: Int64(pixels))
        var status = Int32(CODECS_OK.rawValue)
        do {
            try checkCodec { message, size in
                status = bytes.withUnsafeBufferPointer {
                    decoder($0.baseAddress, $0.count, limits, &image, message, size)
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

    /// The image on a canvas of `size`×`size`, centred, surrounded by `value`.
    public func padded(to size: Int, value: UInt8 = 0) -> RasterImage {
        precondition(size >= height && size >= width, "\(height)×\(width) pixels do not fit into \(size)×\(size)")
        let (top, left) = ((size - height) / 2, (size - width) / 2)
        var canvas = [UInt8](repeating: value, count: size * size * channels)
        for y in 0..<height {
            let row = ((top + y) * size + left) * channels
            let source = y * width * channels
            canvas.replaceSubrange(row..<row + width * channels, with: pixels[source..<source + width * channels])
        }
        return RasterImage(height: size, width: size, channels: channels, pixels: canvas)
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
