import Arrays
import Foundation
import HDF5
import Storage
import TestSupport
import Testing

/// `smd sample` of a network that is told classes.
@Suite struct ClassSampleTests {
    private func sample(_ run: Run, _ output: String, _ settings: [String] = []) throws -> (
        status: Int32, output: String, errors: String
    ) {
        let checkpoint = run.checkpoint("out", step: 2)
        return try run.train(
            1, [product("smd"), "sample", checkpoint, "--count", "5", "--output", run.path(output)] + settings)
    }

    private func read(_ run: Run, _ name: String) throws -> (images: [UInt8], labels: [Int64]) {
        let root = try HDF5File.open(run.path(name)).root
        return (try root.dataset("images").read(as: UInt8.self), try root.dataset("labels").read(as: Int64.self))
    }

    /// All classes in turn, or one; a sample depends on its class, and the label lies beside it.
    @Test(arguments: [Run.adm, Run.classes]) func classesAreDrawn(settings: [String]) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let trained = try run.trainHere(
                "out", settings: settings + ["steps=2", "learning_rate=0.1", "ema.start=1000", "preview_every=2"])
            #expect(trained.status == 0, "\(trained.errors)")
            for (name, label) in [("all.h5", nil), ("ones.h5", "1"), ("twos.h5", "2")] {
                let result = try sample(run, name, label.map { ["--label", $0] } ?? [])
                #expect(result.status == 0, "\(result.errors)")
            }
            let (all, ones, twos) = (try read(run, "all.h5"), try read(run, "ones.h5"), try read(run, "twos.h5"))
            #expect(all.labels == [0, 1, 2, 0, 1] && ones.labels == [1, 1, 1, 1, 1])
            func image(_ set: (images: [UInt8], labels: [Int64]), _ k: Int) -> ArraySlice<UInt8> {
                set.images[64 * k..<64 * (k + 1)]
            }
            #expect(image(all, 1) == image(ones, 1) && image(all, 2) == image(twos, 2))
            #expect(image(ones, 0) != image(twos, 0))
            let array = try sample(run, "all.npz", [])
            #expect(array.status == 0, "\(array.errors)")
            let labels = try NPYReader(path: run.path("all.npz"), member: "arr_1")
            #expect(try labels.numbers(labels.bytes(5)) == [0, 1, 2, 0, 1])
        }
    }

    /// Estimates of x_0 are those given the class of each sample: other classes, other figures; none, a refusal.
    @Test(arguments: ["spread", "variance"]) func estimatesAreToldTheClass(figure: String) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("out", settings: Run.classes + ["steps=4", "learning_rate=0.1"])
            func evaluated(_ data: String) throws -> (status: Int32, output: String, errors: String) {
                try run.train(
                    1,
                    [
                        product("smd"), "evaluate", figure, run.checkpoint("out", step: 4), "--data", data, "--json",
                        "--weights", "raw",
                    ])
            }
            func labelled(_ name: String, _ labels: (([Int32]) -> [Int32])?) throws -> String {
                let root = try HDF5File.open(run.data).root
                let images = try root.dataset("images")
                let file = try HDF5File.create(run.path(name))
                try file.root.write(images.read(as: UInt8.self), shape: images.shape, to: "images")
                if let labels {
                    let own = try root.dataset("labels").read(as: Int32.self)
                    try file.root.write(labels(own), shape: [own.count], to: "labels")
                }
                try file.close()
                return run.path(name)
            }
            func figures(_ data: String) throws -> String {
                let result = try evaluated(data)
                #expect(result.status == 0, "\(result.errors)")
                return result.output.replacingOccurrences(of: data, with: "")
            }
            let same = try figures(labelled("same.h5") { $0 })
            #expect(try same == figures(run.data))
            #expect(try same != figures(labelled("other.h5") { [$0[0]] + $0.dropFirst().map { ($0 + 1) % 3 } }))
            let none = try evaluated(labelled("none.h5", nil))
            #expect(none.status == 65 && none.errors.contains("has no labels"), "\(none.errors)")
        }
    }

    @Test func classesThatAreNotThere() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("out", settings: Run.adm + ["steps=2"])
            func refusal(_ settings: [String]) throws -> String {
                let result = try sample(run, "no.h5", settings)
                #expect(result.status != 0 && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: run.path("no.h5")))
                return result.errors
            }
            #expect(try refusal(["--label", "3"]).contains("--label is 3, wanted 0 ... 2, or all"))
            #expect(try refusal(["--label", "boot"]).contains("--label is boot, which is no number, and no name"))
            try FileManager.default.createDirectory(atPath: folder + "/plain", withIntermediateDirectories: true)
            let plain = try Run(in: folder + "/plain")
            try plain.trainHere("out", settings: ["steps=2"])
            let result = try sample(plain, "no.h5", ["--label", "1"])
            #expect(result.status != 0 && result.errors.contains("the network knows no classes"), "\(result.errors)")
            let learned = try sample(plain, "no.h5", ["--set", "diffusion.variance=learned"])
            #expect(learned.status != 0 && learned.errors.contains("says nothing of it"), "\(learned.errors)")
        }
    }
}
