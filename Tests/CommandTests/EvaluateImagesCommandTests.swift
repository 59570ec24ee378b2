import Foundation
import HDF5
import TestSupport
import Testing

/// `smd evaluate images`, from files to figures.
@Suite struct EvaluateImagesCommandTests {
    /// Images of 8×8 that differ in a few directions, and a little everywhere.
    private func write(_ name: String, _ count: Int, seed: Int, brightness: Int = 0, in folder: String) throws -> String
    {
        var random = SplitMix64(seed: UInt64(seed))
        let pixels = (0..<count).flatMap { _ in
            let (a, b, c) = (Int(random.next() % 90), Int(random.next() % 60), Int(random.next() % 30))
            return (0..<64).map { place in
                UInt8(clamping: brightness + a + b * (place % 8) / 7 + c * (place / 8) / 4 + Int(random.next() % 20))
            }
        }
        return try write(name, pixels, [count, 8, 8, 1], in: folder)
    }

    private func write(_ name: String, _ pixels: [UInt8], _ shape: [Int], in folder: String) throws -> String {
        let path = folder + "/" + name
        let file = try HDF5File.create(path)
        try file.root.write(pixels, shape: shape, to: "images")
        try file.close()
        return path
    }

    private func evaluate(_ samples: String, _ data: String, _ options: String...) -> [String] {
        ["evaluate", "images", samples, "--against", data, "--features", "pca:6"] + options
    }

    private func value(_ json: [String: Any], _ figures: String, _ key: String) -> Double? {
        ((json[figures] as? [String: Any])?[key] as? [String: Any])?["value"] as? Double
    }

    @Test func figuresHaveTheSameBitsOnAnyNumberOfRanks() throws {
        try withTemporaryDirectory { folder in
            let samples = try write("samples.h5", 600, seed: 1, in: folder)
            let data = try write("data.h5", 1300, seed: 2, in: folder)
            var found: [(text: String, statistics: Data)] = []
            for ranks in 1...3 {
                let statistics = folder + "/\(ranks).npz"
                let command = evaluate(
                    samples, data, "--json", "--seed", "4", "--kernel-subsets", "7", "--kernel-subset-size", "100",
                    "--save-statistics", statistics)
                let result =
                    try ranks == 1 ? smd(command) : mpirun(ranks, [product("smd")] + command)
                #expect(result.status == 0, "\(result.errors)")
                found.append((result.output, try Data(contentsOf: URL(fileURLWithPath: statistics))))
            }
            let first = try object(found[0].text)
            #expect((first["figures"] as? [String: Any])?.count == 8)
            #expect((first["true_figures"] as? [String: Any])?.count == 8)
            #expect((first["true_images"] as? [String: Any])?["count"] as? Int == 600)
            for other in found.dropFirst() {
                #expect(other.text == found[0].text)
                #expect(other.statistics == found[0].statistics)
            }
        }
    }

    /// Samples of the data's distribution, brighter ones, and copies.
    @Test func figuresTellGoodSamplesFromBadOnes() throws {
        try withTemporaryDirectory { folder in
            let data = try write("data.h5", 600, seed: 1, in: folder)
            let test = try write("test.h5", 500, seed: 2, in: folder)
            let bright = try write("bright.h5", 400, seed: 3, brightness: 25, in: folder)
            func figures(_ samples: String) throws -> (own: (String) -> Double, true: (String) -> Double) {
                let result = try smd(evaluate(samples, data, "--baseline", test, "--json"))
                #expect(result.status == 0, "\(result.errors)")
                let json = try object(result.output)
                return ({ value(json, "figures", $0) ?? .nan }, { value(json, "true_figures", $0) ?? .nan })
            }
            let (good, bad, copied) = (try figures(test), try figures(bright), try figures(data))
            // All of the baseline, in another order.
            for key in ["frechet_distance", "precision", "recall", "density", "coverage", "nearest_ratio"] {
                #expect(abs(good.own(key) - good.true(key)) <= 1e-12, "\(key)")
            }
            #expect(bad.own("frechet_distance") > 20 * bad.true("frechet_distance"))
            #expect(bad.own("kernel_distance") > bad.true("kernel_distance"))
            #expect(bad.own("precision") < 0.85 * bad.true("precision"))
            #expect(good.own("nearest_ratio") > 0.7 && good.own("nearer_than_data") < 0.2)
            #expect(copied.own("nearest_ratio") < 1e-4 && copied.own("nearer_than_data") == 1)
        }
    }

