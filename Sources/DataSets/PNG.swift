import CCodecs

/// Pictures for people.
public enum PNG {
    /// Encodes `pixels`, height × width × channels with 1 (grey) or 3 (RGB) channels, as an 8-bit PNG file.
    public static func encode(_ pixels: [UInt8], height: Int, width: Int, channels: Int) throws -> [UInt8] {
        precondition(
            height > 0 && width > 0 && (channels == 1 || channels == 3) && pixels.count == height * width * channels,
            "\(pixels.count) values are not \(height)×\(width)×\(channels) pixels")
        guard height <= RasterImage.maximumSide, width <= RasterImage.maximumSide else {
            throw DataSetError("a picture of \(height)×\(width) pixels is over \(RasterImage.maximumSide) a side")
        }
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        try checkCodec { message, size in
            codecs_png_encode(
                pixels, Int32(height), Int32(width), Int32(channels), &bytes, &count, message, size)
        }
        defer { codecs_free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }

    /// Writes `pixels`, height × width × channels with 1 (grey) or 3 (RGB) channels, to `path`, whole or not at all;
    /// a file that is there is replaced. Throws ``DataSetError`` when the file cannot be written.
    public static func write(_ pixels: [UInt8], height: Int, width: Int, channels: Int, to path: String) throws {
        let bytes = try encode(pixels, height: height, width: width, channels: channels)
        let file = FileReplacement(path: path)
        try file.check(overwrite: true)
        try file.write(bytes, replacing: true)
    }
}
