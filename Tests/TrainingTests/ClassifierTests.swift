import Configuration
import Foundation
import HDF5
import Sampling
import Storage
import StorageSupport
import TestSupport
import Testing
import Training

/// What is particular to `method: classifier`; what holds for any run is tested beside that of the others.
@Suite struct ClassifierTests {
    /// Images that are darker, or lighter, on the left, the top, or nowhere: to be told apart by their look.
    ///
    /// - Parameter kinds: how many of them there are.
    private func writeKinds(to path: String, count: Int, labels: Bool = true, kinds: Int = 3) throws {
        var pixels: [UInt8] = []
        for image in 0..<count {
            for place in 0..<64 {
                let kind = image % kinds
                let bright = kind == 0 ? place % 8 < 4 : kind == 1 ? place < 32 : true
                pixels.append(UInt8((bright ? 200 : 40) + (image * 7 + place * 3) % 30))
            }
        }
        let file = try HDF5File.create(path, overwrite: true)
        try file.root.write(pixels, shape: [count, 8, 8, 1], to: "images")
        if labels { try file.root.write((0..<count).map { Int32($0 % 3) }, shape: [count], to: "labels") }
        try file.close()
    }

    private func evaluate(_ ranks: Int, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String)
    {
        let command = [product("smd"), "evaluate", "classifier"] + arguments
        return ranks == 1 ? try run(command, timeout: 60) : try mpirun(ranks, command, timeout: 60)
    }

    private static let settings = Run.classifier + ["steps=60", "learning_rate=3e-3", "diffusion.flip=false"]