    @Test func statisticsStandForTheirData() throws {
        try withTemporaryDirectory { folder in
            let samples = try write("samples.h5", 100, seed: 1, in: folder)
            let data = try write("data.h5", 300, seed: 2, in: folder)
            let (statistics, picture) = (folder + "/data.npz", folder + "/near.png")
            let whole = try smd(
                evaluate(samples, data, "--json", "--save-statistics", statistics, "--neighbours", picture))
            #expect(whole.status == 0, "\(whole.errors)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: picture)).starts(with: [0x89, 0x50, 0x4E, 0x47]))
            let short = try object(smd(evaluate(samples, statistics, "--json", "--only", "frechet")).output)
            let expected = value(try object(whole.output), "figures", "frechet_distance")
            #expect(expected != nil && value(short, "figures", "frechet_distance") == expected)
            #expect(short["true_figures"] == nil)
            let text = try smd(evaluate(samples, statistics, "--only", "frechet")).output
            #expect(text.contains("Fréchet distance (pca:6)") && text.contains("data.npz: statistics"))
            #expect(text.hasSuffix("true images: none; statistics hold no images, give a --baseline\n"))

            func refusal(_ command: [String], _ status: Int32, _ words: String) throws {
                let result = try smd(command)
                #expect(result.status == status && result.output.isEmpty, "\(result)")
                #expect(result.errors.contains(words), "\(result.errors)")
                #expect(result.errors.filter { $0 == "\n" }.count == 1)
            }
            try refusal(evaluate(samples, statistics), 64, "holds statistics, and the figure kernel wants images")
            try refusal(
                ["evaluate", "images", samples, "--against", statistics, "--features", "pca:5", "--only", "frechet"],
                65,
                "not those of pca:5")
            try refusal(evaluate(samples, data, "--save-statistics", statistics), 73, "exists already")
            try refusal(evaluate(samples, data, "--neighbours", picture), 73, "exists already")
            try refusal(evaluate(samples, data, "--neighbours", data, "--overwrite"), 64, "ends in .png")
            try refusal(
                evaluate(samples, data, "--save-statistics", samples, "--overwrite"), 73,
                "which this command needs itself")
            try Data([0x50, 0x4B, 3, 4, 5]).write(to: URL(fileURLWithPath: statistics))
            try refusal(evaluate(samples, statistics, "--only", "frechet"), 65, "cannot be read as a file of arrays")
        }
    }

    @Test func whatCannotBeComparedIsRefused() throws {
        try withTemporaryDirectory { folder in
            let samples = try write("samples.h5", 20, seed: 1, in: folder)
            let data = try write("data.h5", 30, seed: 2, in: folder)
            let one = try write("one.h5", 1, seed: 2, in: folder)
            let few = try write("few.h5", 5, seed: 2, in: folder)
            let wide = try write("wide.h5", [UInt8](repeating: 9, count: 640), [10, 4, 16, 1], in: folder)
            let points = folder + "/points.h5"
            let file = try HDF5File.create(points)
            try file.root.write([Float](repeating: 1, count: 20), shape: [10, 2], to: "points")
            try file.close()
            let others = folder + "/others.safetensors"
            try Data([2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8)).write(to: URL(fileURLWithPath: others))
            let cases: [(arguments: [String], status: Int32, words: String)] = [
                (evaluate(points, data), 65, "holds 2-dimensional points; smd evaluate points compares points"),
                (evaluate(samples, points), 65, "points.h5 holds 2-dimensional points; smd evaluate points"),
                (
                    evaluate(wide, data), 65,
                    "wide.h5 holds 4×16×1 images, \(data) 8×8×1 images: only images of one size"
                ),
                (evaluate(samples, data, "--baseline", wide), 65, "wide.h5 holds 4×16×1 images"),
                (evaluate(few, data), 65, "Fréchet distance of 6 features wants at least 7 images, and \(few) has 5"),
                (evaluate(few, data, "--only", "density-coverage"), 65, "density and coverage (k=5) wants at least 6"),
                (evaluate(one, data, "--only", "kernel"), 65, "kernel distance wants 2 images"),
                (evaluate(samples, few), 65, "pca:6: 5 images of 64 numbers have at most 4 components"),
                (
                    evaluate(samples, data, "--only", "kernel,fid"), 64,
                    "no figure fid; there are frechet, kernel, precis"
                ),
                (evaluate(samples, folder + "/absent.h5"), 65, "no such data set"),
                (evaluate(samples, folder + "/absent.npz", "--only", "frechet"), 65, "absent.npz: cannot be read"),
                (evaluate(samples, data, "--kernel-subset-size", "1"), 64, "it must be in 2"),
                (
                    ["evaluate", "images", samples, "--against", data, "--features", "vgg"], 64,
                    "no features vgg; there are"
                ),
                (["evaluate", "images", samples, "--against", data, "--features", "pca:x"], 64, "wants a number"),
                (
                    ["evaluate", "images", samples, "--against", data, "--features", "inception:" + data], 65,
                    "data.h5: is not a file of arrays (.safetensors)"
                ),
                (
                    ["evaluate", "images", samples, "--against", data, "--features", "inception:" + others], 65,
                    "is no Inception-v3 in the names of pytorch-fid: there is no Conv2d_1a_3x3.conv.weight; docs"
                ),
                (
                    ["evaluate", "images", samples, "--against", data, "--features", "inception-torch:/absent"], 65,
                    "/absent: cannot be read: No such file"
                ),
                (
                    ["evaluate", "images", samples, "--against", data, "--features", "inception:" + others]
                        + ["--save-statistics", others, "--overwrite"], 73, "which this command needs itself"
                ),
            ]
            for (arguments, status, words) in cases {
                let result = try smd(arguments)
                #expect(result.status == status && result.output.isEmpty, "\(arguments): \(result)")
                #expect(result.errors.contains(words), "\(arguments): \(result.errors)")
                #expect(result.errors.filter { $0 == "\n" }.count == 1)
            }
            // On several ranks it is one line as well.
            let result = try mpirun(2, [product("smd")] + evaluate(few, data))
            #expect(result.status == 65, "\(result.errors)")
            #expect(result.errors.split(separator: "\n").filter { $0.hasPrefix("smd: error:") }.count == 1)
        }
    }
}
