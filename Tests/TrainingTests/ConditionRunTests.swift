import Configuration
import DataSets
import Diffusion
import Foundation
import HDF5
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
            for (x, y) in zip(samples.x0, y) { #expect(abs((x + 1) / 2 * 127.5 + 64 - (y + 1) * 127.5) < 1) }
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

    /// A sample belongs to its number and its condition: not to the number of ranks, nor to other conditions.
    @Test(arguments: ["0", "0.5"]) func samplesFromConditions(speed: String) throws {
        try withTemporaryDirectory { folder in
            let run = try trained(folder, ["condition.speed=\(speed)", "condition.score=\(speed != "0")"])
            for kind in ["raw", "ema"] {
                let picture = try Data(contentsOf: URL(filePath: run.path("out/samples/step-00000002-\(kind).png")))
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
                (0..<9).reduce(0) { sum, k in
                    let squares = (k * 64..<(k + 1) * 64).reduce(0.0) {
                        $0 + pow(Double(found[$1]) - Double(clean[$1]), 2)
                    }
                    return sum + 10 * log10(255 * 255 / (squares / 64)) / 9
                }
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
            let restored = try smd(1, ["restore", run.path("out"), "--data", run.data, "-o", run.path("no.h5")])
            #expect(restored.status != 0 && restored.errors.contains("draws from images"), "\(restored.errors)")
        }
    }
}
