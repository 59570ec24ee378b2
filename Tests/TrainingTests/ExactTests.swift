import Configuration
import Foundation
import Philox
import Storage
import TestSupport
import Testing
import Training

/// The same bits on any number of ranks and threads.
@Suite struct ExactTests {
    /// One way to launch a run.
    struct Launch: CustomStringConvertible {
        var ranks: Int
        var threads = 1
        var sharded = false
        var description: String { "\(ranks)x\(threads)\(sharded ? "-sharded" : "")" }
    }

    /// 16 leaves; random numbers of every purpose take part.
    private static let settings = [
        "batch_size=16", "micro_batch_size=1", "reduction=exact", "model.self_condition=true", "checkpoint_every=0",
        "diffusion.offset_noise=0.1",
    ]
    /// A gradient of several buckets, so that sums over ranks begin while threads still compute.
    private static let large = ["model.dim=48", "model.dim_mults=1,2,4", "batch_size=8", "ema.start=0"]

    /// In this process, where what MPI does is not the point.
    private func trainHere(_ run: Run, _ output: String, _ launch: Launch, steps: Int, _ settings: [String] = []) throws
    {
        let result = try run.trainHere(
            output, ranks: launch.ranks, resume: "auto", threads: launch.threads,
            settings: ["steps=\(steps)", "optimizer.sharded=\(launch.sharded)"] + Self.settings + settings)
        #expect(result.status == 0, "\(launch): \(result.errors)")
    }

    private func command(_ run: Run, _ output: String, _ launch: Launch, steps: Int, _ settings: [String]) -> [String] {
        run.command(output, resume: "auto", "steps=\(steps)", "optimizer.sharded=\(launch.sharded)")
            + (Self.settings + settings).flatMap { ["--set", $0] } + ["--threads", "\(launch.threads)"]
    }

    private func train(_ run: Run, _ output: String, _ launch: Launch, steps: Int, _ settings: [String] = []) throws {
        let result = try run.train(launch.ranks, command(run, output, launch, steps: steps, settings))
        #expect(result.status == 0, "\(launch): \(result.errors)")
    }

    /// Every column but those that tell of time, as bits.
    private func columns(_ run: Run, _ output: String) throws -> [String: [UInt64]] {
        let table = try MetricsTable.read(run.path(output) + "/metrics.h5")
        let named = zip(table.columns, table.values).filter { name, _ in
            !name.contains("second") && name != "slowest_rank"
        }
        return Dictionary(uniqueKeysWithValues: named.map { ($0, $1.map(\.bitPattern)) })
    }

