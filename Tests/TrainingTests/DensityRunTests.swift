import CPUBackend
import Communication
import Configuration
import Diffusion
import Foundation
import HDF5
import Sampling
import Storage
import TensorGraph
import TestSupport
import Testing
import Training

/// What is particular to `method: dds`; what holds for any run is tested beside that of the others.
@Suite struct DensityRunTests {
    private typealias Result = (status: Int32, output: String, errors: String)

    private func smd(_ arguments: [String], ranks: Int = 1) throws -> Result {
        let command = [product("smd")] + arguments
        return ranks == 1 ? try run(command, timeout: 120) : try mpirun(ranks, command, timeout: 120)
    }

    private struct Report: Decodable {
        let paths: Int
        let density: String
        let elbo: Double
        let logPartition: Double
        let logPartitionError: Double
        let knownLogPartition: Double?
        let effectiveShare: Double
    }

    private func report(_ arguments: [String]) throws -> Report {
        let result = try smd(["evaluate", "partition"] + arguments + ["--json", "-q"])
        try #require(result.status == 0, "\(result.errors)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Report.self, from: Data(result.output.utf8))
    }

    // MARK: Learning

    /// The preset of the ten Gaussians, in a third of its steps: what is left is the Gaussian form of a step.
    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)")) func tenGaussiansAreLearnt() throws {
        try withTemporaryDirectory { folder in
            let out = folder + "/out"
            let trained = try smd(["train", "dds-gaussians", "--output", out, "--set", "steps=300", "-q"])
            try #require(trained.status == 0, "\(trained.errors)")
            let found = try report([out, "--paths", "10000"])
            #expect(abs(found.logPartition - log(Double.pi)) < 0.05, "\(found)")
            #expect(found.knownLogPartition.map { abs($0 - log(Double.pi)) < 1e-12 } ?? false)
            let ofSteps = try MetricsTable.read(out + "/metrics.h5").column("log_partition") ?? []
            #expect(abs(ofSteps.suffix(50).reduce(0, +) / 50 - log(Double.pi)) < 0.05)
            let best = try report([out, "--paths", "10000", "--exact"])
            #expect(abs(best.logPartition - log(Double.pi)) < 0.02, "\(best)")
            #expect(found.elbo > best.elbo - 0.08 && found.elbo < best.elbo + 0.03, "\(found), \(best)")
        }
    }

    /// The gradient that a worker leaves is that of half the variance of ℓ in each micro-batch, over batch / M, of paths that
    /// are held: of each tensor along a direction, against finite differences.
    @Test func gradientOfAWorker() throws {
        var configuration = RunConfiguration()
        configuration.method = .dds
        configuration.model.smd = false
        (configuration.model.size, configuration.model.channels) = (1, 2)
        (configuration.batchSize, configuration.microBatchSize) = (8, 4)
        (configuration.paths.steps, configuration.paths.width) = (5, 8)
        let step = StepPlan(
            configuration, try configuration.batchPlan(ranks: 1), .fp32, target: try configuration.openTarget())
        let replica = try Replica(step, threads: 1, communicator: SingleProcess()) { { MicroBatch(paths: $0) } }
        replica.state.initialize(seed: 3)
        let parameters = replica.state.parameters.elements
        // No layer is 0, so that all have a gradient.
        for i in parameters.indices { parameters[i] += 0.1 * sin(Float(i)) }
        try replica.parametersChanged()
        try replica.computeGradients(from: 0, step: 0, probing: false)
        try replica.finishGradients()
        let gradient = replica.state.gradients.read(0..<step.plan.layout.count)

        let sampler = try #require(step.paths)
        let (c, b, s) = (sampler.steps.c, sampler.steps.b, sampler.steps.deviation)
        let held = try (0..<2).map { number in
            try replica.workers[0].pathGenerator().paths(
                at: (0..<4).map { (0, 4 * number + $0) }, seed: 0, .path, keeping: true)
        }
        let plan = ExecutionPlan(configuration.driftNetwork.inferenceGraph(batch: 4), layout: step.plan.layout)
        let executor = try Executor(
            plan, on: CPUBackend(precision: .fp32), parameters: replica.state.parameters)
        try executor.parametersChanged()
        func drifts(_ paths: Paths) throws -> [[Float]] {
            try paths.kept.enumerated().map { k, kept in
                executor.write(PathGenerator.inputs(time: sampler.steps.time(k), x: kept.x, score: kept.score))
                try executor.run()
                return executor.read("output")
            }
        }
        let before = try held.map(drifts)
        func halfVariance() throws -> Double {
            try executor.parametersChanged()
            return try zip(held, before).reduce(0) { sum, pair in
                let (paths, old) = pair
                var costs = paths.costs
                for (k, now) in try drifts(paths).enumerated() {
                    let next = k + 1 < paths.kept.count ? paths.kept[k + 1].x : paths.ends
                    for i in now.indices {
                        func cost(_ f: Float) -> Double {
                            let move = Double(next[i]) - c[k] * Double(paths.kept[k].x[i])
                            return Double(f) * move / (s * s) - b[k] * b[k] * Double(f * f) / (2 * s * s)
                        }
                        costs[i / 2] += cost(now[i]) - cost(old[k][i])
                    }
                }
                let mean = costs.reduce(0, +) / 4
                return sum + costs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 3 / 2 / 2
            }
        }
        let start = Array(parameters)
        for parameter in step.plan.layout.parameters {
            let range = try #require(step.plan.layout.range(parameter.name))
            func slope(_ size: Float) throws -> Double {
                let values = try [size, -size].map { move in
                    for i in range { parameters[i] = start[i] + move * cos(Float(i)) }
                    return try halfVariance()
                }
                for i in range { parameters[i] = start[i] }
                return (values[0] - values[1]) / Double(2 * size)
            }
            // Richardson's extrapolation.
            let difference = try (4 * slope(1e-3) - slope(2e-3)) / 3
            let found = range.reduce(0.0) { $0 + Double(gradient[$1]) * Double(cos(Float($1))) }
            // Beside the gradient's length: its elements may cancel.
            let squares = range.reduce(0.0) { $0 + Double(gradient[$1] * gradient[$1]) }
            let lengths = (squares * Double(range.count) / 2).squareRoot()
            #expect(
                abs(found - difference) < 5e-3 * lengths && lengths > 0.1,
                "\(parameter.name): \(found), \(difference), \(lengths)")
        }
    }

    // MARK: A mixture of a file

    private func mixture(_ folder: String) throws -> String {
        let path = folder + "/ring.h5"
        let made = try smd(["dataset", "prepare", "gaussian-ring", "--count", "50", "--output", path, "-q"])
        try #require(made.status == 0, "\(made.errors)")
        return path
    }

    /// The checkpoint is enough, its figures are the same on any number of ranks, and a sample of a seed is the same among
    /// however many.
    @Test func figuresAndSamplesOfAMixture() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let file = try mixture(folder)
            let settings = Run.density + ["target.kind=mixture", "target.file=\(file)", "steps=2", "dds.steps=48"]
            let trained = try run.trainHere("out", settings: settings)
            try #require(trained.status == 0, "\(trained.errors)")
            try FileManager.default.removeItem(atPath: file)
            let out = run.path("out")
            let figures = ["evaluate", "partition", out, "--paths", "700", "--json", "-q"]
            let alone = try smd(figures)
            #expect(alone.status == 0 && alone.output.contains("Gaussians of "), "\(alone.errors)")
            #expect(try smd(figures, ranks: 2).output == alone.output)
            let exact = try report([out, "--paths", "700", "--exact"])
            #expect(exact.knownLogPartition == 0 && abs(exact.logPartition) < 0.15, "\(exact)")
            for (name, count, ranks) in [("few.h5", 300, 1), ("many.h5", 600, 2)] {
                let drawn = try smd(
                    ["sample", out, "-n", "\(count)", "-o", run.path(name), "--grid", run.path(name + ".png")],
                    ranks: ranks)
                #expect(drawn.status == 0 && drawn.output.contains("\(count) samples"), "\(drawn.errors)")
            }
            func values(_ file: String, _ name: String) throws -> [Double] {
                try HDF5File.open(run.path(file)).root.dataset(name).read(as: Double.self)
            }
            for (name, size) in [("points", 2), ("log_weights", 1)] {
                let (few, many) = (try values("few.h5", name), try values("many.h5", name))
                #expect(few.count == 300 * size && Array(many.prefix(300 * size)) == few && many.count == 600 * size)
            }
            let weights = try values("many.h5", "log_weights")
            #expect(weights.allSatisfy { $0.isFinite } && Set(weights).count == 600)
        }
    }

    /// Another mixture in the file, or another density, is another run: it goes on and says so.
    @Test func anotherDensityIsTold() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let file = try mixture(folder)
            let settings = Run.density + ["target.kind=mixture", "target.file=\(file)"]
            try run.trainHere("out", settings: settings + ["steps=1"])
            let same = try run.trainHere("out", resume: "auto", settings: settings + ["steps=2"])
            #expect(same.status == 0 && !same.errors.contains("warning"), "\(same.errors)")
            let made = try smd(
                [
                    "dataset", "prepare", "gaussian-ring", "--count", "50", "--gaussians", "5", "--output", file, "-f",
                    "-q",
                ])
            try #require(made.status == 0, "\(made.errors)")
            let other = try run.trainHere("out", resume: "auto", settings: settings + ["steps=3"])
            #expect(other.status == 0 && other.errors.contains("with other content"), "\(other.errors)")
            let funnel = try run.trainHere(
                "out", resume: "auto", settings: Run.density + ["target.kind=funnel", "steps=4"])
            #expect(funnel.errors.contains("target.kind (mixture before, funnel now)"), "\(funnel.errors)")
        }
    }

    // MARK: What is refused

    /// One line for each file that is no density.
    @Test func filesThatAreNoDensity() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try Data("no HDF5".utf8).write(to: URL(fileURLWithPath: run.path("text.h5")))
            let ring = try mixture(folder)
            for (kind, file, wanted) in [
                ("mixture", run.path("none.h5"), "no such data set"), ("mixture", run.path("text.h5"), "text.h5"),
                ("prior", run.path("text.h5"), "text.h5"), ("mixture", run.data, "states no mixture"),
                ("prior", ring, "ring.h5"),
            ] {
                let settings = Run.density + ["target.kind=\(kind)", "target.file=\(file)"]
                let result = try run.train(1, run.command("out", settings: settings))
                #expect(result.status == 65 && result.errors.contains(wanted), "\(kind): \(result.errors)")
                #expect(result.errors.split(separator: "\n").count { $0.contains("error:") } == 1)
            }
            let wide = try run.train(
                1,
                run.command(
                    "out", settings: Run.density + ["model.channels=3", "target.kind=mixture", "target.file=\(ring)"]))
            #expect(wide.status == 65 && wide.errors.contains("a mixture in 2 dimensions, but model.channels is 3"))
        }
    }

    @Test func otherCommandsRefuseIt() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("diffusion", settings: ["steps=1", "checkpoint_every=0"])
            try run.trainHere("paths", settings: Run.density + ["target.kind=funnel", "steps=1"])
            let (diffusion, paths) = (run.path("diffusion"), run.path("paths"))
            for (arguments, wanted) in [
                (["evaluate", "partition", diffusion], "no checkpoint of a diffusion sampler"),
                (["evaluate", "partition", paths, "--exact"], "the best drift is known of mixtures alone"),
                (["evaluate", "partition", paths, "--paths", "1"], "--paths is 1; it must be in 2"),
                (["evaluate", "nll", paths, "--data", run.data], "which draws from a density without data"),
                (["sample", paths, "-o", run.path("x.h5"), "--sampler", "ddim"], "leave out --sampler"),
                (["sample", paths, "-o", run.path("x.h5"), "--coarser", paths], "leave out --coarser"),
                (["sample", paths, "-o", run.path("x.h5"), "--label", "3"], "leave out --label and --guidance"),
            ] {
                let result = try smd(arguments)
                #expect(result.status != 0 && result.errors.contains(wanted), "\(arguments): \(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: run.path("x.h5")))
            }
        }
    }

    /// Where a path leaves all numbers behind, the run says which.
    @Test func pathsThatAreNotFinite() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try run.trainHere(
                "out",
                settings: Run.density + ["learning_rate=10", "optimizer.clip_norm=0", "steps=400", "dds.time=50"])
            let names = result.errors.contains(/paths \d+ to \d+: not finite from/)
            #expect(result.status != 0 && names, "\(result.errors)")
            #expect(!result.errors.contains("data set"))
        }
    }

    // MARK: Beside a run

    @Test func plansAndReports() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let settings = Run.density + ["steps=3", "check_ranks_every=1", "preview_every=2"]
            let trained = try run.trainHere("out", ranks: 2, settings: settings)
            #expect(trained.status == 0 && trained.errors.contains("draws no samples"), "\(trained.errors)")
            let found = try run.column("log_partition", "out")
            #expect(found.count == 3 && found.allSatisfy { $0.isFinite })
            // exp is convex: the mean weight is above that of its mean logarithm.
            #expect(zip(found, try run.losses("out")).allSatisfy { $0 > -$1 })
            let (out, set) = (run.path("out"), ["--set"] + Array(settings.map { [$0] }.joined(separator: ["--set"])))
            for (arguments, wanted) in [
                (["plan", run.config] + set, "none: paths towards a density"),
                (["doctor", run.config, "--output", folder] + set, "ten Gaussians, the same on all ranks"),
                (
                    ["bench", "step", "--preset", run.config, "--repeat", "1", "--warmup", "0"] + set,
                    "diffusion sampler"
                ),
                (
                    ["bench", "step", "--preset", run.config, "--repeat", "1", "--warmup", "0", "--profile"] + set,
                    "micro-batches"
                ),
                (["runs", "list", folder], "diffusion sampler"), (["checkpoint", "inspect", out], "dds.steps=6"),
                (["metrics", "show", out], "log_partition"),
                (["metrics", "plot", out, "--output", run.path("metrics.svg")], "metrics.svg"),
                (["report", out, "--output", run.path("report.html")], "report.html"),
                (["checkpoint", "export", out, "--output", run.path("w.safetensors")], "w.safetensors"),
            ] {
                let result = try smd(arguments)
                #expect(result.output.contains(wanted), "\(arguments.prefix(2)): \(result.errors) \(result.output)")
            }
            let load = try smd(["bench", "load", "--preset", run.config] + set)
            #expect(load.errors.contains("draws from a density and has no data"), "\(load.errors)")
        }
    }
}
