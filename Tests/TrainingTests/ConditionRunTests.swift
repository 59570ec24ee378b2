import CPUBackend
import Configuration
import DataSets
import Diffusion
import Foundation
import HDF5
import NeuralNetwork
import Philox
import Sampling
import TestSupport
import Testing
import Training

/// Runs that are shown conditions, and samples drawn from some.
@Suite struct ConditionRunTests {
    private func smd(_ ranks: Int, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let command = [product("smd")] + arguments
        return try ranks == 1 ? TestSupport.run(command, timeout: 120) : mpirun(ranks, command)
    }

    private func images(_ path: String) throws -> [UInt8] {
        try HDF5File.open(path).root.dataset("images").read(as: UInt8.self)
    }

    /// A run of two steps from pairs, with previews.
    private func trained(_ folder: String, _ settings: [String] = []) throws -> Run {
        let run = try Run(in: folder, classes: 3, conditions: true)
        let result = try run.trainHere(
            "out",
            settings: Run.conditioned + ["steps=2", "preview_every=2", "preview_count=5", "learning_rate=0.05"]
                + settings)
        #expect(result.status == 0, "\(result.errors)")
        return run
    }

    /// y_t and what is estimated of it, by the formula, from draws of their own; beside the target of x_t, pixel by pixel.
    @Test func aMicroBatch() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, conditions: true)
            let configuration = try RunConfiguration.load(
                path: run.config, overrides: ["data=\(run.data)", "diffusion.flip=true"] + Run.conditioned)
            var stream = SampleStream(try DataSet(path: run.data), configuration)
            let samples = try stream.read(3..<5)
            let y = try #require(samples.conditions)
            // The condition of this set is its image at half the contrast: so it is after a flip.
            for (x, y) in zip(samples.x0, y) {
                let (image, condition) = ((Double(x) + 1) * 127.5, (Double(y) + 1) * 127.5)
                #expect(abs(64 + image / 2 - condition) < 1)
            }
            let batch = MicroBatch(samples, configuration.trainingLoss, seed: 5)
            let noise = Draw("any", .conditionNoise, .normal, elements: 64).values(seed: 5, at: samples.places)
            let process = ForwardProcess(configuration.diffusion)
            let yt = try #require(batch.conditions)
            let target = try #require(batch.inputs["target"])
            #expect(target.count == 256)
            for i in 0..<128 {
                let t = batch.timesteps[i / 64]
                let b = 1 - 0.25 * (1 - process.schedule.alphaBars[t])
                let wanted = b.squareRoot() * Double(y[i]) + (1 - b).squareRoot() * Double(noise[i])
                #expect(abs(Double(yt[i]) - wanted) < 1e-6)
                let v = b.squareRoot() * Double(noise[i]) - (1 - b).squareRoot() * Double(y[i])
                #expect(abs(Double(target[2 * i + 1]) - v) < 1e-6)
                let ofX = process.objective.x0(alphaBar: process.schedule.alphaBars[t])
                let x0 = ofX.xt * Double(batch.xt[i]) + ofX.output * Double(target[2 * i])
                #expect(abs(x0 - Double(samples.x0[i])) < 1e-4)
            }
        }
    }

    /// Windows and mirror images are the same of both.
    @Test func bothAreCroppedAndMirroredAlike() throws {
        try withTemporaryDirectory { folder in
            let path = folder + "/a.h5"
            let file = try HDF5File.create(path)
            let pixels = (0..<4 * 30).map { UInt8($0) }
            try file.root.write(pixels, shape: [4, 5, 6, 1], to: "images")
            try file.root.write(pixels, shape: [4, 5, 6], to: "conditions")
            try file.close()
            var stream = SampleStream(
                try DataSet(path: path),
                try RunConfiguration.load(
                    text: "{}", name: "test",
                    overrides: [
                        "data=\(path)", "crop=random", "model.size=3", "model.channels=1", "model.condition_channels=1",
                    ]))
            let samples = try stream.read(0..<200)
            #expect(samples.conditions == samples.x0)
            let (mirrored, plain) = (0..<200).reduce(into: (0, 0)) {
                if samples.x0[9 * $1] > samples.x0[9 * $1 + 1] { $0.0 += 1 } else { $0.1 += 1 }
            }
            #expect(mirrored > 50 && plain > 50)
        }
    }

    /// Every sampler shows the network another y_t at each evaluation, keyed by sample and evaluation; of an output for both
    /// the share of x counts. Identifier and U-Net see y_t.
    @Test(arguments: SamplerKind.allCases, [true, false]) func anotherNoiseAtEachEvaluation(
        kind: SamplerKind, score: Bool
    ) throws {
        var model = ModelConfiguration()
        (model.size, model.channels, model.latentDim, model.selfCondition) = (4, 1, 4, true)
        (model.conditionChannels, model.conditionScore) = (2, score)
        (model.unet.dim, model.unet.dimMults, model.unet.groups) = (8, [1, 2], 2)
        (model.unet.heads, model.unet.headDim) = (2, 4)
        (model.identifier.dim, model.identifier.dimMults, model.identifier.headDim) = (4, [1], 4)
        let generator = try SampleGenerator(model, batch: 3, on: CPUBackend())
        try generator.load { layout, arena in
            for (name, inputs) in [("identifier.init_conv.weight", 4), ("model.init_conv.weight", 4)] {
                // x_t and y_t, and η or the estimate that is fed back.
                #expect(layout.parameters.first { $0.name == name }?.shape[1] == inputs, "\(name)")
            }
            let values = RandomStream(seed: 4, purpose: .data).normals(count: layout.count, epoch: 1, position: 0)
            arena.write(values.map { 0.1 * $0 }, at: 0)
        }
        var diffusion = DiffusionConfiguration()
        (diffusion.timesteps, diffusion.samplingSteps, diffusion.sampler) = (100, 5, kind)
        (diffusion.clipDenoised, diffusion.conditionSpeed) = (false, 0.6)
        func numbers(_ purpose: Purpose, _ count: Int, _ round: Int) -> [Float] {
            let stream = RandomStream(seed: 9, purpose: purpose)
            return (0..<3).flatMap { stream.normals(count: count, epoch: round, position: $0) }
        }
        let y = numbers(.data, 32, 7)
        var hooks = SamplingHooks()
        hooks.conditions = { _ in y }
        let found = try generator.samples(0..<3, seed: 9, sampler: Sampler(diffusion), hooks: hooks)
        var evaluation = 0
        let wanted = try Sampler(diffusion).sample(
            from: numbers(.sampling, 16, 0), usesEta: true, selfCondition: true,
            predict: { x, t, eta, estimate in
                let yt = ForwardProcess(diffusion).noisedConditions(
                    y, noise: numbers(.samplingCondition, 32, evaluation), timesteps: [t, t, t]
                ).yt
                evaluation += 1
                let output = try generator.predict(
                    xt: x, timesteps: [t, t, t], eta: eta, selfCondition: estimate, conditions: yt)
                #expect(output.count == 48)
                return output
            },
            draw: { number, which in
                switch which {
                case .eta: numbers(.samplingEta, 16, number)
                case .noise: numbers(.sampling, 16, number + 1)
                }
            })
        #expect(found == wanted && evaluation == Sampler(diffusion).evaluations)
    }

    /// A sample belongs to its number and its condition: not to the number of ranks, nor to other conditions.
    @Test(arguments: ["0", "0.5"]) func samplesFromConditions(speed: String) throws {
        try withTemporaryDirectory { folder in
            let run = try trained(folder, ["condition.speed=\(speed)", "condition.score=\(speed != "0")"])
            for kind in ["raw", "ema"] {
                let picture = try Data(contentsOf: URL(filePath: run.path("out/previews/step-00000002-\(kind).png")))
                #expect(picture.count > 100)
            }
            func sampled(_ ranks: Int, _ name: String, _ conditions: String, _ more: [String] = []) throws -> [UInt8] {
                let result = try smd(
                    ranks,
                    ["sample", run.path("out"), "--conditions", conditions, "-o", run.path(name), "--weights", "raw"]
                        + more)
                #expect(result.status == 0, "\(result.errors)")
                return try images(run.path(name))
            }
            let all = try sampled(1, "all.h5", run.data)
            #expect(all.count == 40 * 64)
            #expect(try sampled(2, "two.h5", run.data) == all)
            #expect(try sampled(1, "few.h5", run.data, ["-n", "5", "--batch", "3"])[...] == all[..<320])
            // Images alone are conditions, too: the same, but for the second.
            var conditions = try HDF5File.open(run.data).root.dataset("conditions").read(as: UInt8.self)
            for i in 64..<128 { conditions[i] = 255 - conditions[i] }
            let file = try HDF5File.create(run.path("other.h5"))
            try file.root.write(conditions, shape: [40, 8, 8, 1], to: "images")
            try file.close()
            let others = try sampled(1, "others.h5", run.path("other.h5"))
            let changed = (0..<40).filter { others[$0 * 64..<($0 + 1) * 64] != all[$0 * 64..<($0 + 1) * 64] }
            #expect(changed == [1])
        }
    }

    /// How near samples are to the images that belong to the conditions.
    @Test func figures() throws {
        try withTemporaryDirectory { folder in
            let run = try trained(folder)
            let result = try smd(
                1,
                [
                    "sample", run.path("out"), "--conditions", run.data, "--clean", run.data, "-n", "9", "-o",
                    run.path("a.h5"),
                ])
            #expect(result.status == 0, "\(result.errors)")
            let clean = try images(run.data)
            func ratio(_ found: [UInt8]) -> Double {
                var sum = 0.0
                for k in 0..<9 {
                    let squares = (0..<64).map { pow(Double(found[k * 64 + $0]) - Double(clean[k * 64 + $0]), 2) }
                    let mean = squares.reduce(0, +) / 64
                    sum += 10 * log10(255 * 255 / mean)
                }
                return sum / 9
            }
            let conditions = try HDF5File.open(run.data).root.dataset("conditions").read(as: UInt8.self)
            for (name, found) in [("samples", try images(run.path("a.h5"))), ("conditions", conditions)] {
                let line = result.output.split(separator: "\n").first { $0.contains(name) && !$0.contains(".h5") }
                let number = line?.split(separator: " ").dropFirst().first.flatMap { Double($0) }
                #expect(abs((number ?? 0) - ratio(found)) < 0.01, "\(result.output)")
            }
        }
    }

    @Test func refusals() throws {
        try withTemporaryDirectory { folder in
            let run = try trained(folder)
            func training(_ run: Run, _ settings: [String]) throws -> String {
                let result = try run.trainHere("no", settings: ["steps=1"] + settings)
                #expect(result.status != 0)
                return result.errors
            }
            try withTemporaryDirectory { other in
                let plain = try Run(in: other, classes: 3)
                #expect(
                    try training(plain, Run.conditioned).contains(
                        "holds 8×8×1 images, but model.condition_channels is 1"))
                let latents = try Run(latentsIn: other)
                #expect(
                    try training(latents, Run.ofLatents + Run.conditioned).contains("model.condition_channels is 1"))
                try plain.trainHere("out", settings: ["steps=1"])
                let given = try smd(
                    1, ["sample", plain.path("out"), "--conditions", run.data, "-o", run.path("no.h5")])
                #expect(given.status == 65 && given.errors.contains("leave out --conditions"), "\(given.errors)")
            }
            #expect(try training(run, ["condition.speed=0.5"]).contains("set model.condition_channels"))
            #expect(try training(run, ["condition.speed=1.5"]).contains("it must be in 0 ... 1"))
            #expect(
                try training(run, ["model.condition_channels=3"]).contains("set it to the channels of its /conditions"))
            #expect(
                try training(run, Run.classifier + ["model.condition_channels=1"]).contains(
                    "a classifier is shown no conditions"))
            let again = try run.trainHere(
                "out", resume: "auto", settings: Run.conditioned + ["steps=3", "condition.speed=0.25"])
            #expect(again.status != 0 && again.errors.contains("condition.speed"), "\(again.errors)")

            func sampling(_ arguments: [String]) throws -> String {
                let result = try smd(1, ["sample", run.path("out"), "-o", run.path("no.h5")] + arguments)
                #expect(result.status != 0 && !FileManager.default.fileExists(atPath: run.path("no.h5")))
                return result.errors
            }
            #expect(try sampling([]).contains("draws from images: smd sample"))
            #expect(try sampling(["--clean", run.data]).contains("--conditions, which is missing"))
            #expect(try sampling(["--conditions", run.data, "-n", "41"]).contains("fewer than the 41 of --count"))
            let restored = try smd(
                1, ["restore", run.path("out"), "--data", run.data, "--task", "none", "-o", run.path("no.h5")])
            #expect(restored.status != 0 && restored.errors.contains("draws from images"), "\(restored.errors)")
        }
    }
}
