import Arrays
import Configuration
import DataSets
import Foundation
import HDF5
import Sampling
import TestSupport
import Testing
import Training

/// Images to latents, latents to a network, its samples to images.
@Suite struct LatentTests {
    private func smd(_ ranks: Int, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let command = [product("smd")] + arguments
        return try ranks == 1 ? TestSupport.run(command, timeout: 120) : mpirun(ranks, command)
    }

    /// A first stage of the images of a run, and their latents.
    private func encoded(_ run: Run, _ arguments: [String] = []) throws -> String {
        let stage = try run.trainHere("stage", settings: Run.autoencoder + ["steps=3", "checkpoint_every=0"])
        #expect(stage.status == 0, "\(stage.errors)")
        let result = try smd(
            1, ["dataset", "encode", run.data, "--first-stage", run.path("stage"), "-o", run.path("l.h5")] + arguments)
        #expect(result.status == 0, "\(result.errors)")
        return run.path("l.h5")
    }

    private func training(_ latents: String, _ more: [String]) -> [String] {
        Run.ofLatents + ["data=\(latents)", "steps=2", "checkpoint_every=0"] + more
    }

    /// The file holds what the first stage says of each image, mirrored ones after the others, with the scale by definition;
    /// the same bytes on any number of ranks.
    @Test func whatIsStored() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let latents = try encoded(run, ["--mirror"])
            let two = try smd(
                2,
                [
                    "dataset", "encode", run.data, "--first-stage", run.path("stage"), "-o", run.path("l2.h5"),
                    "--mirror",
                ])
            #expect(two.status == 0, "\(two.errors)")
            #expect(try Data(contentsOf: URL(filePath: latents)) == Data(contentsOf: URL(filePath: run.path("l2.h5"))))

