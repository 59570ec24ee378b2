import Configuration
import Evaluation
import Foundation
import Sampling
import TestSupport
import Testing
import Training

/// A first stage from training to what comes back.
@Suite struct AutoencoderTests {
    private func evaluate(_ ranks: Int, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String)
    {
        let command = [product("smd"), "evaluate", "autoencoder"] + arguments
        return try ranks == 1 ? TestSupport.run(command, timeout: 120) : mpirun(ranks, command)
    }

    /// It learns, and is measured alike on any number of ranks, one image at a time or many.
    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
    func whatComesBack() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let learning = ["learning_rate=3e-3", "autoencoder.kl_weight=1e-4", "ema.start=1000000"]
            for steps in [1, 200] {
                let result = try run.trainHere(
                    "out-\(steps)", settings: Run.autoencoder + learning + ["steps=\(steps)", "checkpoint_every=0"])
                #expect(result.status == 0, "\(result.errors)")
            }
            func figures(_ name: String, _ ranks: Int) throws -> [String: Any] {
                let result = try evaluate(ranks, [run.path(name), "--data", run.data, "--json"])
                #expect(result.status == 0, "\(result.errors)")
                let found = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
                return try #require(found as? [String: Any])
            }
            let (before, after) = (try figures("out-1", 1), try figures("out-200", 1))
            let (first, last) = (before["psnr"] as? Double ?? 0, after["psnr"] as? Double ?? 0)
            #expect(last > first + 1, "\(first), \(last)")
            #expect(after["latent_shape"] as? [Int] == [4, 4, 2])
            #expect(try NSDictionary(dictionary: figures("out-200", 2)).isEqual(to: after))
        }
    }

    /// Previews are drawn with the parameters and with their average, and change no bit of the run.
    @Test func reconstructionsAreDrawn() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let settings = Run.autoencoder + ["steps=4", "checkpoint_every=0"]
            for (name, ranks, more) in [
                ("drawn", 2, ["preview_every=2", "preview_count=5"]),
                ("streamed", 1, ["preview_every=4", "cache=stream"]),
                ("plain", 2, []),
            ] {
                let result = try run.trainHere(name, ranks: ranks, settings: settings + ["reduction=exact"] + more)
                #expect(result.status == 0, "\(result.errors)")
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: run.path("drawn/previews"))
            #expect(names.count == 4)
            #expect(try FileManager.default.contentsOfDirectory(atPath: run.path("streamed/previews")).count == 2)
            try expectSameState(run, "drawn", "plain", step: 4)
            try expectSameState(run, "streamed", "plain", step: 4)
        }
    }

    /// The figures of one image against their definitions.
    @Test func figuresOfAnImage() {
        let original: [Float] = [-1, 0, 1, 0.5]
        let decoded: [Float] = [-1, 0.5, 3, 0.5]  // 3 counts as 1
        let moments: [Float] = [2, -1, 0, 40]  // one pixel of two channels; 40 counts as 20
        let row = Reconstructions.judge(
            original: original[...], decoded: decoded[...], moments: moments[...], channels: 2)
        #expect(abs(row[0] - 0.0625 / 4) < 1e-12 && abs(row[1] - 0.25 / 4) < 1e-12)
        #expect(abs(row[2] - ((4 + 1 - 1 - 0) + (1 + exp(20.0) - 1 - 20)) / 2) < 1e-3)
        #expect(row[3] == 0.5 && abs(row[4] - (4 + 1 + 1 + exp(20.0)) / 2) < 1e-3)
        let figures = Reconstructions(row + row)
        #expect(abs(figures.psnr.value - 10 * log10(64)) < 1e-9 && figures.psnr.error == 0)
    }

    @Test func otherCheckpointsAreRefused() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("diffusion", settings: ["steps=1", "checkpoint_every=0"])
            try run.trainHere("stage", settings: Run.autoencoder + ["steps=1", "checkpoint_every=0"])
            let wrong = try evaluate(1, [run.path("diffusion"), "--data", run.data])
            #expect(wrong.status != 0 && wrong.errors.contains("one that method: autoencoder left is wanted"))
            let sample = try TestSupport.run(
                [product("smd"), "sample", run.path("stage"), "-o", run.path("x.h5")], timeout: 60)
            #expect(sample.status != 0 && sample.errors.contains("of an autoencoder, which draws no samples"))
        }
    }
}
