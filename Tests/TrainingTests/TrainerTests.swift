import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// What a run does at which step, in this process.
@Suite struct TrainerTests {
    /// Checkpoints and previews come at their intervals and at the end, and old checkpoints go.
    @Test func intervals() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try run.trainHere(
                "out",
                settings: ["steps=11", "checkpoint_every=2", "preview_every=3", "keep_checkpoints=2", "keep_every=4"])
            #expect(result.status == 0 && warningLines(result.errors).isEmpty, "\(result.errors)")
            #expect(try CheckpointFolder(path: run.path("out/checkpoints")).steps() == [4, 8, 10, 11])
            let previews = try FileManager.default.contentsOfDirectory(atPath: run.path("out/previews")).sorted()
            #expect(
                previews
                    == [3, 6, 9, 11].flatMap { step in
                        ["ema", "raw"].map { "step-000000\(step < 10 ? "0" : "")\(step)-\($0).png" }
                    })
            let saved = result.errors.split(separator: "\n").filter { $0.hasPrefix("saved ") }
            #expect(saved.count == 6 && saved[5].contains("step-00000011.h5: "), "\(result.errors)")
        }
    }

    /// A row a step, with the numbers of that step.
    @Test(arguments: [1, 2]) func rows(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("out", ranks: ranks, settings: ["steps=7", "checkpoint_every=3", "eta_variance_every=3"])
            #expect(try run.column("step", "out") == [1, 2, 3, 4, 5, 6, 7])
            #expect(try run.column("epoch", "out") == (1...7).map { Double($0 * 8) / 40 })
            #expect(try run.column("learning_rate", "out") == [Double](repeating: 1e-3, count: 7))
            #expect(try run.column("skipped", "out") == [Double](repeating: 0, count: 7))
            let variance = try run.column("eta_variance", "out")
            #expect(variance.indices.filter { variance[$0] > 0 } == [2, 5])
            #expect(variance.filter(\.isNaN).count == 5)
            for name in ["loss", "gradient_norm", "images_per_second"] {
                #expect(try run.column(name, "out").allSatisfy { $0 > 0 && $0.isFinite }, "\(name)")
            }
            #expect(Set(try run.losses("out")).count == 7)
        }
    }

    /// When the time is up the step is ended, saved, and the run can go on: with the rows and the bits of one that was not
    /// stopped.
    @Test(arguments: [1, 2]) func stopsAndGoesOn(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let stopped = try run.trainHere(
                "out", ranks: ranks, stopAfter: 0, settings: ["checkpoint_every=0", "preview_every=1"])
            #expect(stopped.status == 75 && warningLines(stopped.errors).isEmpty, "\(stopped.errors)")
            #expect(try CheckpointFolder(path: run.path("out/checkpoints")).steps() == [1])
            #expect(!FileManager.default.fileExists(atPath: run.path("out/previews/step-00000001-raw.png")))
            let resumed = try run.trainHere("out", ranks: ranks, resume: "auto")
            #expect(resumed.errors.contains("restored step 1 of 6 from \(run.checkpoint("out", step: 1))\n"))
            try run.trainHere("whole", ranks: ranks)
            try expectSameState(run, "whole", "out", step: 6)
            #expect(try run.losses("out") == run.losses("whole"))
        }
    }

    /// A run that is there is not begun again, nor changed by the attempt.
    @Test func whatIsThereStays() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("out", settings: ["steps=2"])
            func bytes() throws -> [Data] {
                try [run.path("out/metrics.h5"), run.checkpoint("out", step: 2)].map {
                    try Data(contentsOf: URL(fileURLWithPath: $0))
                }
            }
            let before = try bytes()
            let again = try run.trainHere("out", settings: ["steps=3"])
            #expect(
                again.status == 73 && again.errors.contains("already holds a run: continue it with --resume auto"),
                "\(again.errors)")
            #expect(try bytes() == before)
            #expect(try CheckpointFolder(path: run.path("out/checkpoints")).steps() == [2])
            let empty = try run.trainHere("new", resume: "auto", settings: ["steps=1"])
            #expect(empty.status == 0 && !empty.errors.contains("restored"))
        }
    }

    /// The average is a copy up to `ema.start`, and moves at every `ema.every`-th step from there.
    @Test func theAverageFollows() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere(
                "out", settings: ["steps=6", "checkpoint_every=1", "keep_checkpoints=9", "ema.every=2", "ema.start=2"])
            let states = try (1...6).map { try Checkpoint.read(run.checkpoint("out", step: $0)) }
            func follows(_ step: Int) -> Bool { states[step - 1]["ema"] == states[step - 2]["ema"] }
            #expect(states[0]["ema"] == states[0]["parameters"] && states[2]["ema"] == states[2]["parameters"])
            #expect(follows(2) && !follows(3) && follows(4) && !follows(5) && follows(6))
            #expect(states[4]["ema"] != states[4]["parameters"])
        }
    }
}