            let root = try HDF5File.open(latents).root
            let (mean, deviation) = (try root.dataset("mean"), try root.dataset("deviation"))
            #expect(mean.shape == [80, 4, 4, 2] && deviation.shape == mean.shape)
            let stage = try FirstStage(checkpoint: run.checkpoint("stage", step: 3))
            let images = try DataSet(path: run.data)
            let plain = try images.samples([7])
            let mirrored = stride(from: 0, to: 64, by: 8).flatMap { plain[$0..<$0 + 8].reversed() }
            let means = try mean.read(as: Float.self)
            let deviations = try deviation.read(as: Float.self)
            for (place, image) in [(7, plain), (47, mirrored)] {
                let moments = try stage.encode(image)
                for i in 0..<32 {
                    #expect(means[place * 32 + i] == moments[i / 2 * 4 + i % 2])
                    let wanted = exp(Double(moments[i / 2 * 4 + 2 + i % 2]) / 2)
                    #expect(abs(Double(deviations[place * 32 + i]) - wanted) <= 1e-6 * wanted)
                }
            }
            let count = Double(means.count)
            let average = means.reduce(0) { $0 + Double($1) } / count
            let variance =
                means.reduce(0) { $0 + pow(Double($1) - average, 2) } / count
                + deviations.reduce(0) { $0 + pow(Double($1), 2) } / count
            let set = try DataSet(path: latents)
            let facts = try #require(set.latents)
            #expect(abs(facts.scale * variance.squareRoot() - 1) < 1e-9)
            #expect(facts.firstStage == stage.digest && facts.image == [8, 8, 1])
            let labels = try #require(try set.labels())
            #expect(labels.count == 80 && Array(labels[40...]) == Array(labels[..<40]))
        }
    }

    /// (mean + deviation · noise) · scale, with noise of its own for each place of each epoch.
    @Test func everyReadIsADraw() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(latentsIn: folder)
            let set = try DataSet(path: run.data)
            let scale = Float(try #require(set.latents).scale)
            var drawn = [Float](repeating: 0, count: 32)
            let noise = (0..<32).map { Float($0) - 16 }
            try drawn.withUnsafeMutableBufferPointer { try set.read(3, flip: false, noise: noise, into: $0) }
            #expect(
                drawn == (0..<32).map { (Run.latent(3, $0).mean + Run.latent(3, $0).deviation * noise[$0]) * scale })
            #expect(try set.samples([3]) == (0..<32).map { Run.latent(3, $0).mean * scale })

            let configuration = try RunConfiguration.load(
                path: run.config, overrides: ["data=\(run.data)"] + Run.ofLatents)
            var stream = SampleStream(set, configuration)
            let epochs = 400
            let read = try stream.read(0..<epochs * set.count)
            var (sums, squares) = ([Double](repeating: 0, count: 32), [Double](repeating: 0, count: 32))
            for (slot, index) in read.indices.enumerated() where index == 5 {
                for i in 0..<32 {
                    let z = Double(
                        (read.x0[slot * 32 + i] / scale - Run.latent(5, i).mean) / Run.latent(5, i).deviation)
                    (sums[i], squares[i]) = (sums[i] + z, squares[i] + z * z)
                }
            }
            // 5 deviations of a mean and of a variance of so many draws.
            let n = Double(epochs)
            #expect(sums.allSatisfy { abs($0 / n) < 5 / n.squareRoot() })
            #expect(squares.allSatisfy { abs($0 / n - 1) < 5 * (2 / n).squareRoot() })
            var again = SampleStream(set, configuration)
            #expect(try again.read(64..<80).x0 == Array(read.x0[64 * 32..<80 * 32]))
        }
    }

    /// Samples as images are those that their latents decode to; previews are drawn.
    @Test func samplesBecomeImages() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let latents = try encoded(run)
            let stage = run.path("stage")
            let trained = try run.trainHere(
                "ldm", settings: training(latents, ["first_stage=\(stage)", "preview_every=2", "preview_count=4"]))
            #expect(trained.status == 0 && trained.errors.contains("drew"), "\(trained.errors)")
            let preview = try FileManager.default.contentsOfDirectory(atPath: run.path("ldm/previews"))
            #expect(preview.count == 2)
            let ldm = run.path("ldm")
            for arguments in [["-o", run.path("one.h5")], ["-o", run.path("raw.h5"), "--latents"]] {
                let result = try smd(1, ["sample", ldm, "-n", "5"] + arguments)
                #expect(result.status == 0, "\(result.errors)")
            }
            let two = try smd(2, ["sample", ldm, "-n", "5", "-o", run.path("two.h5"), "--first-stage", stage])
            #expect(two.status == 0, "\(two.errors)")
            let decoded = try smd(
                1, ["dataset", "decode", run.path("raw.h5"), "--first-stage", stage, "-o", run.path("decoded.h5")])
            #expect(decoded.status == 0, "\(decoded.errors)")
            func images(_ name: String) throws -> [UInt8] {
                let set = try HDF5File.open(run.path(name)).root.dataset("images")
                #expect(set.shape == [5, 8, 8, 1])
                return try set.read(as: UInt8.self)
            }
            let one = try images("one.h5")
            #expect(try Set(one).count > 10 && images("two.h5") == one && images("decoded.h5") == one)
        }
    }

    /// What another program made of the same images, in its own layout and formats, becomes the same data set.
    @Test func arraysOfOthers() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let own = try DataSet(path: encoded(run))
            let stage = try FirstStage(checkpoint: run.checkpoint("stage", step: 3))
            let images = try DataSet(path: run.data)
            let moments = try stage.encode(images.samples(0..<images.count))  // [N, 4, 4, 2·2]
            /// [N, C, 4, 4] of the first C channels, times a factor.
            func channelsFirst(_ channels: Int, _ factor: Float) -> [Float] {
                (0..<images.count).flatMap { n in
                    (0..<channels).flatMap { c in (0..<16).map { moments[(n * 16 + $0) * 4 + c] * factor } }
                }
            }
            let labels = try #require(try images.labels()).map { Int64($0) }
            let arrays = try ZipFile.encode([
                (
                    "x.npy",
                    NPY.encode(
                        NumericArray(channelsFirst(4, 1).map(Double.init), shape: [images.count, 4, 4, 4]))
                ),
                ("y.npy", NPY.head(type: "<i8", shape: [images.count]) + labels.withUnsafeBytes { Array($0) }),
            ])
            try Data(arrays).write(to: URL(filePath: run.path("a.npz")))
            let scaled = try SafeTensors.encode(
                [.init(name: "latents", shape: [images.count, 2, 4, 4], values: channelsFirst(2, 4))], metadata: [:])
            try Data(scaled).write(to: URL(filePath: run.path("a.safetensors")))
            func prepared(_ ranks: Int, _ arguments: [String]) throws -> DataSet {
                let output = run.path("\(ranks).h5")
                let result = try smd(
                    ranks,
                    ["dataset", "prepare", "latents"] + arguments + ["--first-stage", run.path("stage"), "-o", output])
                #expect(result.status == 0, "\(result.errors)")
                return try DataSet(path: output)
            }
            let whole = try prepared(2, [run.path("a.npz"), "--latents", "x", "--labels", "y"])
            #expect(whole.fingerprint == own.fingerprint && whole.latents == own.latents && whole.count == own.count)
            let means = try prepared(1, [run.path("a.safetensors"), "--factor", "4"])
            func stored(_ set: DataSet, _ name: String) throws -> [Float] {
                try HDF5File.open(set.path).root.dataset(name).read(as: Float.self)
            }
            #expect(try stored(means, "mean") == stored(own, "mean"))
            #expect(try stored(means, "deviation").allSatisfy { $0 == 0 })
            #expect(means.latents?.firstStage == stage.digest)

            func refusal(_ arguments: [String]) throws -> String {
                let result = try smd(
                    1,
                    ["dataset", "prepare", "latents"] + arguments
                        + ["--first-stage", run.path("stage"), "-o", run.path("no.h5")])
                #expect(result.status != 0 && !FileManager.default.fileExists(atPath: run.path("no.h5")))
                return result.errors
            }
            #expect(try refusal([run.path("a.npz")]).contains("holds no array arr_0, but x, y"))
            #expect(try refusal([run.path("a.npz"), "--latents", "y"]).contains("wanted are N×2×4×4, or N×4×4×4"))
            #expect(
                try refusal([run.path("a.npz"), "--latents", "x", "--labels", "x"]).contains("an integer for each"))
            #expect(try refusal([run.data]).contains("an .npz, .npy or .safetensors is wanted"))
        }
    }

    @Test func refusals() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let latents = try encoded(run)
            func refusal(_ settings: [String]) throws -> String {
                let result = try run.trainHere("no", settings: training(latents, settings))
                #expect(result.status != 0)
                return result.errors
            }
            #expect(try refusal(["diffusion.flip=true"]).contains("cannot be mirrored: set diffusion.flip=false"))
            #expect(try refusal(["diffusion.clip_denoised=true"]).contains("not bound to [-1, 1]"))
            #expect(try refusal(["model.channels=3"]).contains("set model.size=4 and model.channels=2"))
            #expect(try refusal(Run.autoencoder).contains("method is autoencoder, which takes images"))
            let noStage = try run.trainHere("no", settings: ["steps=1", "first_stage=\(run.path("stage"))"])
            #expect(noStage.errors.contains("no latents: leave it out"), "\(noStage.errors)")
            try run.trainHere("other", settings: Run.autoencoder + ["steps=1", "seed=5", "checkpoint_every=0"])
            let other = run.path("other")
            #expect(
                try refusal(["preview_every=1", "first_stage=\(other)"]).contains(
                    "not the first stage of these latents"))

            let trained = try run.trainHere("ldm", settings: training(latents, ["preview_every=1"]))
            #expect(trained.status == 0 && trained.errors.contains("no previews are drawn"), "\(trained.errors)")
            func sampling(_ arguments: [String]) throws -> String {
                let result = try smd(1, ["sample", run.path("ldm"), "-n", "2", "-o", run.path("no.h5")] + arguments)
                #expect(result.status != 0 && !FileManager.default.fileExists(atPath: run.path("no.h5")))
                return result.errors
            }
            #expect(try sampling([]).contains("--first-stage CHECKPOINT, or write them as they are: --latents"))
            #expect(try sampling(["--first-stage", other]).contains("not the first stage of these latents"))
            #expect(try sampling(["--latents", "--grid", run.path("no.png")]).contains("there is no --grid"))
            let decode = try smd(1, ["dataset", "decode", latents, "--first-stage", other, "-o", run.path("no.h5")])
            #expect(decode.status != 0 && decode.errors.contains("not the first stage"), "\(decode.errors)")
            let images = try smd(1, ["dataset", "decode", run.data, "--first-stage", other, "-o", run.path("no.h5")])
            #expect(images.status != 0 && images.errors.contains("images, no latents"), "\(images.errors)")
        }
    }
}
