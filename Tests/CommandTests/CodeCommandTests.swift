import DataSets
import Foundation
import TestSupport
import Testing

/// `smd encode`, `decode`, `translate` and `interpolate` with small networks.
@Suite struct CodeCommandTests {
    private let noisy = ["--ddim-eta", "0.5", "--steps", "5"]

    private func run(_ arguments: [String], ranks: Int = 1) throws -> String {
        let result = try ranks == 1 ? smd(arguments) : mpirun(ranks, [product("smd")] + arguments)
        #expect(result.status == 0, "\(arguments): \(result)")
        return result.output
    }

    /// The images come back byte for byte, also from codes of several ranks, of a later start, and of one class that was told.
    @Test func imagesComeBack() throws {
        try withTemporaryDirectory { folder in
            let (network, data) = try RestoreCommandTests.train(in: folder, "model.classes=3")
            let clean = try DataSet(path: data)
            for (number, more) in [[], ["--start", "0.6"], ["--label", "2"]].enumerated() {
                let (codes, back) = (folder + "/codes\(number).h5", folder + "/back\(number).h5")
                let encode = ["encode", network, "--data", data] + noisy + more
                let said = try run(encode + ["-o", codes])
                #expect(said.hasPrefix("\(codes): 20 codes of "))
                let decoded = try run(["decode", network, codes, "-o", back, "--batch", "6"])
                #expect(decoded == "\(back): 20 8×8×1 images\n")
                let images = try DataSet(path: back)
                #expect(try images.fingerprint == clean.fingerprint && images.labels() == clean.labels())
                if number == 0 {
                    _ = try run(encode + ["-o", folder + "/two.h5", "--batch", "7"], ranks: 2)
                    #expect(try DataSet(path: folder + "/two.h5").fingerprint == DataSet(path: codes).fingerprint)
                }
            }
            // Told otherwise, they are others.
            let other = folder + "/other.h5"
            _ = try run(["decode", network, folder + "/codes0.h5", "-o", other, "--label", "2"])
            let changed = try DataSet(path: other)
            #expect(try changed.pixels(0) != clean.pixels(0))
        }
    }

    /// Translation is encoding and decoding without a file between; another latent wants η drawn anew.
    @Test func anotherNetwork() throws {
        try withTemporaryDirectory { folder in
            let (first, data) = try RestoreCommandTests.train(in: folder)
            let second = try RestoreCommandTests.train(in: folder, "seed=5").run
            let codes = folder + "/codes.h5"
            _ = try run(["encode", first, "--data", data, "-o", codes] + noisy)
            _ = try run(["decode", second, codes, "-o", folder + "/a.h5"])
            let both = ["translate", "--from", first, "--to", second, "--data", data] + noisy
            let said = try run(both + ["-o", folder + "/b.h5", "--plot", folder + "/b.png"])
            #expect(said == "\(folder)/b.h5: 20 8×8×1 images; a picture of them: \(folder)/b.png\n")
            let (a, b) = (try DataSet(path: folder + "/a.h5"), try DataSet(path: folder + "/b.h5"))
            #expect(try a.fingerprint == b.fingerprint && a.pixels(3) != DataSet(path: data).pixels(3))

            let plain = try RestoreCommandTests.train(in: folder, "model.smd=false").run
            let refused = try smd(
                ["translate", "--from", plain, "--to", first, "--data", data, "-o", folder + "/c.h5"] + noisy)
            #expect(refused.status == 65 && refused.errors.contains("the codes have 0 numbers of η"), "\(refused)")
            let fresh = ["translate", "--from", plain, "--to", first, "--data", data, "--eta", "fresh"] + noisy
            _ = try run(fresh + ["-o", folder + "/c.h5"])
            _ = try run(["translate", "--from", first, "--to", plain, "--data", data, "-o", folder + "/d.h5"] + noisy)
        }
    }

    /// The ends of a row are the samples themselves.
    @Test func rowsBetweenSamples() throws {
        try withTemporaryDirectory { folder in
            let (network, data) = try RestoreCommandTests.train(in: folder)
            let command = ["interpolate", network, "--data", data, "--between", "3,17", "-n", "5"] + noisy
            _ = try run(command + ["-o", folder + "/row.h5", "--plot", folder + "/row.png"])
            let (row, clean) = (try DataSet(path: folder + "/row.h5"), try DataSet(path: data))
            #expect(row.count == 5)
            for (place, wanted) in [(0, 3), (4, 17)] {
                let pairs = zip(try row.pixels(place), try clean.pixels(wanted))
                #expect(pairs.allSatisfy { abs(Int($0) - Int($1)) <= 1 })
            }
            #expect(try row.pixels(2) != row.pixels(0) && row.pixels(2) != row.pixels(4))
        }
    }

    @Test func whatHasNoCodesIsRefused() throws {
        try withTemporaryDirectory { folder in
            let (network, data) = try RestoreCommandTests.train(in: folder)
            let codes = folder + "/codes.h5"
            _ = try run(["encode", network, "--data", data, "-o", codes] + noisy)
            let longer = try RestoreCommandTests.train(in: folder, "diffusion.timesteps=50").run
            let out = ["-o", folder + "/out.h5"]
            let cases: [(arguments: [String], status: Int32, words: String)] = [
                (["encode", network, "--data", data], 65, "diffusion.ddim_eta above 0"),
                (["encode", network, "--data", data, "--sampler", "heun"], 65, "codes want noise"),
                (["encode", network, "--data", data, "--start", "0"], 64, "--start is 0.0"),
                (["encode", network, "--data", data, "--classifier", network], 64, "codes know no classifier"),
                (["encode", network, "--data", codes] + noisy, 65, "codes.h5 holds points of dimension"),
                (["decode", network, data], 65, "images.h5 holds no codes, which smd encode makes"),
                (["decode", longer, codes], 65, "the codes are of 8×8×1 images and 100 timesteps"),
                (["interpolate", network, "--data", data, "--between", "3,20"] + noisy, 65, "has 20 samples"),
                (["interpolate", network, "--data", data, "--between", "3"], 64, "wanted two places"),
            ]
            for (arguments, status, words) in cases {
                let result = try smd(arguments + out)
                #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result)")
                #expect(!FileManager.default.fileExists(atPath: folder + "/out.h5"))
            }
        }
    }
}
