import Foundation
import HDF5
import TestSupport
import Testing

/// `smd evaluate nll` of small networks, and of the oracle.
@Suite struct EvaluateNLLCommandTests {
    private func figure(_ output: String, _ key: String) throws -> Double {
        (try object(output)[key] as? [String: Any])?["value"] as? Double ?? .nan
    }

    private func grid(_ folder: String, _ count: Int = 60) throws -> String {
        let data = folder + "/grid.h5"
        let made = try smd(["dataset", "prepare", "gaussian-grid", "--count", "\(count)", "--output", data])
        #expect(made.status == 0, "\(made.errors)")
        return data
    }

    @Test func figuresHaveTheSameBitsOnAnyNumberOfRanks() throws {
        try withTemporaryDirectory { folder in
            let data = try grid(folder)
            let text = """
                data: \(data)
                steps: 2
                batch_size: 8
                preview_every: 0
                model: \(smallPointModel)
                diffusion: {timesteps: 12, sampling_steps: 4, schedule: logsnr, timestep_sampling: logistic}
                """
            try text.write(toFile: folder + "/run.yaml", atomically: true, encoding: .utf8)
            let run = folder + "/run"
            let trained = try smd(["train", folder + "/run.yaml", "--output", run])
            #expect(trained.status == 0, "\(trained.errors)")
            let command = ["evaluate", "nll", run, "--data", data, "--count", "23", "--eta-draws", "3"]
            let alone = try smd(command + ["--json", "--per-sample", folder + "/n.h5", "--plot", folder + "/e.png"])
            #expect(alone.status == 0, "\(alone.errors)")
            for (ranks, batch) in [(1, "5"), (3, "7")] {
                let more = command + ["--batch", batch, "--json"]
                let result = try ranks == 1 ? smd(more) : mpirun(ranks, [product("smd")] + more)
                #expect(result.status == 0 && result.output == alone.output, "\(ranks) ranks: \(result.errors)")
            }
            let nats = try figure(alone.output, "nats")
            let file = try HDF5File.open(folder + "/n.h5").root
            let each = try file.dataset("nats").read(as: Double.self)
            #expect(each.count == 23 && abs(each.reduce(0, +) / 23 - nats) < 1e-9)
            #expect(try file.dataset("index").read(as: Int64.self).allSatisfy { (0..<60).contains($0) })
            #expect(abs(try figure(alone.output, "bits_per_dimension") - nats / 2 / log(2)) < 1e-9)
            #expect(try (object(alone.output)["levels"] as? [Any])?.count == 12)
            let text2 = try smd(command + ["--levels", "5"])
            #expect(text2.output.contains("5 levels, 3 draws each") && text2.output.contains("chain of draws"))
            for (arguments, status, words) in [
                (["--levels", "13"], 64, "the diffusion has 12 timesteps"), (["--levels", "1"], 64, "2 or more"),
                (["--discrete"], 65, "--discrete is for images"), (["--eta-draws", "0"], 64, "--eta-draws is 0"),
                (["--per-sample", folder + "/n.h5"], 73, "n.h5"), (["--set", "seed=3"], 64, "--set is for --oracle"),
            ] as [([String], Int32, String)] {
                let result = try smd(command + arguments)
                #expect(result.status == status && result.errors.contains(words), "\(result.errors)")
            }
        }
    }

    /// The oracle's bound is the entropy of the grid, ln 49 + ln(2πe · 0.0009), up to the deviation of 400 points.
    @Test func oracleOfAGrid() throws {
        try withTemporaryDirectory { folder in
            let data = try grid(folder, 400)
            let result = try smd([
                "evaluate", "nll", "--oracle", data, "--data", data, "--oracle-estimate", "mean", "--count", "400",
                "--set", "diffusion.schedule=logsnr", "--set", "diffusion.logsnr_max=16", "--json",
            ])
            #expect(result.status == 0, "\(result.errors)")
            #expect(abs(try figure(result.output, "nats") + 0.2834) < 0.2, "\(result.output)")
            let none = try smd(["evaluate", "nll", "--data", data])
            #expect(none.status == 64 && none.errors.contains("a checkpoint is missing"))
        }
    }

    /// Images of classes: a network that knows nothing needs no more than 8 bits a pixel and what its errors cost.
    @Test func pixelsOfClasses() throws {
        try withTemporaryDirectory { folder in
            let images = folder + "/images.h5"
            let file = try HDF5File.create(images)
            try file.root.write((0..<24 * 64).map { UInt8($0 * 37 % 256) }, shape: [24, 8, 8, 1], to: "images")
            try file.root.write((0..<24).map { Int32($0 % 3) }, shape: [24], to: "labels")
            try file.close()
            let text = """
                data: \(images)
                steps: 2
                batch_size: 8
                preview_every: 0
                model: {size: 8, channels: 1, dim: 8, groups: 4, dim_mults: [1], heads: 1, head_dim: 8, smd: false, classes: 3}
                diffusion: {timesteps: 40, sampling_steps: 4, schedule: linear, flip: false}
                """
            try text
                .write(toFile: folder + "/run.yaml", atomically: true, encoding: .utf8)
            let trained = try smd(["train", folder + "/run.yaml", "--output", folder + "/run"])
            #expect(trained.status == 0, "\(trained.errors)")
            let result = try smd([
                "evaluate", "nll", folder + "/run", "--data", images, "--discrete", "--levels", "20", "--json",
            ])
            #expect(result.status == 0, "\(result.errors)")
            let bits = try figure(result.output, "bits_per_dimension")
            #expect(bits > 0.5 && bits < 30, "\(bits)")
            #expect(try object(result.output)["draws"] as? Int == 1)
        }
    }
}
