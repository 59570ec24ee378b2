import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct TrainingRankTests {
    /// With fast sums any number of ranks trains the same model up to the rounding, at equal global batch.
    @Test func equalTrainingOnAnyNumberOfRanks() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let fast = "reduction=fast"
            try run.train(1, run.command("first", "steps=1", fast))
            let first = try Checkpoint.read(run.checkpoint("first", step: 1))
            try run.train(1, run.command("ranks1", fast))
            let one = try Checkpoint.read(run.checkpoint("ranks1", step: 6))
            for ranks in [2, 4] {
                let result = try run.train(ranks, run.command("ranks\(ranks)", fast))
                #expect(result.status == 0, "\(result.errors)")
                for (a, b) in zip(try run.losses("ranks1"), try run.losses("ranks\(ranks)")) {
                    #expect(abs(a - b) <= 1e-5 * abs(a))
                }
                let other = try Checkpoint.read(run.checkpoint("ranks\(ranks)", step: 6))
                let (difference, update) = distances(one["parameters"], other["parameters"], from: first["parameters"])
                #expect(difference > 0 && update > 0 && difference <= 1e-3 * update, "\(difference) of \(update)")
            }
        }
    }

    /// Ranks that were started with different configurations find out, and say what differs.
    @Test func ranksThatDisagree() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let one = run.command("out")
            let other = run.command("out", "learning_rate=0.5")
            let result = try mpirun(1, one + [":", "-n", "1"] + other, timeout: 120)
            #expect(result.status != 0)
            #expect(errorLines(result.errors).count == 1, "\(result.errors)")
            #expect(result.errors.contains("configuration"))
            #expect(!FileManager.default.fileExists(atPath: run.path("out/metrics.h5")))
        }
    }

    /// Samples of a checkpoint do not depend on the number of ranks or on the batch.
    @Test func samplesDoNotDependOnRanks() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("out", "steps=2"))
            func sample(_ ranks: Int, _ name: String, _ batch: Int) throws -> (Int32, String) {
                let result = try run.train(
                    ranks,
                    [
                        product("smd"), "sample", run.checkpoint("out", step: 2), "--count", "7", "--batch", "\(batch)",
                        "--seed", "5", "--output", run.path(name),
                    ])
                return (result.status, result.errors)
            }
            #expect(try sample(1, "a.h5", 7).0 == 0)
            #expect(try sample(2, "b.h5", 7).0 == 0)
            #expect(try sample(1, "c.h5", 3).0 == 0)
            let images = try ["a.h5", "b.h5", "c.h5"].map { try pixels(run.path($0)) }
            #expect(Set(images[0]).count > 16)
            #expect(images[0] == images[1])
            #expect(images[0] == images[2])
            let again = try sample(1, "a.h5", 7)
            #expect(again.0 == 73 && again.1.contains("--overwrite"), "\(again)")
        }
    }
}