    private func expectSameRun(_ run: Run, _ a: String, _ b: String, step: Int) throws {
        try expectSameState(run, a, b, step: step)
        let (x, y) = (try columns(run, a), try columns(run, b))
        #expect(x["loss"]?.count == step && x["gradient_norm"] != nil && x["eta_variance"] != nil)
        #expect(x == y, "\(b)")
    }

    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
    func sameBitsOnAnyNumberOfRanksAndThreads() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try train(run, "alone", Launch(ranks: 1), steps: 6)
            let launches = [
                Launch(ranks: 2), Launch(ranks: 4), Launch(ranks: 8), Launch(ranks: 1, threads: 2),
                Launch(ranks: 1, threads: 8), Launch(ranks: 2, threads: 2), Launch(ranks: 4, threads: 4),
                Launch(ranks: 2, sharded: true), Launch(ranks: 4, threads: 2, sharded: true),
            ]
            for launch in launches {
                try train(run, "\(launch)", launch, steps: 6)
                try expectSameRun(run, "alone", "\(launch)", step: 6)
            }
        }
    }

    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
    func sameBitsOfALargerNetwork() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try train(run, "alone", Launch(ranks: 1), steps: 3, Self.large)
            for launch in [Launch(ranks: 4), Launch(ranks: 2, threads: 2), Launch(ranks: 8)] {
                try train(run, "\(launch)", launch, steps: 3, Self.large)
                try expectSameRun(run, "alone", "\(launch)", step: 3)
            }
        }
    }

    /// A classifier, of clean images and of noised ones.
    @Test(arguments: [false, true]) func sameBitsOfAClassifier(noised: Bool) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let settings = Run.classifier + ["classifier.noised=\(noised)", "learning_rate_decay=cosine"]
            let launches = [
                Launch(ranks: 1), Launch(ranks: 4), Launch(ranks: 1, threads: 2),
                Launch(ranks: 2, threads: 2, sharded: true),
            ]
            for launch in launches {
                try trainHere(run, "\(launch)", launch, steps: 4, settings)
                try expectSameRun(run, "1x1", "\(launch)", step: 4)
            }
        }
    }

    /// An autoencoder: the noise of a latent belongs to the image.
    @Test func sameBitsOfAnAutoencoder() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let launches = [
                Launch(ranks: 1), Launch(ranks: 4), Launch(ranks: 1, threads: 2),
                Launch(ranks: 2, threads: 2, sharded: true),
            ]
            for launch in launches {
                try trainHere(run, "\(launch)", launch, steps: 4, Run.autoencoder)
                try expectSameRun(run, "1x1", "\(launch)", step: 4)
            }
        }
    }

    /// Every loss and head. An image's draws lie in one micro-batch and belong to the image.
    @Test(arguments: [
        Run.classes, Run.shifted, Run.shiftedByTable, Run.energy, Run.energyAtOutput + Run.classes, Run.mixture,
        Run.adm,
        Run.admVariational, Run.byLosses, Run.ofLatents, Run.averages, Run.crops,
        Run.augmented + Run.energyAtOutput, Run.augmented + Run.adm, Run.conditioned, Run.adversarial, Run.density,
        Run.finest, Run.coarsest + Run.energyAtOutput + ["diffusion.energy_handover=0"],
    ])
    func sameBitsOfEveryLoss(settings: [String]) throws {
        try withTemporaryDirectory { folder in
            let run =
                try settings == Run.ofLatents
                ? Run(latentsIn: folder) : Run(in: folder, classes: 3, conditions: settings == Run.conditioned)
            let launches = [
                Launch(ranks: 1), Launch(ranks: 4), Launch(ranks: 1, threads: 2),
                Launch(ranks: 2, threads: 2, sharded: true),
            ]
            for launch in launches {
                try trainHere(run, "\(launch)", launch, steps: 4, settings)
                try expectSameRun(run, "1x1", "\(launch)", step: 4)
            }
            #expect(try snapshots(run, "1x1").count == (settings == Run.averages ? 4 : 0))
        }
    }

    /// Leaves of several micro-batches, chosen by the program.
    @Test func sameBitsWithAutomaticMicroBatches() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let settings = ["batch_size=24", "micro_batch_size=2", "reduction=auto"]
            for launch in [Launch(ranks: 1), Launch(ranks: 4), Launch(ranks: 1, threads: 2)] {
                try trainHere(run, "\(launch)", launch, steps: 4, settings)
                try expectSameRun(run, "1x1", "\(launch)", step: 4)
            }
        }
    }

    /// Another number of ranks and threads at every restart. With `launch/torture epoch` many times.
    @Test func ranksChangeAtEveryRestart() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let random = RandomStream(seed: Torture.seed, purpose: .data)
            let restarts = Torture.amount("restarts", short: 5)
            var steps = 0
            for restart in 0..<restarts {
                func choose(_ what: Int, below limit: Int) -> Int {
                    random.integer(below: limit, epoch: restart, position: what)
                }
                let launch = Launch(
                    ranks: 1 << choose(0, below: 4), threads: 1 << choose(1, below: 2),
                    sharded: choose(2, below: 2) == 1)
                steps += 1 + choose(3, below: 3)
                try trainHere(run, "parts", launch, steps: steps)
            }
            try trainHere(run, "whole", Launch(ranks: 1), steps: steps)
            try expectSameRun(run, "whole", "parts", step: steps)
        }
    }

    /// An explicit request that cannot be met is refused; without one the run goes on and says so, once.
    @Test(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
    func sumsThatCannotBeExact() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let explicit = try run.train(
                2, run.command("out", "batch_size=12", "micro_batch_size=4", "reduction=exact"))
            #expect(explicit.status != 0 && errorLines(explicit.errors).count == 1, "\(explicit.errors)")
            #expect(explicit.errors.contains("makes 1 equal part, which 2 ranks × 1 thread cannot share"))
            let tacit = try run.train(3, run.command("out", "batch_size=12", "micro_batch_size=2"))
            #expect(tacit.status == 0, "\(tacit.errors)")
            let warnings = tacit.errors.split(separator: "\n").filter { $0.contains("last bits") }
            #expect(warnings.count == 1 && warnings[0].contains("3 ranks × 1 thread cannot share"), "\(tacit.errors)")
            #expect(tacit.errors.contains("fast sums"))
        }
    }
}

/// Which samples a step uses.
@Suite struct EpochTests {
    /// Runs that are ended at random moments and resumed from their last checkpoint on another number of ranks and
    /// threads: of what the steps that count have used, every sample of an epoch occurs exactly once, in one order.
    @Test func everySampleOfAnEpochExactlyOnce() throws {
        for audit in 0..<Torture.amount("epoch", short: 50) {
            let random = RandomStream(seed: Torture.seed, purpose: .data)
            var drawn = 0
            func choose(_ range: ClosedRange<Int>) -> Int {
                drawn += 1
                return range.lowerBound + random.integer(below: range.count, epoch: audit, position: drawn)
            }
            var configuration = RunConfiguration()
            configuration.microBatchSize = choose(0...4)
            configuration.batchSize = max(1, configuration.microBatchSize) * choose(1...24)
            configuration.reduction = [.auto, .fast][choose(0...1)]
            configuration.checkpointEvery = choose(1...5)
            let count = choose(1...150)
            let end = (3 * count + configuration.batchSize - 1) / configuration.batchSize
            // The samples of each step so far.
            var used: [[Int]] = []
            while used.count < end {
                used.removeLast(used.count % configuration.checkpointEvery)
                let (ranks, threads) = (choose(1...8), choose(1...4))
                guard let plan = try? configuration.batchPlan(ranks: ranks, threads: threads) else { continue }
                var orders = (0..<ranks * threads).map { _ in EpochOrder(seed: 5, count: count) }
                for _ in 0..<choose(1...20) where used.count < end {
                    let seen = used.count * configuration.batchSize
                    var step: [Int] = []
                    for rank in 0..<ranks {
                        for thread in 0..<threads {
                            for number in plan.microBatches(rank: rank, thread: thread, of: threads) {
                                let first = seen + number * plan.microBatchSize
                                for position in first..<first + plan.microBatchSize {
                                    let sample = orders[rank * threads + thread].sample(at: position)
                                    #expect(sample.epoch == position / count)
                                    step.append(sample.index)
                                }
                            }
                        }
                    }
                    used.append(step)
                }
            }
            let stream = used.flatMap { $0 }
            for epoch in 0..<3 {
                #expect(
                    stream[epoch * count..<(epoch + 1) * count].sorted() == Array(0..<count),
                    "seed \(Torture.seed), audit \(audit), epoch \(epoch)")
            }
        }
    }
}
