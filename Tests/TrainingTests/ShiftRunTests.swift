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

    /// What is trained with the network begins at nothing, lies among the weights, where averaging and exchange keep it, and is
    /// what samples are drawn with, the same on any ranks.
    @Test func aTrainedShift() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let settings = Run.shiftedByTable + ["steps=2", "learning_rate=0.01", "preview_every=2", "preview_count=6"]
            let trained = try run.trainHere("out", settings: settings)
            #expect(trained.status == 0, "\(trained.errors)")
            let checkpoint = run.checkpoint("out", step: 2)
            let file = try CheckpointFile(checkpoint)
            let table = try file.tensor("shift_table.weight", of: "parameters")
            #expect(table.shape == [64, 3] && table.values.allSatisfy { abs($0) <= 0.021 })
            #expect(table.values.count { $0 != 0 } > 180 && file.tensors("class_means").isEmpty)
            func smd(_ ranks: Int, _ arguments: [String]) throws {
                let result = try run.train(ranks, [product("smd")] + arguments)
                #expect(result.status == 0, "\(result.errors)")
            }
            func samples(_ source: String, _ name: String, ranks: Int = 1) throws -> [UInt8] {
                try smd(
                    ranks, ["sample", source, "-n", "6", "-o", run.path(name), "--weights", "raw"])
                return try HDF5File.open(run.path(name)).root.dataset("images").read(as: UInt8.self)
            }
            let few = try run.trainHere("few", settings: settings + ["diffusion.shift_classes=2"])
            #expect(few.status != 0 && few.errors.contains("or diffusion.shift_classes=3"), "\(few.errors)")
            let all = try samples(checkpoint, "all.h5")
            #expect(try samples(checkpoint, "two.h5", ranks: 2) == all)
            try smd(1, ["checkpoint", "export", checkpoint, "--weights", "raw", "-o", run.path("w.safetensors")])
            try smd(1, ["checkpoint", "import", run.path("w.safetensors"), "-o", run.path("back.h5")])
            #expect(try samples(run.path("back.h5"), "back-samples.h5") == all)
            try smd(1, ["checkpoint", "average", checkpoint, checkpoint, "-o", run.path("a.h5")])
            try smd(1, ["sample", run.path("a.h5"), "-n", "2", "-o", run.path("average.h5")])
        }
    }

    /// Towards the classes of a file: its means, whatever the data's are; it must have each class.
    @Test func theMeansOfAFile() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            func file(_ name: String, _ labels: [Int32], size: Int = 8) throws -> String {
                let file = try HDF5File.create(run.path(name))
                let pixels = labels.flatMap { [UInt8](repeating: UInt8($0) * 51, count: size * size) }
                try file.root.write(pixels, shape: [labels.count, size, size, 1], to: "images")
                try file.root.write(labels, shape: [labels.count], to: "labels")
                try file.close()
                return run.path(name)
            }
            let settings = Run.shifted + ["diffusion.shift_by=file", "steps=2"]
            let path = try file("means.h5", [2, 0, 1])
            let trained = try run.trainHere("out", settings: settings + ["diffusion.shift_file=\(path)"])
            #expect(trained.status == 0, "\(trained.errors)")
            let stored = try CheckpointFile(run.checkpoint("out", step: 2)).tensor("means", of: "class_means")
            for label in 0..<3 {
                #expect(
                    stored.values[label * 64..<label * 64 + 64].allSatisfy { abs($0 - (0.4 * Float(label) - 1)) < 1e-6 }
                )
            }
            for (other, said) in [
                (try file("two.h5", [0, 2, 2]), "no image of class 1"),
                (
                    try file("four.h5", [0, 1, 2, 3]),
                    "label of sample 3 is 3; with 3 classes labels are wanted in 0 ... 2"
                ),
                (try file("large.h5", [0, 1, 2], size: 16), "prepare it at the same size"),
                (run.path("none.h5"), "none.h5"),
            ] {
                let refused = try run.trainHere("no", settings: settings + ["diffusion.shift_file=\(other)"])
                #expect(refused.status != 0 && refused.errors.contains(said), "\(refused.errors)")
                #expect(!FileManager.default.fileExists(atPath: run.path("no/checkpoints")))
            }
            // The means are those of the checkpoint: another file is no setting of a sampler.
            let sampled = try run.train(
                1,
                [product("smd"), "sample", run.path("out"), "-n", "2", "-o", run.path("no.h5"), "--set"]
                    + ["diffusion.shift_file=\(run.data)"])
            #expect(sampled.status != 0 && sampled.errors.contains("diffusion.shift_file"), "\(sampled.errors)")
            let turned = try file("turned.h5", [0, 1, 2, 2])
            let same = try run.trainHere(
                "out", resume: "auto", settings: settings + ["diffusion.shift_file=\(turned)", "steps=3"])
            #expect(same.status == 0, "the same means in another file: \(same.errors)")
            let changed = try run.trainHere(
                "out", resume: "auto", settings: settings + ["diffusion.shift_file=\(run.data)", "steps=4"])
            #expect(changed.status != 0 && changed.errors.contains("of \(run.data) are others"), "\(changed.errors)")
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
