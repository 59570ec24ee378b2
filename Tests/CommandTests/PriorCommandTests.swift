import Foundation
import HDF5
import TestSupport
import Testing

/// `smd prior fit`, `smd evaluate gap`, and what they are for: training and sampling below a horizon.
@Suite struct PriorCommandTests {
    private func grid(_ folder: String) throws -> String {
        let data = folder + "/grid.h5"
        let made = try smd(["dataset", "prepare", "gaussian-grid", "--count", "900", "--output", data])
        #expect(made.status == 0, "\(made.errors)")
        return data
    }

    /// The attribute of a file's root.
    private func attribute(_ name: String, _ path: String) throws -> AttributeValue? {
        try HDF5File.open(path).root.attribute(name)
    }

    @Test func fitsAreWrittenOnceAndAlike() throws {
        try withTemporaryDirectory { folder in
            let (data, prior) = (try grid(folder), folder + "/prior.h5")
            let fit = ["prior", "fit", "--data", data, "--kind", "mixture", "--components", "5", "--output"]
            let first = try smd(fit + [prior])
            #expect(
                first.status == 0 && first.output.hasPrefix("\(prior): 5 Gaussians of 2 numbers, 900 samples"),
                "\(first)")
            let second = try object(smd(fit + [folder + "/again.h5", "--json"]).output)
            let third = try object(smd(fit + [prior, "--json", "--overwrite"]).output)
            #expect(second["sha256"] as? String == third["sha256"] as? String && second["sha256"] != nil)
            #expect(try attribute("kind", prior) == .string("mixture"))
            for (arguments, status, words) in [
                ([prior], 73, "prior.h5"), ([folder + "/x.h5", "--components", "0"], 64, "--components is 0"),
                ([folder + "/x.h5", "--kind", "gaussian"], 64, "a gaussian is one"),
                ([folder + "/x.h5", "--count", "3"], 65, "3 samples are too few for 5 components"),
            ] as [([String], Int32, String)] {
                let result = try smd(fit + arguments)
                #expect(result.status == status && result.errors.contains(words), "\(result)")
            }
        }
    }

    @Test func costsHaveTheSameBitsOnAnyNumberOfRanks() throws {
        try withTemporaryDirectory { folder in
            let (data, prior) = (try grid(folder), folder + "/prior.h5")
            #expect(try smd(["prior", "fit", "--data", data, "--output", prior]).status == 0)
            let gap = [
                "evaluate", "gap", "--data", data, "--set", "diffusion.schedule=linear", "--set",
                "diffusion.timesteps=100",
                "--levels", "4", "--prior", prior, "--count", "3000", "--json",
            ]
            let alone = try smd(gap + ["--plot", folder + "/gap.png"])
            #expect(alone.status == 0, "\(alone.errors)")
            let ranks = try mpirun(2, [product("smd")] + gap)
            #expect(ranks.status == 0 && ranks.output == alone.output, "\(ranks.errors)")
            let found = try object(alone.output)
            let advice = try #require(found["advice"] as? [[String: Any]])
            #expect(advice.compactMap { $0["prior"] as? String } == ["normal", "gaussian", "prior"])
            // By quadrature 50 and 25; 3,000 draws decide to a step or two.
            #expect(
                abs((advice[0]["horizon"] as? Int ?? 0) - 50) <= 2 && abs((advice[1]["horizon"] as? Int ?? 0) - 25) <= 2
            )
            let text = try smd(gap.dropLast() + ["--tolerance", "1e-9"])
            #expect(text.output.contains("no horizon costs less than 1e-09 nats"), "\(text.output)")
            // A data set that states nothing: its samples.
            let points = folder + "/points.h5"
            let file = try HDF5File.create(points)
            try file.root.write((0..<200).map { Float(sin(Double($0))) }, shape: [100, 2], to: "points")
            try file.close()
            let own = try smd(["evaluate", "gap", "--data", points, "--levels", "3"])
            #expect(
                own.status == 0 && own.output.contains("100 samples of") && own.output.contains("from above"), "\(own)")
            let wrong = try smd(["evaluate", "gap", "--data", data, "--prior", data])
            #expect(wrong.status == 65 && wrong.errors.contains("prior"), "\(wrong.errors)")
            let paths = try smd(["evaluate", "gap", "--data", points, "--config", "dds-funnel"])
            #expect(paths.status == 64 && paths.errors.contains("method: dds"), "\(paths.errors)")
        }
    }

    @Test func trainingAndSamplingBelowAHorizon() throws {
        try withTemporaryDirectory { folder in
            let (data, prior) = (try grid(folder), folder + "/prior.h5")
            #expect(try smd(["prior", "fit", "--data", data, "--output", prior]).status == 0)
            let text = """
                data: \(data)
                steps: 2
                batch_size: 8
                preview_every: 2
                model: \(smallPointModel)
                diffusion: {timesteps: 100, schedule: linear, horizon: 30, prior: \(prior), sampling_steps: 10, sampler: ancestral,
                  flip: false, clip_denoised: false}
                """
            try text.write(toFile: folder + "/run.yaml", atomically: true, encoding: .utf8)
            let run = folder + "/run"
            let trained = try smd(["train", folder + "/run.yaml", "--output", run])
            #expect(trained.status == 0, "\(trained.errors)")
            func sample(_ name: String, _ more: String...) throws -> [UInt8]? {
                let result = try smd(["sample", run, "--count", "20", "--output", folder + "/" + name] + more)
                #expect(result.status == 0, "\(result.errors)")
                return try HDF5File.open(folder + "/" + name).root.dataset("points").read(as: Float.self)
                    .withUnsafeBytes { Array($0) }
            }
            let own = try sample("own.h5")
            #expect(try sample("named.h5", "--prior", prior) == own)
            #expect(try sample("none.h5", "--prior", "none") != own)
            #expect(try sample("early.h5", "--horizon", "7") != own)
            #expect(try attribute("horizon", folder + "/early.h5") == .integer(7))
            #expect(try attribute("sampling_steps", folder + "/early.h5") == .integer(7))
            let far = try smd(["sample", run, "--horizon", "31", "--output", folder + "/far.h5"])
            #expect(far.status == 64 && far.errors.contains("the network was not trained"), "\(far.errors)")
            let nll = try smd(["evaluate", "nll", run, "--data", data, "--count", "20", "--json"])
            #expect(nll.status == 0, "\(nll.errors)")
            #expect(try (object(nll.output)["levels"] as? [Any])?.count == 30)
            // The checkpoint has the prior: its file may go.
            try FileManager.default.removeItem(atPath: prior)
            #expect(try sample("kept.h5") == own)
            let gone = try smd(["sample", run, "--prior", folder + "/gone.h5", "--output", folder + "/x.h5"])
            #expect(gone.status == 65 && gone.errors.contains("gone.h5"), "\(gone.errors)")
            let wrong = try smd(["train", folder + "/run.yaml", "--output", folder + "/other"])
            #expect(wrong.status == 65 && wrong.errors.contains("prior.h5"), "\(wrong.errors)")
        }
    }

    @Test func oracleFromAHorizon() throws {
        try withTemporaryDirectory { folder in
            let (data, prior) = (try grid(folder), folder + "/prior.h5")
            #expect(try smd(["prior", "fit", "--data", data, "--output", prior]).status == 0)
            let sampled = try smd([
                "sample", "--oracle", data, "--set", "diffusion.schedule=linear", "--set", "diffusion.timesteps=100",
                "--horizon", "30", "--prior", prior, "--count", "50", "--output", folder + "/s.h5",
            ])
            #expect(sampled.status == 0 && sampled.errors.contains("30 estimates each"), "\(sampled)")
        }
    }
}
