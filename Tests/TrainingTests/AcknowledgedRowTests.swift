import Foundation
import Philox
import Storage
import StorageSupport
import TestSupport
import Testing

/// A step whose line was printed is in the metrics, whatever happens then.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct AcknowledgedRowTests {
    @Test func everyPrintedStepSurvivesAKill() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let stream = RandomStream(seed: Torture.seed, purpose: .data)
            var restored = 0
            for kill in 0..<3 {
                let command = run.command("out", resume: "auto", "steps=1000000", "checkpoint_every=40", "log_every=1")
                let training = try Background(command, in: folder, name: "log\(kill)")
                func printed() -> [Int] {
                    training.errors.split(separator: "\n").filter { $0.hasPrefix("step ") }.compactMap { line in
                        line.contains("images/s")
                            ? line.dropFirst(5).split(separator: "/").first.flatMap { Int($0) } : nil
                    }
                }
                let target = restored + 45 + stream.integer(below: 60, epoch: 0, position: kill)
                #expect(training.waits { printed().last ?? 0 >= target }, "\(training.errors)")
                #expect(training.end(SIGKILL) == SIGKILL)
                let last = try #require(printed().last)
                // What a follower, or the next start, finds.
                let rows = try #require(try MetricsFollower(path: run.path("out/metrics.h5")).look().rows).steps
                let comment =
                    "kill \(kill), seed \(Torture.seed): printed \(last), \(rows.count) rows to \(rows.last ?? 0)"
                #expect(rows.count >= last && rows == Array(1...max(rows.count, 1)), "\(comment)")
                restored =
                    try CheckpointFolder(path: run.path("out/checkpoints")).newestVerified { _ in }?.header.step ?? 0
                #expect(restored > 0)
            }
            let end = restored + 7
            try run.train(1, run.command("out", resume: "auto", "steps=\(end)"))
            try run.train(1, run.command("whole", "steps=\(end)"))
            #expect(try run.column("step", "out") == (1...end).map(Double.init))
            #expect(try run.losses("out") == run.losses("whole"))
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: run.path("out")).sorted() == [
                    RunLock.name, "checkpoints", "metrics.h5", "previews",
                ])
        }
    }
}
