/// How the Exif data of an image file ask it to be turned. Source: Exif 2.3 (JEITA CP-3451C), tag 0x0112; TIFF 6.0 for
/// the directory; PNG 3 for the chunk `eXIf`.
struct ExifOrientation: Equatable {
    /// 1…8; 1, as stored, where nothing is asked for.
    var number = 1
    /// What is asked for but not understood: the image is then taken as stored.
    var remark: String?

    /// That of a whole image file; one of TIFF is all such data.
    init(of file: [UInt8]) {
        guard let tiff = Self.data(in: file) else { return }
        do {
            number = try Self.orientation(tiff) ?? 1
        } catch {
            remark = "its Exif \(error.what); taken as stored"
        }
    }

    private struct Problem: Error {
        let what: String
    }

    private static func data(in file: [UInt8]) -> [UInt8]? {
        switch try? ImageFormat(of: file).name {
        case "PNG": chunk(ofPNG: file)
        case "JPEG": segment(ofJPEG: file)
        case "WebP": chunk(ofWebP: file)
        case "TIFF": file
        default: nil
        }
    }

    /// Segments: FF, marker, big-endian length that counts itself. Exif stands before the first scan.
    private static func segment(ofJPEG bytes: [UInt8]) -> [UInt8]? {
        var position = 2
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
            if marker == 0xE1, body.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) { return Array(body.dropFirst(6)) }
            position = end
        }
        return nil
    }

    /// Chunks: big-endian length of the data, type, data, check sum.
    private static func chunk(ofPNG bytes: [UInt8]) -> [UInt8]? {
        var position = 8
        while position + 12 <= bytes.count {
            let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
            let end = position + 8 + length
            guard end + 4 <= bytes.count else { break }
            if bytes[position + 4..<position + 8].elementsEqual("eXIf".utf8) { return Array(bytes[position + 8..<end]) }
            position = end + 4
        }
        return nil
    }

    /// Chunks after the 12 bytes of the beginning: type, little-endian length of the data, data to an even length.
    private static func chunk(ofWebP bytes: [UInt8]) -> [UInt8]? {
        var position = 12
        while position + 8 <= bytes.count {
            let length = bytes[position + 4..<position + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
            let end = position + 8 + length
            guard end <= bytes.count else { break }
            if bytes[position..<position + 4].elementsEqual("EXIF".utf8) {
                // Some programs write it as in JPEG.
                let data = Array(bytes[position + 8..<end])
                return data.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) ? Array(data.dropFirst(6)) : data
            }
            position = end + length % 2
        }
        return nil
    }

    /// The value of the tag in the first directory, in any type of integer; `nil` where it is not there.
    private static func orientation(_ tiff: [UInt8]) throws(Problem) -> Int? {
        let littleEndian = tiff.starts(with: [0x49, 0x49, 42, 0])
        guard littleEndian || tiff.starts(with: [0x4D, 0x4D, 0, 42]) else { throw Problem(what: "data are damaged") }
        func number(at offset: Int, bytes count: Int) throws(Problem) -> Int {
            guard offset >= 0, offset + count <= tiff.count else { throw Problem(what: "data are cut off") }
            let digits = tiff[offset..<offset + count]
            return (littleEndian ? Array(digits.reversed()) : Array(digits)).reduce(0) { $0 << 8 | Int($1) }
        }
        let directory = try number(at: 4, bytes: 4)
        for entry in 0..<(try number(at: directory, bytes: 2)) {
            let offset = directory + 2 + 12 * entry
            guard try number(at: offset, bytes: 2) == 0x0112 else { continue }
            let (type, count) = (try number(at: offset + 2, bytes: 2), try number(at: offset + 4, bytes: 4))
            // BYTE, SHORT, LONG, and the same with a sign. A value of up to four bytes stands in the entry, on its left.
            guard let width = [1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4][type], count == 1 else {
                throw Problem(what: "orientation is \(count) values of type \(type), not an integer")
            }
            let value = try number(at: offset + 8, bytes: width)
            guard (1...8).contains(value) else { throw Problem(what: "orientation is \(value), not one of 1…8") }
            return value
        }
        return nil
    }
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
