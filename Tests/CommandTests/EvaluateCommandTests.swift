import Foundation
import HDF5
import Storage
import StorageSupport
import TestSupport
import Testing

/// `smd evaluate` and `smd sample --oracle`: what they say of the right and the wrong files.
@Suite struct EvaluateCommandTests {
    private static let five = ["--set", "diffusion.timesteps=5"]

    /// Runs smd, which must succeed.
    @discardableResult
    private func succeed(_ arguments: [String]) throws -> (output: String, errors: String) {
        let result = try smd(arguments)
        try #require(result.status == 0, "\(arguments): \(result.errors)")
        return (result.output, result.errors)
    }

    /// One line of error, with these words and this status.
    private func expectRefusal(_ arguments: [String], _ status: Int32, _ words: String) throws {
        let result = try smd(arguments)
        #expect(result.status == status && result.output.isEmpty, "\(arguments): \(result.status) \(result.errors)")
        #expect(result.errors.contains(words), "\(arguments): \(result.errors)")
        #expect(result.errors.filter { $0 == "\n" }.count == 1, "\(arguments): \(result.errors)")
    }

    private func withGrid(_ body: (_ folder: String, _ grid: String) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            let grid = folder + "/grid.h5"
            try succeed(["dataset", "prepare", "gaussian-grid", "--count", "1000", "--grid", "3", "--output", grid])
            try body(folder, grid)
        }
    }

    private func value(_ report: [String: Any], _ key: String, _ part: String = "value") -> Double? {
        ((report["figures"] as? [String: Any])?[key] as? [String: Any])?[part] as? Double
    }

    /// The exact posterior gives samples like true ones; its mean does not.
    @Test func samplesOfTheOracle() throws {
        try withGrid { folder, grid in
            var reports: [String: [String: Any]] = [:]
            for estimate in ["posterior", "mean", "gaussian"] {
                let samples = folder + "/\(estimate).h5"
                let sample = ["sample", "--oracle", grid, "--count", "500", "--oracle-estimate", estimate]
                let said = try succeed(sample + ["--output", samples] + Self.five)
                #expect(said.errors.contains("sampling 500 samples of the oracle, 5 estimates each"))
                let root = try HDF5File.open(samples).root
                #expect(try root.dataset("points").shape == [500, 2])
                #expect(try root.attribute("oracle_estimate") == .string(estimate))
                #expect(try root.attribute("sampling_steps") == .integer(5))
                reports[estimate] = try object(
                    succeed(["evaluate", "points", samples, "--against", grid, "--json"]).output)
            }
            let (right, wrong) = (try #require(reports["posterior"]), try #require(reports["mean"]))
            #expect(right["is_truth_known"] as? Bool == true && right["modes"] as? Int == 9)
            #expect(right["count"] as? Int == 500 && right["reference_count"] as? Int == 500)
            #expect(value(right, "share_inside") ?? 0 > 0.99 && value(right, "modes_hit") == 9)
            #expect(value(wrong, "share_inside") ?? 1 < 0.7)
            let noise = try #require(value(right, "sliced_wasserstein_1", "truth"))
            #expect(value(right, "sliced_wasserstein_1") ?? 1 < 2 * noise)
            #expect(value(wrong, "sliced_wasserstein_1") ?? 0 > 3 * noise)
            #expect(value(wrong, "negative_log_likelihood") ?? 0 > (value(right, "negative_log_likelihood") ?? 0) + 1)
        }
    }

    /// Draws of x_0 are no score, and no slope: the sampler's way out is given, and goes.
    @Test(arguments: ["heun", "langevin"]) func drawsOfTheOracleAreRefused(sampler: String) throws {
        try withGrid { folder, grid in
            let sample = [
                "sample", "--oracle", grid, "--count", "3", "--sampler", sampler, "--output", folder + "/s.h5",
            ]
            let refused = try smd(sample)
            #expect(refused.status == 64 && refused.errors.contains("take --oracle-estimate mean"), "\(refused.errors)")
            try succeed(sample + ["--oracle-estimate", "mean"])
        }
    }

    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)")) func sameOnAnyNumberOfRanks() throws {
        try withGrid { folder, grid in
            let sample = ["sample", "--oracle", grid, "--count", "101"] + Self.five
            try succeed(sample + ["--output", folder + "/1.h5"])
            let result = try mpirun(3, [product("smd")] + sample + ["--output", folder + "/3.h5"])
            #expect(result.status == 0, "\(result.errors)")
            func points(_ name: String) throws -> [Float] {
                try HDF5File.open(folder + name).root.dataset("points").read(as: Float.self)
            }
            #expect(try points("/1.h5") == points("/3.h5"))
            let checkpoint = try trained(folder, grid)
            let evaluate = [
                "evaluate", "oracle", checkpoint, "--data", grid, "--count", "50", "--draws", "4", "--json",
            ]
            let ranks = try mpirun(2, [product("smd")] + evaluate)
            #expect(ranks.status == 0, "\(ranks.errors)")
            #expect(try succeed(evaluate).output == ranks.output)
        }
    }

    /// A checkpoint of three steps, T = 5, of the run `name`.
    private func trained(
        _ folder: String, _ data: String, name: String = "run", _ settings: [String] = []
    ) throws -> String {
        let text = """
            steps: 3
            batch_size: 4
            preview_every: 0
            eta_variance_every: 0
            model: \(smallPointModel)
            diffusion: {timesteps: 5, sampling_steps: 5, flip: false, clip_denoised: false}
            """
        try text.write(toFile: folder + "/run.yaml", atomically: true, encoding: .utf8)
        try succeed(
            ["train", folder + "/run.yaml", "--set", "data=\(data)", "--output", folder + "/" + name] + settings)
        return folder + "/\(name)/checkpoints/step-00000003.h5"
    }

    @Test func aNetworkAgainstTheOracle() throws {
        try withGrid { folder, grid in
            let checkpoint = try trained(folder, grid)
            let evaluate = ["evaluate", "oracle", checkpoint, "--data", grid, "--count", "40", "--draws", "8"]
            let text = try succeed(evaluate + ["--plot", folder + "/a.png"]).output
            let rows = text.split(separator: "\n").dropFirst(2).dropLast()
            #expect(rows.map { $0.split(separator: " ").first } == ["4", "3", "2", "1", "0"], "\(text)")
            #expect(rows.last?.contains("—") == true && rows.first?.contains("—") == false)
            let picture = try Data(contentsOf: URL(fileURLWithPath: folder + "/a.png"))
            #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]))
            let report = try object(succeed(evaluate + ["--times", "4,0", "--json"]).output)
            let found = try #require(report["rows"] as? [[String: Any]])
            #expect(found.map { $0["timestep"] as? Int } == [0, 4])
            #expect(found[0]["divergence"] == nil && found[1]["divergence"] != nil)
            let share = try #require((found[1]["variance_share"] as? [String: Any])?["value"] as? Double)
            #expect(share >= 0 && share < 100)
            // Fewer steps are wider ones: the times are those of a chain of two.
            let two = try object(succeed(evaluate + ["--steps", "2", "--json"]).output)
            #expect((two["rows"] as? [[String: Any]])?.map { $0["timestep"] as? Int } == [1, 4])
            try expectRefusal(evaluate + ["--times", "7"], 64, "--times 7: the timesteps are 0, 1, 2, 3, 4")
            try expectRefusal(evaluate + ["--plot", folder + "/a.png"], 73, "exists already")
            try expectRefusal(evaluate + ["--steps", "6"], 65, "diffusion.sampling_steps is 6; it must be in 1 ... 5")
            let offset = try trained(folder, grid, name: "offset", ["--set", "diffusion.offset_noise=0.1"])
            try expectRefusal(
                ["evaluate", "oracle", offset, "--data", grid], 65, "trained with diffusion.offset_noise 0.1")
        }
    }

    @Test func aNetworkThatIsNotFinite() throws {
        try withGrid { folder, grid in
            let checkpoint = try trained(folder, grid)
            var state = try Checkpoint.read(checkpoint)
            state["ema"] = state["ema"].map {
                NamedTensor(name: $0.name, shape: $0.shape, values: $0.values.map { _ in Float.nan })
            }
            try state.write(to: checkpoint)
            let evaluate = ["evaluate", "oracle", checkpoint, "--data", grid, "--count", "4", "--draws", "2"]
            try expectRefusal(evaluate, 65, "the network's output at timestep 0 is not finite")
            try succeed(evaluate + ["--weights", "raw"])
        }
    }

    /// Without a distribution the data are the reference; with a board, its squares.
    @Test func otherReferences() throws {
        try withGrid { folder, grid in
            let text = (0..<400).map { "\(($0 * 37) % 101) \(($0 * 53) % 97)\n" }.joined()
            try text.write(toFile: folder + "/p.txt", atomically: true, encoding: .utf8)
            try succeed(["dataset", "prepare", "points", folder + "/p.txt", "--output", folder + "/p.h5"])
            let evaluate = ["evaluate", "points", grid, "--against"]
            let found = try succeed(evaluate + [folder + "/p.h5", "--plot", folder + "/a.png"]).output
            #expect(found.contains("against 200 of ") && found.contains("200 true points"), "\(found)")
            #expect(!found.contains("share inside"))
            let report = try object(succeed(evaluate + [folder + "/p.h5", "--json"]).output)
            #expect(report["is_truth_known"] as? Bool == false && report["reference_count"] as? Int == 200)
            let board = folder + "/board.h5"
            try succeed(["dataset", "prepare", "checkerboard", "--count", "300", "--output", board])
            let same = try object(succeed(["evaluate", "points", board, "--against", board, "--json"]).output)
            #expect(value(same, "share_inside") == 1 && value(same, "modes_hit") == 8)
            #expect(abs((value(same, "negative_log_likelihood") ?? 0) - log(2)) < 1e-9)
            #expect(try succeed(evaluate + [board]).output.contains("negative log-likelihood, nats"))
        }
    }

    @Test func whatCannotBeCompared() throws {
        try withGrid { folder, grid in
            let few = folder + "/few.h5"
            try succeed(["dataset", "prepare", "gaussian-ring", "--count", "99", "--output", few])
            let against = ["--against", grid]
            try expectRefusal(["evaluate", "points", few] + against, 65, "99 points say nothing of a distribution")
            try expectRefusal(["evaluate", "points", folder + "/none.h5"] + against, 65, "no such data set")
            let line = folder + "/line.txt"
            try (0..<150).map { "\($0)\n" }.joined().write(toFile: line, atomically: true, encoding: .utf8)
            try succeed(["dataset", "prepare", "points", line, "--output", folder + "/line.h5"])
            try expectRefusal(
                ["evaluate", "points", folder + "/line.h5"] + against, 65, "points of 1 coordinates, \(grid) of 2")
            try expectRefusal(
                ["evaluate", "points", folder + "/line.h5", "--against", folder + "/line.h5"], 65,
                "150 points are too few to be divided")
            let file = try HDF5File.create(folder + "/images.h5")
            try file.root.write([UInt8](repeating: 7, count: 64), shape: [1, 8, 8, 1], to: "images")
            try file.close()
            try expectRefusal(["evaluate", "points", folder + "/images.h5"] + against, 65, "holds images; points are")
            let flat = folder + "/flat.h5"
            try succeed(["dataset", "prepare", "gaussian-grid", "--count", "200", "--deviation", "0", "--output", flat])
            try expectRefusal(["evaluate", "points", grid, "--against", flat], 65, "a Gaussian of no width")
            try expectRefusal(
                ["evaluate", "points", grid] + against + ["--projections", "0"], 64, "--projections must be")
            try expectRefusal(
                ["evaluate", "points", grid] + against + ["--plot", grid], 64, "pictures are written as PNG")
        }
    }

    @Test func whatCannotBeSampled() throws {
        try withGrid { folder, grid in
            let output = ["--output", folder + "/s.h5"]
            try expectRefusal(["sample"] + output, 64, "a checkpoint is missing (or --oracle")
            try expectRefusal(["sample", "a.h5", "--oracle", grid] + output, 64, "give one of them")
            try expectRefusal(["sample", "a.h5", "--config", "grid"] + output, 64, "is for --oracle")
            let points = folder + "/p.h5"
            let file = try HDF5File.create(points)
            try file.root.write([0, 1, 2, 3] as [Float], shape: [2, 2], to: "points")
            try file.close()
            try expectRefusal(["sample", "--oracle", points] + output, 65, "states no mixture (/mixture)")
            try expectRefusal(["sample", "--oracle", grid, "--set", "diffusion.nothing=1"] + output, 65, "nothing")
            try expectRefusal(["sample", "--oracle", grid, "--steps", "1001"] + output, 65, "sampling_steps is 1001")
            #expect(!FileManager.default.fileExists(atPath: folder + "/s.h5"))
            // The diffusion of a preset; the picture beside.
            let preset = ["--config", "grid", "--steps", "3", "--grid", folder + "/s.png", "--count", "20"]
            try succeed(["sample", "--oracle", grid] + output + preset)
            let root = try HDF5File.open(folder + "/s.h5").root
            #expect(try root.attribute("sampler") == .string("ancestral"))
            #expect(try root.attribute("sampling_steps") == .integer(3))
        }
    }
}
