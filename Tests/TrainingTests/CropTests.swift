import Configuration
import DataSets
import Foundation
import HDF5
import TestSupport
import Testing
import Training

/// `crop: random`: windows of images that are larger than the network.
@Suite struct CropTests {
    /// A stream over images of `height` × `width` pixels whose grey says where they are: no two are alike.
    private func stream(_ folder: String, height: Int, width: Int, _ settings: String...) throws -> SampleStream {
        let path = folder + "/a.h5"
        let file = try HDF5File.create(path, overwrite: true)
        let pixels = (0..<4 * height * width).map { UInt8($0 % (height * width)) }
        try file.root.write(pixels, shape: [4, height, width, 1], to: "images")
        try file.close()
        return SampleStream(
            try DataSet(path: path),
            try RunConfiguration.load(text: "{}", name: "test", overrides: ["data=\(path)", "crop=random"] + settings))
    }

    /// Every window comes equally often, mirrored or not, and each is a whole one; the same ones again for the same places.
    @Test func everyWindowIsAsLikely() throws {
        try withTemporaryDirectory { folder in
            var samples = try stream(folder, height: 4, width: 5, "model.size=3", "diffusion.flip=true")
            let count = 24_000
            let found = try samples.read(0..<count).x0
            try #require(found.count == 9 * count)
            var counts: [[Int]: Int] = [:]
            for sample in 0..<count {
                let window = found[9 * sample..<9 * sample + 9].map { Int((($0 + 1) * 255 / 2).rounded()) }
                counts[window, default: 0] += 1
            }
            let whole = (0..<2).flatMap { top in
                (0..<3).flatMap { left in
                    let rows = (0..<3).map { y in (0..<3).map { 5 * (top + y) + left + $0 } }
                    return [rows.flatMap { $0 }, rows.flatMap { $0.reversed() }]
                }
            }
            #expect(Set(counts.keys) == Set(whole) && whole.count == 12)
            // Five deviations of a binomial count.
            let mean = Double(count) / 12
            #expect(counts.values.allSatisfy { abs(Double($0) - mean) < 5 * mean.squareRoot() }, "\(counts.values)")
            var again = samples
            #expect(try again.read(1000..<1016).x0 == Array(found[9000..<9 * 1016]))
        }
    }

    /// Where an image is as large as the network, there is one window: nothing changes.
    @Test func imagesOfTheNetworksSizeAreWhole() throws {
        try withTemporaryDirectory { folder in
            var cropped = try stream(folder, height: 4, width: 4, "model.size=4")
            var plain = try stream(folder, height: 4, width: 4, "model.size=4", "crop=none")
            #expect(try cropped.read(0..<64).x0 == plain.read(0..<64).x0)
        }
    }

    /// Images that are too small, or have other channels, points and latents.
    @Test func whatHasNoWindowIsRefused() throws {
        try withTemporaryDirectory { folder in
            func refusal(_ run: Run, _ settings: [String]) throws -> String {
                let result = try run.trainHere("out", settings: ["crop=random", "steps=1"] + settings)
                #expect(result.status == 65)
                #expect(!FileManager.default.fileExists(atPath: run.path("out")))
                return result.errors
            }
            let run = try Run(in: folder)
            #expect(
                try refusal(run, ["model.size=16"]).contains(
                    "holds images of 8×8×1, which have no window of 16×16×1, the network's size"))
            #expect(try refusal(run, ["model.size=4", "model.channels=3"]).contains("have no window of 4×4×3"))
            #expect(
                try refusal(Run(latentsIn: folder), Run.ofLatents).contains(
                    "and crop: random is for images: set crop=none"))
            try withTemporaryDirectory { other in
                let points = try Run(points: [0, 1, 2, 3], in: other)
                #expect(try refusal(points, []).contains("crop: random is for images"))
            }
            // Without it the sizes must be the same.
            let plain = try Run(in: folder).trainHere("plain", settings: ["model.size=4"])
            #expect(plain.status == 65 && plain.errors.contains("holds images of 8×8×1, the network takes 4×4×1"))
        }
    }
}
