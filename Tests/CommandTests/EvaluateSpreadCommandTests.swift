import Foundation
import HDF5
import TestSupport
import Testing

/// `smd evaluate spread` of a small network for points.
@Suite struct EvaluateSpreadCommandTests {
    private func train(_ name: String, in folder: String, _ settings: String...) throws -> (run: String, data: String) {
        let data = folder + "/grid.h5"
        if !FileManager.default.fileExists(atPath: data) {
            let made = try smd(["dataset", "prepare", "gaussian-grid", "--count", "50", "--output", data])
            #expect(made.status == 0, "\(made.errors)")
        }
        let text = """
            data: \(data)
            steps: 2
            batch_size: 8
            checkpoint_every: 2
            preview_every: 0
            model: \(smallPointModel)
            diffusion: {timesteps: 40, sampling_steps: 4}
            """
        try text.write(toFile: folder + "/run.yaml", atomically: true, encoding: .utf8)
        let run = folder + "/" + name
        let trained = try smd(
            ["train", folder + "/run.yaml", "--output", run] + settings.flatMap { ["--set", $0] })
        #expect(trained.status == 0, "\(trained.errors)")
        return (run, data)
    }

    private func rows(_ output: String) throws -> [[String: Any]] {
        try object(output)["timesteps"] as? [[String: Any]] ?? []
    }

    private func value(_ row: [String: Any], _ key: String) -> Double {
        (row[key] as? [String: Any])?["value"] as? Double ?? .nan
    }

    @Test func figuresHaveTheSameBitsOnAnyNumberOfRanks() throws {
        try withTemporaryDirectory { folder in
            let (run, data) = try train("run", in: folder)
            let command = ["evaluate", "spread", run, "--data", data, "--draws", "4", "--count", "23", "--json"]
            let alone = try smd(command)
            #expect(alone.status == 0, "\(alone.errors)")
            for (ranks, batch) in [(1, "5"), (2, "32"), (3, "5")] {
                let more = command + ["--batch", batch]
                let result = try ranks == 1 ? smd(more) : mpirun(ranks, [product("smd")] + more)
                #expect(result.status == 0 && result.output == alone.output, "\(ranks) ranks: \(result.errors)")
            }
            let found = try rows(alone.output)
            #expect(found.compactMap { $0["timestep"] as? Int } == Array(stride(from: 2, to: 40, by: 4)))
            for row in found {
                #expect(value(row, "spread_skill") > 0 && value(row, "variance") > 0)
                #expect(value(row, "mean_error") > 0)
            }
            let other = try rows(smd(command + ["--seed", "9"]).output)
            #expect(value(other[0], "spread_skill") != value(found[0], "spread_skill"))
        }
    }

    @Test func aNetworkWithoutALatentHasNoSpread() throws {
        try withTemporaryDirectory { folder in
            let (run, data) = try train("plain", in: folder, "model.smd=false")
            let command = ["evaluate", "spread", run, "--data", data, "--draws", "3", "--timesteps", "0,39"]
            let found = try rows(smd(command + ["--json"]).output)
            #expect(found.count == 2 && found.allSatisfy { value($0, "spread_skill") == 0 })
            let text = try smd(command)
            #expect(
                text.output.hasPrefix("50 samples of \(data), 3 estimates of each\n") && text.output.contains("t = 39"))
            let cases: [(arguments: [String], status: Int32, words: String)] = [
                (["--timesteps", "0,40"], 64, "40 is none of the timesteps 0 ... 39"),
                (["--draws", "1"], 64, "--draws is 1"), (["--count", "1"], 64, "--count is 1"),
            ]
            for (arguments, status, words) in cases {
                let result = try smd(command + arguments)
                #expect(result.status == status && result.errors.contains(words), "\(result.errors)")
            }
            let images = folder + "/images.h5"
            let file = try HDF5File.create(images)
            try file.root.write([UInt8](repeating: 1, count: 64), shape: [4, 4, 4, 1], to: "images")
            try file.close()
            let refused = try smd(["evaluate", "spread", run, "--data", images])
            #expect(refused.status == 65 && refused.errors.contains("holds images of 4×4×1, the network takes"))
        }
    }
}
