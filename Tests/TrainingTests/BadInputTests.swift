import Foundation
import HDF5
import TestSupport
import Testing

/// The lines of `text` that tell of an error of ours; mpirun adds its own around them.
func errorLines(_ text: String) -> [Substring] {
    text.split(separator: "\n").filter { $0.contains("error:") }
}

/// Bad input of every kind: one clear line, and a non-zero exit of the whole job; on one rank and on two.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct BadInputTests {
    private func expectError(
        ranks: Int, status: Int32 = 65, mentions: [String], _ settings: String...,
        prepare: (Run) throws -> Void = { _ in }
    ) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try prepare(run)
            let command = run.command("out") + settings.flatMap { ["--set", $0] }
            let result = try run.train(ranks, command)
            #expect(result.status == status)
            let lines = errorLines(result.errors)
            #expect(lines.count == 1, "\(result.errors)")
            for word in mentions { #expect(lines.first?.contains(word) == true, "\(word): \(result.errors)") }
            #expect(!FileManager.default.fileExists(atPath: run.path("out/metrics.h5")))
        }
    }

    @Test(arguments: [1, 2]) func notAnHDF5File(ranks: Int) throws {
        try expectError(ranks: ranks, mentions: ["images.h5", "HDF5"]) { run in
            try "hello".write(toFile: run.data, atomically: true, encoding: .utf8)
        }
    }

    @Test(arguments: [1, 2]) func truncatedDataSet(ranks: Int) throws {
        try expectError(ranks: ranks, mentions: ["images.h5", "truncated"]) { run in
            let bytes = try Data(contentsOf: URL(fileURLWithPath: run.data))
            try bytes.prefix(bytes.count - 700).write(to: URL(fileURLWithPath: run.data))
        }
    }

    @Test(arguments: [1, 2]) func wrongRankOfImages(ranks: Int) throws {
        try expectError(ranks: ranks, mentions: ["images.h5", "/images"]) { run in
            try FileManager.default.removeItem(atPath: run.data)
            let file = try HDF5File.create(run.data)
            try file.root.write([UInt8](repeating: 0, count: 64), shape: [8, 8], to: "images")
            try file.close()
        }
    }

    @Test(arguments: [1, 2]) func wrongTypeOfImages(ranks: Int) throws {
        try expectError(ranks: ranks, mentions: ["images.h5", "/images", "float32", "uint8"]) { run in
            try FileManager.default.removeItem(atPath: run.data)
            let file = try HDF5File.create(run.data)
            try file.root.write([Float](repeating: 0, count: 64), shape: [1, 8, 8, 1], to: "images")
            try file.close()
        }
    }

    @Test(arguments: [1, 2]) func imagesOfAnotherSize(ranks: Int) throws {
        try expectError(ranks: ranks, mentions: ["8×8×1", "16×16×1", "model.size"], "model.size=16")
    }

    @Test(arguments: [1, 2]) func unknownKey(ranks: Int) throws {
        try expectError(ranks: ranks, mentions: ["model.dimm", "model.dim?"], "model.dimm=8")
    }

    @Test(arguments: [1, 2]) func indivisibleBatch(ranks: Int) throws {
        try expectError(ranks: ranks, mentions: ["batch_size", "9"], "batch_size=9", "micro_batch_size=2")
    }

    @Test(arguments: [1, 2]) func checkpointOfAnotherArchitecture(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("out", "steps=2"))
            let before = try Data(contentsOf: URL(fileURLWithPath: run.path("out/metrics.h5")))
            let result = try run.train(ranks, run.command("out", resume: "auto", "model.latent_dim=7"))
            #expect(result.status != 0)
            #expect(errorLines(result.errors).count == 1, "\(result.errors)")
            #expect(result.errors.contains("model.latent_dim"))
            #expect(try Data(contentsOf: URL(fileURLWithPath: run.path("out/metrics.h5"))) == before)
        }
    }

    /// A file stands where the folder should be: unwritable for root, too.
    @Test(arguments: [1, 2]) func unwritableRunFolder(ranks: Int) throws {
        try expectError(ranks: ranks, status: 73, mentions: ["out"]) { run in
            try "in the way".write(toFile: run.path("out"), atomically: true, encoding: .utf8)
        }
    }

    @Test(arguments: [1, 2]) func missingDataSet(ranks: Int) throws {
        try expectError(ranks: ranks, mentions: ["images.h5"]) { try FileManager.default.removeItem(atPath: $0.data) }
    }

    /// The data set is missing for one rank only, which works in another folder.
    @Test func dataSetMissingOnOneRank() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try FileManager.default.createDirectory(atPath: run.path("elsewhere"), withIntermediateDirectories: true)
            let command = run.command("out", "data=images.h5")
            let result = try mpirun(
                1, ["-wdir", folder] + command + [":", "-n", "1", "-wdir", run.path("elsewhere")] + command,
                timeout: 120)
            #expect(result.status != 0)
            #expect(errorLines(result.errors).count == 1, "\(result.errors)")
            #expect(result.errors.contains("images.h5") && result.errors.contains("rank 1"), "\(result.errors)")
        }
    }

    /// Not bad at all: the shortest name a folder or a file can have.
    @Test func namesOfOneLetter() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            var command = run.command("r", "steps=1")
            command[command.firstIndex(of: run.path("r")) ?? 0] = "r"
            let result = try run.train(1, ["env", "-C", folder] + command)
            #expect(result.status == 0, "\(result.errors)")
            #expect(FileManager.default.fileExists(atPath: run.checkpoint("r", step: 1)))
            let points = try run.train(
                1,
                [
                    "env", "-C", folder, product("smd"), "dataset", "prepare", "gaussian-grid", "--count", "9",
                    "--output", "g",
                ])
            #expect(points.status == 0, "\(points.errors)")
            #expect(FileManager.default.fileExists(atPath: run.path("g")))
        }
    }
}
