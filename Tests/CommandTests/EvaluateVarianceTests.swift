import Foundation
import TestSupport
import Testing

/// `smd evaluate variance`, and sampling with what it measured, as a user runs them.
@Suite struct EvaluateVarianceTests {
    /// Trains a point network for a few steps in `folder` and returns its checkpoint and data.
    private func trained(_ folder: String, _ settings: [String] = []) throws -> (checkpoint: String, data: String) {
        let (data, preset) = (folder + "/grid.h5", folder + "/run.yaml")
        _ = try smd(["dataset", "prepare", "gaussian-grid", "--count", "300", "--output", data])
        let text = """
            data: \(data)
            steps: 4
            batch_size: 32
            preview_every: 0
            model: \(smallPointModel)
            diffusion: {timesteps: 5, flip: false, clip_denoised: false, sampler: ancestral, sampling_steps: 5}
            """
        try text.write(toFile: preset, atomically: true, encoding: .utf8)
        let run = try smd(["train", preset, "--output", folder + "/run"] + settings.flatMap { ["--set", $0] })
        #expect(run.status == 0, "\(run.errors)")
        return (folder + "/run/checkpoints/step-00000004.h5", data)
    }

    @Test func whatIsMeasuredIsFoundInSampling() throws {
        try withTemporaryDirectory { folder in
            let (checkpoint, data) = try trained(folder)
            let sample = ["sample", checkpoint, "--count", "20", "--set", "diffusion.variance=optimal", "--output"]
            let before = try smd(sample + [folder + "/none.h5"])
            #expect(before.status == 65 && before.errors.contains("smd evaluate variance \(checkpoint) --data FILE"))
            #expect(!FileManager.default.fileExists(atPath: folder + "/none.h5"))

            let measured = try smd(["evaluate", "variance", checkpoint, "--data", data, "--count", "100", "--json"])
            #expect(measured.status == 0, "\(measured.errors)")
            let values = try object(measured.output)
            #expect(values["timesteps"] as? [Int] == [0, 1, 2, 3, 4] && values["count"] as? Int == 100)
            let variances = try #require(values["x0_variance"] as? [Double])
            // Of an untrained network no better than the data's own variance, about 0.44.
            #expect(variances.allSatisfy { $0 > 0.001 && $0 < 4 })

            // The same on two ranks, to the bit.
            let path = folder + "/run/checkpoints/step-00000004.variance.json"
            let file = FileManager.default.contents(atPath: path)
            let ranks = try mpirun(
                2, [product("smd"), "evaluate", "variance", checkpoint, "--data", data, "--count", "100"], timeout: 60)
            #expect(ranks.status == 0, "\(ranks.errors)")
            #expect(ranks.output.contains("wrote \(path)"))
            #expect(FileManager.default.contents(atPath: path) == file && file != nil)

            let after = try smd(sample + [folder + "/some.h5"])
            #expect(after.status == 0, "\(after.errors)")
            let raw = try smd(sample + [folder + "/raw.h5", "--weights", "raw"])
            #expect(raw.status == 65 && raw.errors.contains("measured with the weights ema, not raw"))
            try "{}".write(toFile: path, atomically: true, encoding: .utf8)
            let damaged = try smd(sample + [folder + "/more.h5"])
            #expect(damaged.status == 65 && damaged.errors.contains("does not hold what smd evaluate variance writes"))
        }
    }

    /// A network whose output is a draw has its variance in it already.
    @Test func drawsNeedNoVariance() throws {
        try withTemporaryDirectory { folder in
            let (checkpoint, _) = try trained(folder, ["diffusion.loss=energy_score", "diffusion.draws=2"])
            let sample = try smd([
                "sample", checkpoint, "--count", "5", "--set", "diffusion.variance=optimal", "--output",
                folder + "/s.h5",
            ])
            #expect(sample.status == 65 && sample.errors.contains("trained by energy_score and draws x0"))
            let refused = try smd([
                "train", folder + "/run.yaml", "--output", folder + "/other", "--set", "diffusion.variance=optimal",
            ])
            #expect(refused.status != 0 && refused.errors.contains("is measured of a checkpoint"))
        }
    }
}
