import Configuration
import Foundation
import HDF5
import Sampling
import Storage
import TestSupport
import Testing

/// A classifier of noised images that leads a network to a class.
@Suite struct ClassifierGuideTests {
    private static let noised = Run.classifier + ["classifier.noised=true", "steps=2", "learning_rate=0.01"]

    private func sample(
        _ ranks: Int, _ run: Run, _ output: String, _ settings: [String]
    ) throws -> (status: Int32, output: String, errors: String) {
        try run.train(
            ranks,
            [product("smd"), "sample", run.checkpoint("out", step: 2), "--count", "6", "--output", run.path(output)]
                + settings)
    }

    /// The gradient of ln p(y | x_t, t) with respect to x, against central differences of the classifier's own logits.
    @Test func gradientIsTheSlopeOfTheLogarithm() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("noisy", settings: Self.noised)
            let checkpoint = try ClassifierCheckpoint(run.checkpoint("noisy", step: 2), .raw)
            let precision = JobPrecision(.fp32)
            let guide = try ClassifierGuide(checkpoint, scale: 2, batch: 2, precision: precision)
            let classifier = try checkpoint.classifier(precision: precision)
            let x = (0..<128).map { sin(Float($0 * $0 % 97)) }
            let labels: [Float] = [2, 0]
            let gradient = try guide.gradient(xt: x, timestep: 37, labels: labels)
            func logarithms(_ x: [Float]) throws -> Double {
                let logits = try classifier.classify(x, timestep: 37).logits.map(Double.init)
                return (0..<2).reduce(0.0) { sum, n in
                    let own = Array(logits[3 * n..<3 * n + 3])
                    return sum + own[Int(labels[n])] - log(own.reduce(0.0) { $0 + exp($1) })
                }
            }
            let largest = gradient.map { abs(Double($0)) }.max() ?? 0
            #expect(largest > 1e-3)
            for element in stride(from: 0, to: 128, by: 7) {
                let ends = try [Float(0.01), -0.01].map { h in
                    var moved = x
                    moved[element] += h
                    return try logarithms(moved)
                }
                let slope = 2 * (ends[0] - ends[1]) / 0.02
                #expect(abs(slope - Double(gradient[element])) < 0.01 * largest, "\(element): \(slope)")
            }
        }
    }

    /// Of a network that knows classes and of one that does not: same bits on ranks, scale 0 changes nothing, and the classifier
    /// is surer of samples that it guided.
    @Test(arguments: ["ancestral", "ddim"]) func samplesAreGuided(sampler: String) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("noisy", settings: Self.noised)
            try run.trainHere("out", settings: ["steps=2"])
            let options = ["--sampler", sampler, "--steps", "20"]
            let guided = options + ["--classifier", run.path("noisy"), "--label", "2"]
            for (ranks, name, settings) in [
                (1, "plain.h5", options), (1, "none.h5", guided + ["--classifier-scale", "0"]),
                (1, "one.h5", guided + ["--classifier-scale", "30"]),
                (2, "two.h5", guided + ["--classifier-scale", "30"]),
            ] {
                let result = try sample(ranks, run, name, settings)
                #expect(result.status == 0, "\(result.errors)")
            }
            func images(_ name: String) throws -> [UInt8] { try pixels(run.path(name)) }
            #expect(try images("plain.h5") == images("none.h5") && images("one.h5") == images("two.h5"))
            let root = try HDF5File.open(run.path("one.h5")).root
            #expect(try root.dataset("labels").read(as: Int64.self) == [2, 2, 2, 2, 2, 2])
            #expect(try root.attribute("classifier_scale") == .double(30))
            let classifier = try ImageClassifier(checkpoint: run.checkpoint("noisy", step: 2))
            func logarithms(_ name: String) throws -> Double {
                let logits = try classifier.classify(images(name).map { Float($0) / 127.5 - 1 }).logits.map(Double.init)
                return stride(from: 0, to: logits.count, by: 3).reduce(0.0) { sum, first in
                    let own = Array(logits[first..<first + 3])
                    return sum + own[2] - log(own.reduce(0.0) { $0 + exp($1) })
                }
            }
            let (before, after) = (try logarithms("plain.h5"), try logarithms("one.h5"))
            #expect(after > before + 0.1, "\(before), \(after)")
        }
    }

    @Test func classifiersThatCannotGuide() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("out", settings: ["steps=2", "model.classes=3"])
            try run.trainHere("clean", settings: Run.classifier + ["steps=2"])
            try run.trainHere("other", settings: Self.noised + ["diffusion.schedule=cosine"])
            try run.trainHere("longer", settings: Self.noised + ["diffusion.timesteps=90"])
            try run.trainHere("more", settings: Self.noised + ["model.classes=4"])
            for (name, words) in [
                ("clean", "a classifier that guides is trained with classifier.noised=true"),
                ("other", "has diffusion.schedule cosine, the network that it is to guide sigmoid"),
                ("longer", "has diffusion.timesteps 90, the network that it is to guide 100"),
                ("more", "tells 4 classes apart, and the network that it is to guide is told 3"),
                ("out", "is no checkpoint of a classifier"),
            ] {
                let result = try sample(1, run, "no.h5", ["--classifier", run.path(name)])
                #expect(result.status != 0 && result.errors.contains(words), "\(name): \(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: run.path("no.h5")))
            }
        }
    }
}
