import DataSets
import Foundation
import TestSupport
import Testing

/// What becomes of an image of another shape, and what the newer formats decode to.
@Suite struct ImageTreatmentTests {
    private let wide = RasterImage(height: 1, width: 4, channels: 1, pixels: [0, 10, 20, 30])

    private func sample(_ change: (inout ImageTreatment) -> Void, of image: RasterImage? = nil) -> [UInt8] {
        var treatment = ImageTreatment(size: 2, channels: 1)
        treatment.filter = .box
        change(&treatment)
        return treatment.applied(to: image ?? wide).pixels
    }

    @Test func imagesCoverOrAreContained() {
        let flat = RasterImage(height: 2, width: 4, channels: 1, pixels: [0, 10, 20, 30, 1, 11, 21, 31])
        #expect(sample({ _ in }, of: flat) == [10, 20, 11, 21])
        #expect(sample({ $0.crop = .none }, of: flat) == [5, 25, 6, 26])
        // One row of two, on a square of the background's luma.
        #expect(sample { ($0.fit, $0.background) = (.contain, [255, 0, 0]) } == [5, 25, 76, 76])
    }

    @Test func randomCropsBelongToTheImageAndTheSeed() throws {
        try withTemporaryDirectory { folder in
            try FileManager.default.createDirectory(atPath: folder + "/in", withIntermediateDirectories: true)
            for place in 0..<40 {
                // 1×40: the place where it is cropped is what is left.
                let row = (0..<40).map { UInt8($0 + place) }
                try PNG.write(row, height: 1, width: 40, channels: 1, to: "\(folder)/in/\(place).png")
            }
            func places(_ seed: UInt64, _ output: String) throws -> [Int] {
                var rules = ImageRules.test(size: 1, channels: 1)
                (rules.treatment.crop, rules.treatment.seed) = (.random, seed)
                let provenance = Provenance(source: "a", command: "b", tool: "c")
                _ = try Preparation(output: folder + output, provenance: provenance)
                    .images(folder: folder + "/in", rules)
                let set = try DataSet(path: folder + output)
                let names = (0..<40).map { "\($0)" }.sorted { $0 + ".png" < $1 + ".png" }
                return try names.enumerated().map { try Int(set.pixels($0)[0]) - (Int($1) ?? 0) }
            }
            let first = try places(1, "/a.h5")
            let (again, other) = (try places(1, "/b.h5"), try places(2, "/c.h5"))
            #expect(first == again && first != other)
            #expect(first.allSatisfy { 0..<40 ~= $0 } && Set(first).count > 20)
        }
    }

    /// 6×4: pixel (y, x) is (40y + 10x, 200 − 20y, 30x).
    private var expected: RasterImage {
        var pixels: [UInt8] = []
        for y in 0..<4 {
            for x in 0..<6 { pixels += [UInt8(40 * y + 10 * x), UInt8(200 - 20 * y), UInt8(30 * x)] }
        }
        return RasterImage(height: 4, width: 6, channels: 3, pixels: pixels)
    }

    @Test func webpAndTIFFAreDecoded() throws {
        for text in [Samples.webpLossless, Samples.webpAnimated, Samples.tiffLZW] {
            #expect(try RasterImage.decode(Samples.bytes(text)) == expected)
        }
        // Orientation 6: a quarter turn clockwise; the lower left pixel comes to the upper left.
        let turned = try RasterImage.decode(Samples.bytes(Samples.tiffTurned))
        #expect(turned.height == 6 && turned.width == 4 && Array(turned.pixels[..<3]) == [120, 140, 0])
        #expect(Array(turned.pixels[9..<12]) == [0, 200, 0])
        // Alpha 0 in the first row, 255 in the last: the background, and the picture.
        for text in [Samples.webpAlpha, Samples.tiffAlpha] {
            let image = try RasterImage.decode(Samples.bytes(text), background: [9, 8, 7])
            #expect(Array(image.pixels[..<3]) == [9, 8, 7] && image.pixels[54...] == expected.pixels[54...])
        }
        let floats = try Samples.bytes(Samples.tiffFloat)
        #expect { try RasterImage.decode(floats) } throws: { "\($0)".hasPrefix("TIFF: ") }
        for text in [Samples.webpLossless, Samples.tiffLZW] {
            let bytes = try Samples.bytes(text)
            for length in stride(from: 4, to: bytes.count - 1, by: 7) {
                #expect(throws: DataSetError.self) { try RasterImage.decode(Array(bytes[..<length])) }
            }
        }
    }
}
