import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Several threads inside a rank.
@Suite struct ThreadTests {
    /// Trains on `ranks` × `threads`; the losses, and the state after the last step.
    private func train(
        _ run: Run, _ ranks: Int, _ threads: Int, steps: Int, _ settings: [String], name: String? = nil
    ) throws -> (losses: [Double], state: Checkpoint) {
        let output = name ?? "run-\(ranks)x\(threads)-\(steps)"
        let result = try run.trainHere(
            output, ranks: ranks, threads: threads, settings: ["steps=\(steps)", "checkpoint_every=0"] + settings)
        #expect(result.status == 0, "\(result.errors)")
        return (try run.losses(output), try Checkpoint.read(run.checkpoint(output, step: steps)))
    }

    /// At equal global batch, any number of ranks and threads trains the same model up to the rounding of sums.
    private func expectEqualTraining(_ grid: [(ranks: Int, threads: Int)], steps: Int, _ settings: String...) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let first = try train(run, 1, 1, steps: 1, settings).state
            let one = try train(run, 1, 1, steps: steps, settings)
            #expect(one.losses.count == steps)
            for (ranks, threads) in grid {
                let other = try train(run, ranks, threads, steps: steps, settings)
                #expect(other.losses.count == steps)
                for (a, b) in zip(one.losses, other.losses) {
                    #expect(abs(a - b) <= 1e-4 * abs(a), "\(ranks) × \(threads): \(a) and \(b)")
                }
                for part in ["parameters", "ema"] {
                    let (difference, update) = distances(
                        one.state[part], other.state[part], from: first[part])
                    #expect(
                        update > 0 && difference <= 1e-3 * update, "\(ranks) × \(threads): \(difference) of \(update)")
                }
            }
        }
    }

    @Test func equalTrainingOnAnyNumberOfThreads() throws {
        try expectEqualTraining([(1, 2), (1, 3), (2, 1), (2, 3), (3, 2)], steps: 20, "batch_size=24")
    }

    /// The micro-batch that the program chooses takes the threads into account.
    @Test func equalTrainingWithAutomaticMicroBatches() throws {
        try expectEqualTraining([(1, 2), (1, 4), (2, 2)], steps: 20, "micro_batch_size=0")
    }

    /// Random numbers of self-conditioning belong to the sample, too.
    @Test func equalTrainingWithSelfConditioning() throws {
        try expectEqualTraining([(1, 2), (2, 1), (2, 2)], steps: 20, "model.self_condition=true")
    }

    /// A gradient of several buckets, so that sums over ranks begin while threads still compute.
    private static let large = ["model.dim=48", "model.dim_mults=1,2,4", "batch_size=12", "micro_batch_size=1"]

    @Test func equalTrainingOfALargerNetwork() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let first = try train(run, 1, 1, steps: 1, Self.large)
            #expect(first.state["parameters"].reduce(0) { $0 + $1.values.count } > 3 << 18)
            let one = try train(run, 1, 1, steps: 6, Self.large)
            for (ranks, threads) in [(1, 3), (2, 2)] {
                let other = try train(run, ranks, threads, steps: 6, Self.large)
                let (difference, update) = distances(
                    one.state["parameters"], other.state["parameters"], from: first.state["parameters"])
                #expect(update > 0 && difference <= 1e-3 * update, "\(ranks) × \(threads): \(difference) of \(update)")
            }
        }
    }

    /// The same number of ranks and threads gives the same bits, also in two parts.
    @Test(arguments: [1, 2]) func repeatsBitwise(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let once = try train(run, ranks, 3, steps: 5, Self.large, name: "once")
            let again = try train(run, ranks, 3, steps: 5, Self.large, name: "again")
            _ = try train(run, ranks, 3, steps: 2, Self.large, name: "parts")
            let resumed = try run.trainHere(
                "parts", ranks: ranks, resume: "auto", threads: 3,
                settings: ["steps=5", "checkpoint_every=0"] + Self.large)
            #expect(resumed.status == 0 && resumed.errors.contains("restored step 2"), "\(resumed.errors)")
            let parts = try Checkpoint.read(run.checkpoint("parts", step: 5))
            #expect(once.losses == again.losses)
            #expect(try once.losses == run.losses("parts"))
            for other in [again.state, parts] {
                #expect(once.state.groups.count == ArenaRole.always.count && once.state.groups == other.groups)
            }
        }
    }

    @Test func ranksThatDisagreeOnThreads() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let command = run.command("out")
            let result = try mpirun(
                1, command + ["--threads", "1", ":", "-n", "1"] + command + ["--threads", "2"], timeout: 120)
            #expect(result.status != 0)
            #expect(errorLines(result.errors).count == 1 && result.errors.contains("threads"), "\(result.errors)")
        }
    }

    @Test func threadsThatDoNotDivideTheBatch() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try run.train(1, run.command("out") + ["--threads", "3"])
            #expect(result.status == 65)
            #expect(
                result.errors.contains("1 rank × 3 threads × micro_batch_size 2; what would fit: batch_size 6 or 12"))
            #expect(try run.train(1, run.command("out") + ["--threads", "0"]).status == 64)
        }
    }

    /// Two threads, or two ranks, on one core: said once, with the host and the core. A core for each is no news.
    @Test func tooFewCoresAreSaid() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            func warnings(_ errors: String) -> [Substring] {
                errors.split(separator: "\n").filter { $0.contains("warning:") }
            }
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let cpu = try #require(status.firstMatch(of: /Cpus_allowed_list:\s*([0-9]+)/)?.1)
            let bound = ["taskset", "-c", String(cpu)]
            let threads = try run.train(1, bound + run.command("threads") + ["--threads", "2"])
            #expect(threads.status == 0)
            #expect(threads.errors.contains("1 rank × 2 threads, 1 core\n"), "\(threads.errors)")
            #expect(warnings(threads.errors).count == 1)
            #expect(threads.errors.contains(": rank 0 has 1 core (CPU \(cpu)) for 2 threads"), "\(threads.errors)")
            let ranks = try run.train(2, bound + run.command("ranks"))
            #expect(ranks.status == 0 && warnings(ranks.errors).count == 1)
            #expect(ranks.errors.contains(": ranks 0-1 share 1 core (CPU \(cpu)) for 2 threads"), "\(ranks.errors)")
            let alone = try run.train(1, bound + run.command("alone"))
            #expect(alone.status == 0 && warnings(alone.errors).isEmpty, "\(alone.errors)")
        }
    }

    /// Where the time of every rank went: mean, lowest and highest, and nothing is counted twice.
    @Test func metricsTellOfEveryRank() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            for (ranks, threads) in [(1, 2), (2, 1), (2, 2)] {
                let output = "run-\(ranks)x\(threads)"
                let result = try run.train(ranks, run.command(output, "steps=20") + ["--threads", "\(threads)"])
                #expect(result.status == 0, "\(result.errors)")
                let table = try MetricsTable.read(run.path(output) + "/metrics.h5")
                func column(_ name: String) throws -> [Double] { try #require(table.column(name)) }
                var sum = 0.0
                for phase in ["data", "compute", "communication", "optimizer"] {
                    let name = "seconds_\(phase)"
                    let (mean, low, high) = try (column(name), column(name + "_min"), column(name + "_max"))
                    for row in mean.indices {
                        #expect(low[row] > 0 && low[row] <= mean[row] * (1 + 1e-12))
                        #expect(mean[row] <= high[row] * (1 + 1e-12))
                        if ranks == 1 { #expect(low[row] == high[row]) }
                        if ranks == 2 { #expect(abs(low[row] + high[row] - 2 * mean[row]) <= 1e-12) }
                    }
                    sum += mean.reduce(0, +)
                }
                #expect(try column("slowest_rank").allSatisfy { (0..<Double(ranks)).contains($0) })
                let all = try column("images_per_second").reduce(0) { $0 + 8 / $1 }
                #expect(sum > 0.5 * all && (ranks > 1 || sum <= all), "\(sum) of \(all) s")
            }
        }
    }
}
