import DataSets
import Foundation
import HDF5
import TestSupport
import Testing

/// `smd dataset degrade` and `smd restore` with a small network.
@Suite struct RestoreCommandTests {
    /// A run in `folder` of a network for 8×8 images that was trained for two steps, and its images.
    static func train(in folder: String, _ settings: String...) throws -> (run: String, data: String) {
        let data = folder + "/images.h5"
        if !FileManager.default.fileExists(atPath: data) {
            let file = try HDF5File.create(data)
            let pixels = (0..<20 * 64).map { (place: Int) -> UInt8 in
                let value = place * 37 + place / 64 * 91 + place / 8 * 13
                return UInt8(value % 256)
            }
            try file.root.write(pixels, shape: [20, 8, 8, 1], to: "images")
            try file.root.write((0..<20).map { Int32($0 % 3) }, shape: [20], to: "labels")
            try file.close()
        }
        let text = """
            data: \(data)
            steps: 2
            batch_size: 8
            checkpoint_every: 2
            preview_every: 0
            model: {size: 8, channels: 1, dim: 8, groups: 2, dim_mults: [1, 2], heads: 2, head_dim: 4, latent_dim: 6, \
            identifier: {dim: 4, dim_mults: [1], groups: 1, heads: 1, head_dim: 4}}
            diffusion: {timesteps: 100, sampling_steps: 10}
            """
        try text.write(toFile: folder + "/run.yaml", atomically: true, encoding: .utf8)
        let run = folder + "/run" + settings.joined()
        let trained = try smd(["train", folder + "/run.yaml", "--output", run] + settings.flatMap { ["--set", $0] })
        #expect(trained.status == 0, "\(trained.errors)")
        return (run, data)
    }

    private func degraded(_ data: String, _ task: String, to output: String) throws -> DataSet {
        let made = try smd(["dataset", "degrade", data, "--task", task, "--output", output])
        #expect(made.status == 0 && made.output == "\(output): 20 8×8×1 images\n", "\(made)")
        return try DataSet(path: output)
    }

    private func blockMeans(_ set: DataSet, _ index: Int) throws -> [Double] {
        let pixels = try set.pixels(index)
        return (0..<4).map { block in
            let places = (0..<16).map { (block / 2 * 4 + $0 / 4) * 8 + block % 2 * 4 + $0 % 4 }
            return places.reduce(0) { $0 + Double(pixels[$1]) } / 16
        }
    }

    @Test func imagesAreDegraded() throws {
        try withTemporaryDirectory { folder in
            let data = try Self.train(in: folder).data
            let clean = try DataSet(path: data)
            let coarse = try degraded(data, "super-resolution:4", to: folder + "/coarse.h5")
            let means = try blockMeans(clean, 3)
            let pixels = try coarse.pixels(3)
            for (block, place) in [(0, 0), (1, 7), (2, 56), (3, 63)] {
                #expect(abs(Double(pixels[place]) - means[block]) <= 0.51)
            }
            let hidden = try degraded(data, "inpaint:centre:4", to: folder + "/hidden.h5")
            let (before, after) = (try clean.pixels(5), try hidden.pixels(5))
            let changed = (0..<64).filter { before[$0] != after[$0] }
            #expect(changed.allSatisfy { 2...5 ~= $0 / 8 && 2...5 ~= $0 % 8 } && changed.count > 10)
            #expect(try hidden.labels() == clean.labels())
            let noisy = try degraded(data, "noise:0.1", to: folder + "/noisy.h5")
            #expect(try noisy.pixels(5) != before)
            for (task, words) in [("super-resolution:3", "3 does not divide 8×8"), ("inpaint:centre:8", "hides all")] {
                let refused = try smd(["dataset", "degrade", data, "--task", task, "-o", folder + "/x.h5"])
                #expect(refused.status == 65 && refused.errors.contains(words), "\(refused)")
            }
        }
    }

    /// With --pairs the images stay, and their conditions are what is made of them otherwise; the same on two ranks.
    @Test func pairsOfImages() throws {
        try withTemporaryDirectory { folder in
            let data = try Self.train(in: folder).data
            for task in ["super-resolution:4", "noise:0.1"] {
                let alone = try degraded(data, task, to: folder + "/alone.h5")
                let arguments = ["dataset", "degrade", data, "--task", task, "--pairs", "--output"]
                let made = try smd(arguments + [folder + "/pairs.h5"])
                #expect(made.output == "\(folder)/pairs.h5: 20 8×8×1 images with conditions of 1 channel\n", "\(made)")
                let (pairs, clean) = (try DataSet(path: folder + "/pairs.h5"), try DataSet(path: data))
                for index in 0..<20 {
                    #expect(try pairs.pixels(index) == clean.pixels(index))
                    #expect(try pairs.conditions([index]) == alone.samples([index]))
                }
                #expect(try pairs.labels() == clean.labels())
                let two = try mpirun(2, [product("smd")] + arguments + [folder + "/two.h5"])
                #expect(two.status == 0, "\(two.errors)")
                let files = try ["pairs", "two"].map { try Data(contentsOf: URL(filePath: "\(folder)/\($0).h5")) }
                #expect(files[0] == files[1])
                for name in ["alone", "pairs", "two"] {
                    try FileManager.default.removeItem(atPath: "\(folder)/\(name).h5")
                }
            }
        }
    }

