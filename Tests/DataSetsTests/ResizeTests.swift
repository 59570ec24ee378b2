import Crypto
import DataSets
import Testing

@Suite struct ResizeTests {
    func grey(_ rows: [[UInt8]]) -> RasterImage {
        RasterImage(height: rows.count, width: rows[0].count, channels: 1, pixels: rows.flatMap { $0 })
    }

    @Test func aConstantImageStaysConstant() {
        for (height, width, size) in [(7, 31, 4), (3, 5, 16), (100, 33, 32), (1, 1, 8)] {
            func constant(_ count: Int) -> [UInt8] { (0..<3 * count).map { [3, 130, 255][$0 % 3] } }
            let image = RasterImage(height: height, width: width, channels: 3, pixels: constant(height * width))
            #expect(image.fitted(to: size).pixels == constant(size * size))
        }
    }

    /// Halving a row with a triangle of two output pixels' width: weights 1, 3, 3, 1 over 8; at the ends the weights
    /// that fall outside are shared by the rest: 3, 3, 1 over 7.
    @Test func halvingWidensTheTriangle() {
        let image = grey([[0, 70, 140, 210, 70, 0, 21, 35]])
        let row: [Double] = [
            (0 * 3 + 70 * 3 + 140) / 7, (70 + 140 * 3 + 210 * 3 + 70) / 8, (210 + 70 * 3 + 0 * 3 + 21) / 8,
            (0 + 21 * 3 + 35 * 3) / 7,
        ]
        #expect(image.resized(height: 1, width: 4).pixels == row.map { UInt8($0.rounded()) })
    }

    /// Stripes one pixel wide, seven times finer than the output: aliasing would give stripes, averaging gives grey.
    @Test func fineStripesBecomeGrey() {
        let stripes = grey((0..<112).map { _ in (0..<112).map { $0 % 2 == 0 ? 0 : 255 } })
        #expect(stripes.fitted(to: 16).pixels.allSatisfy { (124...132).contains($0) })
    }

    /// Doubling is bilinear: weights 3 and 1 over 4 between neighbours, the ends repeated.
    @Test func doublingIsBilinear() {
        let image = grey([[0, 100], [200, 40]])
        #expect(image.resized(height: 1, width: 4).pixels == [100, 93, 78, 70])
        #expect(image.resized(height: 2, width: 4).pixels == [0, 25, 75, 100, 200, 160, 80, 40])
        #expect(image.resized(height: 4, width: 2).pixels == [0, 100, 50, 85, 150, 55, 200, 40])
    }

    /// SHA-256 of what Pillow 13.0.0 makes of the picture (7y + 13x + 31c + 5·(xy mod 29)) mod 256 by `Image.resize`, the
    /// first 16 digits: [BOX, BILINEAR, BICUBIC, LANCZOS].
    @Test(arguments: [
        ([61, 83, 3, 16, 16], ["ff3cffb109cbed81", "14b63b3aecb49da7", "871b1151ba91e996", "8a67ee630251b8d6"]),
        ([61, 83, 1, 200, 100], ["54b142ebaac2d366", "f7147a35c502e298", "26e3f0e9e0834110", "531a68673f0743f8"]),
        ([37, 20, 3, 37, 50], ["35a5121709c91aa6", "93095882a281da63", "a8fe2fa9c7d5276e", "eacd70127147b10c"]),
        ([500, 333, 3, 64, 64], ["0284eaa5ed1cf30f", "31943a63c885c109", "c99b24c96dc48b93", "b353a9150dff7791"]),
    ])
    func filtersAreThoseOfPillow(shape: [Int], expected: [String]) {
        let (height, width, channels) = (shape[0], shape[1], shape[2])
        let pixels = (0..<height * width * channels).map { i in
            let (y, x, c) = (i / (width * channels), i / channels % width, i % channels)
            return UInt8((7 * y + 13 * x + 31 * c + x * y % 29 * 5) % 256)
        }
        let image = RasterImage(height: height, width: width, channels: channels, pixels: pixels)
        for (filter, digest) in zip(ResizeFilter.allCases, expected) {
            let found = image.resized(height: shape[3], width: shape[4], filter: filter)
            #expect(SHA256.hash(data: found.pixels).description.contains(digest), "\(filter)")
        }
    }

    @Test func theCentreIsKept() {
        // Four times as wide as high: pixels 12…19 of 32 columns remain, where the column is the value.
        let wide = grey((0..<8).map { _ in (0..<32).map { UInt8($0) } })
        let columns: [UInt8] = (0..<64).map { UInt8(12 + $0 % 8) }
        #expect(wide.fitted(to: 8).pixels == columns)
        let high = grey((0..<9).map { y in (0..<4).map { _ in UInt8(y) } })
        let rows: [UInt8] = (0..<16).map { UInt8(2 + $0 / 4) }
        #expect(high.fitted(to: 4).pixels == rows)
    }

    @Test func cropOfAScaledImageIsThatOfTheWholeOne() {
        let image = CodecTests.pattern(height: 23, width: 57, channels: 3)
        let whole = image.resized(height: 10, width: 24)
        let part = image.fitted(to: 10)
        for y in 0..<10 {
            let from = (y * 24 + 7) * 3
            #expect(part.pixels[y * 30..<(y + 1) * 30] == whole.pixels[from..<from + 30])
        }
    }

    @Test func channelsAreConverted() {
        let colour = RasterImage(
            height: 1, width: 4, channels: 3, pixels: [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
        #expect(colour.converted(toChannels: 1).pixels == [76, 150, 29, 9])
        #expect(grey([[5, 6]]).converted(toChannels: 3).pixels == [5, 5, 5, 6, 6, 6])
    }

    @Test func paddingCentres() {
        let padded = grey([[1, 2], [3, 4]]).padded(to: 4, value: [9])
        #expect(padded.pixels == [9, 9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9, 9, 9, 9])
    }
}
