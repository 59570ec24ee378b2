import Foundation
import DataSets
import TestSupport
import Testing

@Suite struct CodecTests {
    /// A picture without symmetry, so that swapped axes or channels show.
    static func pattern(height: Int, width: Int, channels: Int) -> RasterImage {
        let pixels = (0..<height * width * channels).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 5 * 31) }
        return RasterImage(height: height, width: width, channels: channels, pixels: pixels)
    }

    static func png(_ image: RasterImage) throws -> [UInt8] {
        try PNG.encode(image.pixels, height: image.height, width: image.width, channels: image.channels)
    }

    @Test(arguments: [1, 3], [(1, 1), (3, 5), (64, 31)])
    func pngComesBackAsItWas(channels: Int, size: (height: Int, width: Int)) throws {
        let image = Self.pattern(height: size.height, width: size.width, channels: channels)
        #expect(try RasterImage.decode(Self.png(image)) == image)
    }

    @Test func pngIsWrittenWholeAndReplaced() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/picture.png"
            for side in [4, 2] {
                let image = Self.pattern(height: side, width: side, channels: 3)
                try PNG.write(image.pixels, height: side, width: side, channels: 3, to: path)
                #expect(try RasterImage.decode([UInt8](Data(contentsOf: URL(fileURLWithPath: path)))) == image)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["picture.png"])
            #expect(throws: DataSetError.self) {
                try PNG.write([0], height: 1, width: 1, channels: 1, to: folder + "/missing/picture.png")
            }
        }
    }

    @Test func everyKindOfPNG() throws {
        func pixels(_ base64: String, _ channels: Int) throws -> [UInt8] {
            let image = try RasterImage.decode(Samples.bytes(base64))
            #expect(image.channels == channels)
            return image.pixels
        }
        #expect(try pixels(Samples.pngInterlaced, 1) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24])
        #expect(try pixels(Samples.pngOneBit, 1) == [255, 0, 255, 0, 255, 0, 255, 0, 255, 0])
        #expect(try pixels(Samples.pngSixteenBit, 1) == [0, 128, 255])
        // On white: 255·(1 − a) + c·a.
        #expect(try pixels(Samples.pngPalette, 3) == [255, 0, 0, 127, 255, 127, 255, 255, 255])
        #expect(try pixels(Samples.pngAlpha, 3) == [10, 20, 30, 255, 255, 255, 127, 127, 127])
        #expect(try pixels(Samples.pngGreyAlpha, 1) == [100, 224])
    }

    @Test(arguments: [Samples.jpegRedBlue, Samples.jpegProgressive, Samples.jpegInks])
    func colourJPEG(base64: String) throws {
        let image = try RasterImage.decode(Samples.bytes(base64))
        #expect(image.height == 8 && image.width == 16 && image.channels == 3)
        for (i, value) in image.pixels.enumerated() {
            let isLeft = i / 3 % 16 < 8
            let wanted = [isLeft ? 200 : 40, 40, isLeft ? 40 : 200][i % 3]
            #expect(abs(Int(value) - wanted) <= 4, "value \(i)")
        }
    }

    @Test func greyJPEG() throws {
        let image = try RasterImage.decode(Samples.bytes(Samples.jpegGrey))
        #expect(image == RasterImage(height: 8, width: 8, channels: 1, pixels: Array(repeating: 77, count: 64)))
    }

    /// The quarters, from the top left in reading order, as Exif 2.3 says what row 0 and column 0 of the file are.
    @Test(arguments: [
        (1, [40, 100, 160, 220]), (2, [100, 40, 220, 160]), (3, [220, 160, 100, 40]), (4, [160, 220, 40, 100]),
        (5, [40, 160, 100, 220]), (6, [160, 40, 220, 100]), (7, [220, 100, 160, 40]), (8, [100, 220, 40, 160]),
        (0, [40, 100, 160, 220]), (9, [40, 100, 160, 220]),
    ]) func exifOrientationIsApplied(orientation: Int, quarters: [Int]) throws {
        var bytes = try Samples.bytes(Samples.jpegTurned)
        // Tag 0x0112, type 3 (16 bits), one value: the value follows.
        let entry: [UInt8] = [0x01, 0x12, 0, 3, 0, 0, 0, 1]
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: entry) })
        bytes[place + 9] = UInt8(orientation)
        let image = try RasterImage.decode(bytes)
        #expect(image.width == ((5...8).contains(orientation) ? 16 : 32) && image.height * image.width == 512)
        for (i, wanted) in quarters.enumerated() {
            let (y, x) = (image.height * (1 + 2 * (i / 2)) / 4, image.width * (1 + 2 * (i % 2)) / 4)
            #expect(abs(Int(image.pixels[y * image.width + x]) - wanted) <= 3, "quarter \(i)")
        }
    }

    @Test func sizesBeyondTheLimitsAreRefusedBeforeAnyPixel() throws {
        #expect { try RasterImage.decode(Samples.bytes(Samples.pngHuge)) } throws: { "\($0)".contains("70000 x 2") }
        #expect { try RasterImage.decode(Samples.bytes(Samples.pngLiar)) } throws: { "\($0)".contains("too short") }
    }

    @Test func otherFormatsAreNamed() {
        #expect { try RasterImage.decode([]) } throws: { "\($0)" == "an empty file" }
        #expect { try RasterImage.decode(Array("GIF89a".utf8)) } throws: { "\($0)".contains("neither a PNG, JPEG") }
    }

    @Test func everyTruncationIsAnError() throws {
        let png = try Self.png(Self.pattern(height: 9, width: 9, channels: 3))
        let jpegs = try [Samples.jpegRedBlue, Samples.jpegProgressive, Samples.jpegInks].map(Samples.bytes)
        for (file, whole) in ([png] + jpegs).enumerated() {
            for length in 0..<whole.count - 2 {
                #expect(throws: DataSetError.self, "file \(file), \(length) bytes") {
                    try RasterImage.decode(Array(whole[..<length]))
                }
            }
        }
    }

    /// Whatever the bytes, decoding ends in an image of the stated layout or in an error. A PNG guards its pixels with
    /// check sums, so that a change there is always found.
    @Test func changedBytesNeverCrash() throws {
        var state: UInt64 = 12345
        func random(below limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let original = Self.pattern(height: 8, width: 8, channels: 3)
        let png = try Self.png(original)
        let files = try [png] + [Samples.jpegProgressive, Samples.jpegInks, Samples.jpegTurned].map(Samples.bytes)
        var failures = 0
        for round in 0..<4000 {
            var bytes = files[round % files.count]
            for _ in 0..<1 + round % 3 { bytes[random(below: bytes.count)] ^= UInt8(1 + random(below: 255)) }
            do {
                let image = try RasterImage.decode(bytes)
                #expect(image.pixels.count == image.height * image.width * image.channels)
                if round % files.count == 0 { #expect(image.pixels == original.pixels) }
            } catch {
                failures += 1
                #expect(error is DataSetError && !"\(error)".contains("\n"))
            }
        }
        #expect(failures > 1000)
    }
}