    /// What is known stays, the rest changes; the same file on any number of ranks and with any batch; figures and picture.
    @Test(arguments: ["super-resolution:4", "inpaint:centre:4"]) func knownPartsStay(_ task: String) throws {
        try withTemporaryDirectory { folder in
            let (run, data) = try Self.train(in: folder)
            let coarse = try degraded(data, task, to: folder + "/coarse.h5")
            let command = ["restore", run, "--data", coarse.path, "--task", task, "--start", "0.4", "--clean", data]
            let first = try smd(command + ["-o", folder + "/a.h5", "--plot", folder + "/a.png", "--json"])
            #expect(first.status == 0, "\(first.errors)")
            let figures = try object(first.output)["figures"] as? [[String: Any]] ?? []
            #expect(figures.map { $0["name"] as? String } == ["degraded", "restored"])
            #expect(figures.allSatisfy { ($0["psnr"] as? [String: Any])?["error"] is Double && $0["ssim"] == nil })
            let restored = try DataSet(path: folder + "/a.h5")
            #expect(try restored.labels() == coarse.labels() && restored.pixels(4) != coarse.pixels(4))
            for index in 0..<20 {
                if task.hasPrefix("inpaint") {
                    let (a, b) = (try restored.pixels(index), try coarse.pixels(index))
                    #expect((0..<64).allSatisfy { (2...5 ~= $0 / 8 && 2...5 ~= $0 % 8) || a[$0] == b[$0] })
                } else if try restored.pixels(index).allSatisfy({ 0 < $0 && $0 < 255 }) {
                    // Where nothing was clipped.
                    let pairs = zip(try blockMeans(restored, index), try blockMeans(coarse, index))
                    #expect(pairs.allSatisfy { abs($0 - $1) < 1 })
                }
            }
            #expect(FileManager.default.fileExists(atPath: folder + "/a.png"))
            let two = try mpirun(2, [product("smd")] + command + ["-o", folder + "/b.h5", "--batch", "7"])
            #expect(two.status == 0, "\(two.errors)")
            let other = try DataSet(path: folder + "/b.h5")
            #expect(other.fingerprint == restored.fingerprint && two.output.contains("b.h5: 20 images, from 0.4\n"))
            let seed = try smd(command + ["-o", folder + "/c.h5", "--seed", "1"])
            #expect(try seed.status == 0 && DataSet(path: folder + "/c.h5").fingerprint != restored.fingerprint)
        }
    }

    /// Of several starts the one nearest to the clean images is taken: the lowest, where the guesses are the clean images.
    @Test func theBestStartIsTaken() throws {
        try withTemporaryDirectory { folder in
            let (run, data) = try Self.train(in: folder)
            let command = ["restore", run, "--data", data, "--task", "none", "--clean", data]
            let found = try smd(command + ["--start", "0.5,0.1,0.3", "-o", folder + "/best.h5", "--json"])
            let report = try object(found.output)
            #expect(report["start"] as? Double == 0.1, "\(found)")
            let starts = report["starts"] as? [[String: Any]] ?? []
            let psnr = starts.map { ($0["psnr"] as? [String: Any])?["value"] as? Double ?? .nan }
            #expect(starts.map { $0["start"] as? Double } == [0.5, 0.1, 0.3] && psnr[1] > psnr[2] && psnr[2] > psnr[0])
            let figures = report["figures"] as? [[String: Any]] ?? []
            #expect((figures.last?["psnr"] as? [String: Any])?["value"] as? Double == psnr[1])
            // The mean of several runs errs less than one.
            let mean = try object(
                smd(command + ["--start", "0.1", "--average", "8", "-o", folder + "/m.h5", "--json"]).output)
            let rows = mean["figures"] as? [[String: Any]] ?? []
            #expect((rows.last?["psnr"] as? [String: Any])?["value"] as? Double ?? 0 > psnr[1])
        }
    }

