import Foundation
import HDF5
import Storage
import TestSupport
import Testing

/// Runs whose forward process moves towards the means of the classes.
@Suite struct ShiftRunTests {
    /// The means are those of the images, and lie in the checkpoint; samples belong to a class each, the same on any ranks.
    @Test func meansAndSamples() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let trained = try run.trainHere(
                "out", settings: Run.shifted + ["steps=2", "preview_every=2", "preview_count=6"])
            #expect(trained.status == 0, "\(trained.errors)")
            let checkpoint = run.checkpoint("out", step: 2)
            let stored = try CheckpointFile(checkpoint).tensor("means", of: "class_means")
            #expect(stored.shape == [3, 8, 8, 1])
            let root = try HDF5File.open(run.data).root
            let pixels = try root.dataset("images").read(as: UInt8.self)
            let labels = try root.dataset("labels").read(as: Int32.self)
            for label in 0..<3 {
                let own = labels.indices.filter { labels[$0] == label }
                for i in 0..<64 {
                    let mean = own.reduce(0.0) { $0 + Double(pixels[$1 * 64 + i]) } / Double(own.count)
                    #expect(abs(Double(stored.values[label * 64 + i]) - (2 * mean / 255 - 1)) < 1e-6)
                }
            }
            func sample(_ ranks: Int, _ name: String, _ arguments: [String]) throws -> [UInt8] {
                let result = try run.train(
                    ranks, [product("smd"), "sample", checkpoint, "-n", "6", "-o", run.path(name)] + arguments)
                #expect(result.status == 0, "\(result.errors)")
                let root = try HDF5File.open(run.path(name)).root
                let wanted: [Int32] = arguments.isEmpty ? [0, 1, 2, 0, 1, 2] : [2, 2, 2, 2, 2, 2]
                #expect(try root.dataset("labels").read(as: Int32.self) == wanted)
                return try root.dataset("images").read(as: UInt8.self)
            }
            let all = try sample(1, "all.h5", [])
            #expect(try sample(2, "two.h5", []) == all)
            let third = try sample(1, "third.h5", ["--label", "2"])
            #expect(third[128..<192] == all[128..<192] && third[0..<64] != all[0..<64])
        }
    }

    /// The network sees the shift: with a mean far from 0 training is another.
    @Test func theShiftIsSeen() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("plain", settings: ["steps=2"])
            for kind in ["prior", "quadratic"] {
                try run.trainHere(kind, settings: ["steps=2", "diffusion.shift=\(kind)"])
                #expect(try run.losses(kind) != run.losses("plain"))
            }
        }
    }

    @Test func refusals() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("out", settings: Run.shifted + ["steps=2"])
            let checkpoint = run.checkpoint("out", step: 2)
            let root = try HDF5File.open(run.data).root
            let images = try root.dataset("images")
            func other(_ name: String, _ labels: [Int32]?) throws -> String {
                let file = try HDF5File.create(run.path(name))
                try file.root.write(images.read(as: UInt8.self), shape: images.shape, to: "images")
                if let labels { try file.root.write(labels, shape: [labels.count], to: "labels") }
                try file.close()
                return run.path(name)
            }
            func refusal(_ data: String, _ settings: [String]) throws -> String {
                let result = try run.trainHere(
                    "out", resume: "auto", settings: Run.shifted + settings + ["data=\(data)", "steps=4"])
                #expect(result.status != 0)
                return result.errors
            }
            let labels = try root.dataset("labels").read(as: Int32.self)
            let turned = try other("turned.h5", labels.map { ($0 + 1) % 3 })
            #expect(try refusal(turned, []).contains("the means of the classes of \(turned) are others"))
            #expect(try refusal(other("none.h5", nil), []).contains("has no labels"))
            #expect(try refusal(run.data, ["diffusion.shift=data"]).contains("set model.classes"))

            // Labels of classes that the means are not of.
            let more = try other("more.h5", labels.map { $0 + 7 })
            for figure in ["spread", "variance", "nll"] {
                let judged = try run.train(1, [product("smd"), "evaluate", figure, checkpoint, "--data", more])
                #expect(
                    judged.status == 65 && judged.errors.contains("with 3 classes labels are wanted"),
                    "\(judged.errors)")
            }

            let average = try run.train(
                1, [product("smd"), "checkpoint", "average", checkpoint, checkpoint, "-o", run.path("a.h5")])
            #expect(average.status == 0, "\(average.errors)")
            let lost = try run.train(
                1, [product("smd"), "sample", run.path("a.h5"), "-n", "2", "-o", run.path("no.h5")])
            #expect(lost.status == 65 && lost.errors.contains("holds no /class_means"), "\(lost.errors)")
        }
    }
}
