/// The orientation (1…8) that the Exif data of a JPEG file ask for; 1, as stored, when there are none or they are
/// damaged. Source: Exif 2.3 (JEITA CP-3451C), tag 0x0112; TIFF 6.0 for the directory.
func exifOrientation(ofJPEG bytes: [UInt8]) -> Int {
    var position = 2
    // Segments: FF, marker, big-endian length that counts itself. Exif stands before the first scan.
    while position + 4 <= bytes.count, bytes[position] == 0xFF {
        let marker = bytes[position + 1]
        if marker == 0xFF {
            position += 1
            continue
        }
        if marker == 0xDA || marker == 0xD9 { break }
        let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
        let end = position + 2 + length
        guard length >= 2, end <= bytes.count else { break }
        let body = bytes[position + 4..<end]
        if marker == 0xE1, body.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) {
            return tiffOrientation(Array(body.dropFirst(6)))
        }
        position = end
    }
    return 1
}

private func tiffOrientation(_ tiff: [UInt8]) -> Int {
    guard tiff.count >= 8 else { return 1 }
    let littleEndian = tiff[0] == 0x49
    func number(at offset: Int, bytes count: Int) -> Int? {
        guard offset >= 0, offset + count <= tiff.count else { return nil }
        let digits = tiff[offset..<offset + count]
        return (littleEndian ? Array(digits.reversed()) : Array(digits)).reduce(0) { $0 << 8 | Int($1) }
    }
    guard let directory = number(at: 4, bytes: 4), let entries = number(at: directory, bytes: 2) else { return 1 }
    for entry in 0..<entries {
        let offset = directory + 2 + 12 * entry
        guard let tag = number(at: offset, bytes: 2) else { return 1 }
        if tag == 0x0112, let value = number(at: offset + 8, bytes: 2), (1...8).contains(value) { return value }
    }
    return 1
}

extension RasterImage {
    /// The image turned and mirrored as Exif orientation 1…8 says.
    func oriented(_ orientation: Int) -> RasterImage {
        guard orientation != 1 else { return self }
        let transposed = orientation >= 5
        let (outHeight, outWidth) = transposed ? (width, height) : (height, width)
        // Where the row and the column of the stored image run backwards in the upright one.
        let rowsReversed = [3, 4, 7, 8].contains(orientation)
        let columnsReversed = [2, 3, 6, 7].contains(orientation)
        var turned = [UInt8](repeating: 0, count: pixels.count)
        for y in 0..<outHeight {
            for x in 0..<outWidth {
                let outRow = rowsReversed ? outHeight - 1 - y : y
                let outColumn = columnsReversed ? outWidth - 1 - x : x
                let source = transposed ? outColumn * width + outRow : outRow * width + outColumn
                for c in 0..<channels {
                    turned[(y * outWidth + x) * channels + c] = pixels[source * channels + c]
                }
            }
        }
        return RasterImage(height: outHeight, width: outWidth, channels: channels, pixels: turned)
    }
}