    /// Led to what is known the result is nearer to it than without (weight 0); the same file on any number of ranks, with
    /// any batch and sampler.
    @Test func guidedToWhatIsKnown() throws {
        try withTemporaryDirectory { folder in
            let (run, data) = try Self.train(in: folder)
            let hidden = try degraded(data, "inpaint:centre:4", to: folder + "/hidden.h5")
            let command = ["restore", run, "--data", hidden.path, "--task", "inpaint:centre:4", "--guided"]
            for sampler in ["ancestral", "unipc"] {
                func restored(_ name: String, _ settings: [String], ranks: Int = 1) throws -> DataSet {
                    let words = command + settings + ["--sampler", sampler, "-o", "\(folder)/\(sampler)-\(name).h5"]
                    let made = ranks == 1 ? try smd(words) : try mpirun(ranks, [product("smd")] + words)
                    #expect(made.status == 0, "\(made.errors)")
                    return try DataSet(path: "\(folder)/\(sampler)-\(name).h5")
                }
                func error(_ set: DataSet) throws -> Int {
                    try (0..<20).reduce(0) { sum, image in
                        let (a, b) = (try set.pixels(image), try hidden.pixels(image))
                        return sum
                            + (0..<64).filter { !(2...5 ~= $0 / 8 && 2...5 ~= $0 % 8) }.reduce(0) {
                                $0 + abs(Int(a[$1]) - Int(b[$1]))
                            }
                    }
                }
                let guided = try restored("guided", [])
                #expect(try 2 * error(guided) < error(try restored("free", ["--weight", "0"])))
                let two = try restored("two", ["--batch", "7"], ranks: 2)
                #expect(two.fingerprint == guided.fingerprint)
            }
            let clear = try smd(
                [
                    "restore", run, "--data", data, "--task", "none", "--guided", "--noise", "0.2", "-o",
                    folder + "/c.h5",
                ])
            #expect(clear.status == 0 && clear.output.contains("c.h5: 20 images, from 1.0\n"), "\(clear)")
        }
    }

    @Test func whatDoesNotGoTogetherIsRefused() throws {
        try withTemporaryDirectory { folder in
            let (run, data) = try Self.train(in: folder)
            let points = folder + "/points.h5"
            #expect(try smd(["dataset", "prepare", "gaussian-grid", "-n", "40", "-o", points]).status == 0)
            let few = folder + "/few.h5"
            #expect(try smd(["dataset", "subset", data, "-n", "5", "-o", few]).status == 0)
            let base = ["restore", run, "--data", data, "-o", folder + "/out.h5"]
            let cases: [(arguments: [String], status: Int32, words: String)] = [
                (["--task", "none", "--start", "0.1,0.2"], 64, "several are compared by clean images"),
                (["--task", "none", "--start", "1.1"], 64, "--start is 1.1"),
                (["--task", "none", "--guided"], 64, "all is known"),
                (["--task", "inpaint:centre:4", "--noise", "1"], 64, "--weight and --iterations are for --guided"),
                (["--task", "inpaint:centre:4", "--guided", "--weight", "2000"], 64, "must be in 0"),
                (["--task", "inpaint:centre:4", "--guided", "--guidance", "2"], 64, "does not go with --guidance"),
                (
                    ["--task", "none", "--start", "0.01"], 64,
                    "below the first of the 10 times that are visited, 10 of 100"
                ),
                (["--task", "noise:0.1"], 64, "for smd dataset degrade"), (["--task", "inpaint:"], 64, "inpaint:"),
                (["--task", "none", "--initial", few], 65, "few.h5 holds 5 8×8×1 images"),
                (["--task", "none", "--clean", points], 65, "points.h5 holds 40 2-dimensional points"),
                (["--task", "inpaint:\(few)"], 65, "a mask is 1 of 8×8×1, or 20"),
                (["--task", "super-resolution:2", "--sampler", "unipc"], 65, "give --guided, or --sampler ddim"),
                (["--task", "none", "--label", "1"], 65, "knows no classes"),
                (["--task", "none", "--plot", "x.jpg"], 64, "written as PNG"),
            ]
            for (arguments, status, words) in cases {
                let result = try smd(base + arguments)
                #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result)")
                #expect(!FileManager.default.fileExists(atPath: folder + "/out.h5"))
            }
            let own = try smd(["restore", run, "--data", data, "--task", "none", "-o", data, "-f"])
            #expect(own.status == 73 && own.errors.contains("which this command needs itself"), "\(own)")
        }
    }

    /// A network that is told classes gets the labels of the data set, or the one that is named.
    @Test func labelsAreTold() throws {
        try withTemporaryDirectory { folder in
            let (run, data) = try Self.train(in: folder, "model.classes=3")
            func restored(_ name: String, _ arguments: String...) throws -> DataSet {
                let output = folder + "/" + name
                let command = ["restore", run, "--data", data, "--task", "none", "--start", "0.5", "-o", output]
                let result = try smd(command + arguments)
                #expect(result.status == 0, "\(result)")
                return try DataSet(path: output)
            }
            let (own, ones) = (try restored("own.h5"), try restored("ones.h5", "--label", "1"))
            // Images 1, 4, 7, … are of class 1.
            #expect(try own.pixels(4) == ones.pixels(4) && own.pixels(3) != ones.pixels(3))
        }
    }
}