    /// Trained, it knows images that it has not seen; the same numbers on any number of ranks, and those that follow from
    /// the logits one by one.
    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)")) func trainedClassifierKnowsOtherImages() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try writeKinds(to: run.data, count: 40)
            let trained = try run.trainHere("out", settings: Self.settings)
            try #require(trained.status == 0, "\(trained.errors)")
            let losses = try run.losses("out")
            #expect(abs(losses[0] - log(3)) < 0.5 && losses[59] < 0.1, "\(losses)")
            let test = run.path("test.h5")
            try writeKinds(to: test, count: 77)
            let alone = try evaluate(1, [run.path("out"), "--data", test, "--json"])
            try #require(alone.status == 0, "\(alone.errors)")
            let report = try JSONDecoder().decode(Report.self, from: Data(alone.output.utf8))
            #expect(report.images == 77 && report.accuracy == 1 && report.crossEntropy < 0.1)
            #expect(report.confusion == [[26, 0, 0], [0, 26, 0], [0, 0, 25]])
            for ranks in [2, 3] {
                let other = try evaluate(ranks, [run.path("out"), "--data", test, "--json"])
                #expect(other.output == alone.output, "\(ranks): \(other.errors)")
            }
            let text = try evaluate(1, [run.path("out"), "--data", test, "--weights", "raw"])
            #expect(text.output.contains("accuracy       100.00 % ± 0.00 %\n"), "\(text.output)")
            #expect(text.output.contains("\n  2 2        25  100.00 %     0     0    25"), "\(text.output)")

            // With other labels it is wrong.
            try Run.writeImages(to: test, count: 9, labels: (0..<9).map { Int32($0 % 3) })
            let noise = try evaluate(1, [run.path("out"), "--data", test, "--json"])
            #expect(try JSONDecoder().decode(Report.self, from: Data(noise.output.utf8)).accuracy < 1)
        }
    }

    private struct Report: Decodable {
        let images: Int
        let accuracy: Double
        let crossEntropy: Double
        let confusion: [[Int]]
        enum CodingKeys: String, CodingKey {
            case images, accuracy, confusion
            case crossEntropy = "cross_entropy"
        }
    }

    /// `smd evaluate images` by the features of a classifier, with the images of each class: the same on any number of ranks,
    /// and from statistics.
    @Test func imagesAreComparedByClasses() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try writeKinds(to: run.data, count: 96)
            try run.trainHere("out", settings: Self.settings)
            // Two of the three kinds.
            let (samples, statistics) = (run.path("samples.h5"), run.path("data.npz"))
            try writeKinds(to: samples, count: 60, labels: false, kinds: 2)
            func compare(_ ranks: Int, _ data: String, _ more: String...) throws -> String {
                let command =
                    [product("smd"), "evaluate", "images", samples, "--against", data, "--features"]
                    + ["classifier:" + run.path("out"), "--only", "frechet"] + more
                let result = try ranks == 1 ? TestSupport.run(command, timeout: 60) : mpirun(ranks, command)
                #expect(result.status == 0, "\(result.errors)")
                return result.output
            }
            let whole = try compare(1, run.data, "--json", "--save-statistics", statistics)
            #expect(try compare(2, run.data, "--json") == whole)
            let found = try JSONDecoder().decode(ImagesReport.self, from: Data(whole.utf8))
            #expect(found.features.name == "classifier:60" && found.features.dimension == 16)
            #expect(found.features.digest == (try CheckpointFile(run.checkpoint("out", step: 60)).digest))
            #expect(found.classes.map(\.samples) == [30, 30, 0] && found.classes.map(\.data) == [32, 32, 32])
            let distance = try #require(found.figures["class_total_variation"]?.value)
            #expect(abs(distance - 1.0 / 3) < 1e-12)
            let short = try JSONDecoder().decode(
                ImagesReport.self, from: Data(try compare(1, statistics, "--json").utf8))
            #expect(short.classes.map(\.data) == [32, 32, 32] && short.figures == found.figures)
            let text = try compare(1, run.data)
            #expect(text.contains("Fréchet distance (classifier:60)") && text.contains("total variation of classes"))
            #expect(text.contains(/\n  2 +0 +0\.0 % +32 +33\.3 %\n/), "\(text)")

            let wide = run.path("wide.h5")
            let file = try HDF5File.create(wide)
            try file.root.write([UInt8](repeating: 9, count: 40 * 32), shape: [40, 4, 8, 1], to: "images")
            try file.close()
            for (set, against, argument, words) in [
                (wide, wide, run.path("out"), "holds 4×8×1 images, the classifier"),
                (samples, run.data, run.path("absent"), "there is no checkpoint, nor the folder of a run"),
                (samples, run.data, run.data, "images.h5"),
            ] {
                let command = ["evaluate", "images", set, "--against", against, "--features", "classifier:" + argument]
                let result = try TestSupport.run([product("smd")] + command, timeout: 60)
                #expect(result.status == 65 && result.output.isEmpty && result.errors.contains(words), "\(result)")
                #expect(result.errors.split(separator: "\n").filter { $0.hasPrefix("smd: error:") }.count == 1)
            }
        }
    }

    private struct ImagesReport: Decodable {
        struct Features: Decodable { let name, digest: String, dimension: Int }
        struct Figure: Decodable, Equatable { let value: Double? }
        struct Class: Decodable { let samples, data: Int }
        let features: Features
        let figures: [String: Figure]
        let classes: [Class]
    }

    /// Logits are the linear function of the features that the checkpoint holds, and belong to the image alone.
    @Test func logitsFollowFromFeatures() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("out", settings: Run.classifier + ["steps=2"])
            let path = run.checkpoint("out", step: 2)
            let classifier = try ImageClassifier(checkpoint: path)
            #expect(classifier.model.classes == 3 && classifier.model.features == 16)
            let images: [Float] = (0..<70 * 64).map { (place: Int) in Float(place * 37 % 201) / 100 - 1 }
            var done: [Int] = []
            let (features, logits) = try classifier.classify(images) { done.append($0) }
            #expect(features.count == 70 * 16 && logits.count == 70 * 3)
            #expect(done == [32, 64, 70] && classifier.batch == 32)
            let ema = try Checkpoint.read(path)["ema"]
            let weight = try #require(ema.first { $0.name == "classifier.head.weight" }).values
            let bias = try #require(ema.first { $0.name == "classifier.head.bias" }).values
            for image in 0..<70 {
                for k in 0..<3 {
                    var sum = Double(bias[k])
                    for f in 0..<16 { sum += Double(weight[k * 16 + f]) * Double(features[image * 16 + f]) }
                    #expect(abs(sum - Double(logits[image * 3 + k])) < 1e-5)
                }
            }
            let alone = try classifier.classify(Array(images[69 * 64..<70 * 64]))
            #expect(alone.features == Array(features.suffix(16)) && alone.logits == Array(logits.suffix(3)))
        }
    }

    /// The number of classes comes from the labels, and is kept in the checkpoint.
    @Test func classesAreThoseOfTheLabels() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 5)
            let result = try run.trainHere("out", settings: Run.classifier + ["steps=1", "preview_every=1"])
            #expect(result.errors.contains("method classifier draws no samples: preview_every does nothing"))
            let previews = try? FileManager.default.contentsOfDirectory(atPath: run.path("out/previews"))
            #expect((previews ?? []).isEmpty)
            let file = try CheckpointFile(run.checkpoint("out", step: 1))
            #expect(try RunConfiguration(json: file.header.config).model.classes == 5)
            // 0 and 5 are the same here; 7 has another head.
            let again = try run.trainHere("out", resume: "auto", settings: Run.classifier + ["model.classes=5"])
            #expect(again.status == 0, "\(again.errors)")
            let more = try run.trainHere(
                "out", resume: "auto", settings: Run.classifier + ["model.classes=7", "steps=9"])
            #expect(more.errors.contains("another model.classes (5 before, 7 now)"), "\(more.errors)")
            let fewer = try run.trainHere("few", settings: Run.classifier + ["model.classes=4"])
            #expect(fewer.status == 65 && fewer.errors.contains("with 4 classes labels are wanted in 0 ... 3"))
        }
    }

    /// Other labels are other data, though the images are the same.
    @Test func otherLabelsAreNoticed() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("out", settings: Run.classifier + ["steps=1"])
            try Run.writeImages(to: run.data, count: 40, labels: (0..<40).map { Int32($0 / 2 % 3) })
            let result = try run.trainHere("out", resume: "auto", settings: Run.classifier)
            #expect(result.errors.contains("with other content"), "\(result.errors)")
        }
    }

    /// Neither a data set without labels nor a checkpoint of the other kind will do: one line, and a status.
    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)")) func whatDoesNotFitIsRefused() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            func expectLine(_ result: (status: Int32, output: String, errors: String), _ words: String...) {
                #expect(result.status == 65 && errorLines(result.errors).count == 1, "\(result.errors)")
                for word in words { #expect(result.errors.contains(word), "\(result.errors)") }
            }
            expectLine(try run.train(2, run.command("c", settings: Run.classifier)), "images.h5: has no labels")
            try run.trainHere("diffusion", settings: ["steps=1"])
            expectLine(
                try evaluate(1, [run.path("diffusion"), "--data", run.data]), "is no checkpoint of a classifier")
            let unlike = try run.train(1, run.command("diffusion", resume: "auto", settings: Run.classifier))
            expectLine(unlike, "has no labels")
            let path = run.path("labelled.h5")
            try writeKinds(to: path, count: 40)
            let data = ["data=\(path)"]
            expectLine(
                try run.train(1, run.command("diffusion", resume: "auto", settings: Run.classifier + data)),
                "another", "method (diffusion before, classifier now)")
            try run.trainHere("classifier", settings: Run.classifier + data + ["steps=1"])
            expectLine(
                try evaluate(2, [run.path("classifier"), "--data", run.data]), "images.h5: has no labels")
            let sample = [product("smd"), "sample", run.path("classifier"), "--output", run.path("x.h5")]
            expectLine(try TestSupport.run(sample, timeout: 60), "is the checkpoint of a classifier, which draws no")
            let bench = [product("smd"), "bench", "sample", "--preset", "classifier-fashion"]
            expectLine(try TestSupport.run(bench, timeout: 60), "method is classifier, which draws no samples")
            let plan = ["plan", run.config, "--json"] + (Run.classifier + data).flatMap { ["--set", $0] }
            #expect(try TestSupport.run([product("smd")] + plan, timeout: 60).status == 0)
        }
    }
}
