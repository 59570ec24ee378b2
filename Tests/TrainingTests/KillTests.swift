import Foundation
import Storage
import TestSupport
import Testing

/// kill -9 of a random rank or of mpirun at random instants, started again until done: the bits of the run that was
/// never stopped.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct KillTests {
    private static let steps = 100
    private static let settings = ["steps=\(steps)", "reduction=exact"]

    /// What is trained, and how often it is killed at least.
    enum Trained: String, CaseIterable {
        case diffusion, classes, classifier, autoencoder, energy, mixture, adm, latents, averages, crops, augmented
        case conditioned, adversarial, coarsest, density
        var settings: [String] {
            let own: [String] =
                switch self {
                case .diffusion: []
                case .classes: Run.classes
                case .classifier: Run.classifier
                case .autoencoder: Run.autoencoder
                case .energy: Run.energyAtOutput
                case .mixture: Run.mixture
                case .adm: Run.adm
                case .latents: Run.ofLatents
                case .crops: Run.crops
                case .augmented: Run.augmented
                case .conditioned: Run.conditioned
                case .adversarial: Run.adversarial
                case .coarsest: Run.coarsest
                case .density: Run.density
                case .averages: Run.averages + ["ema.snapshot_every=3"]
                }
            return KillTests.settings + own
        }
        var kills: Int { self == .diffusion ? 4 : 1 }
    }
    /// Numbers of ranks that a restart chooses from; their results are the same.
    private static let rankCounts = [1, 2, 4]

    /// When to kill.
    private enum Instant: CaseIterable {
        /// Some time after the launch: MPI, reading the data, restoring.
        case start
        /// Some steps and some milliseconds after the checkpoint that the job began with.
        case step
        /// As soon as a checkpoint's temporary file is seen.
        case save
        /// In the last steps, or after them.
        case end
    }

    @Test(arguments: Trained.allCases) func killedRunIsBitwiseTheSame(trained: Trained) throws {
        try withTemporaryDirectory { folder in
            let run =
                try trained == .latents
                ? Run(latentsIn: folder) : Run(in: folder, classes: 3, conditions: trained == .conditioned)
            let settings = trained.settings
            try run.train(2, run.command("whole", settings: settings))
            var random = SplitMix64(seed: Torture.seed)
            let wanted = Torture.amount("kills", short: trained.kills)
            var (kills, number) = (0, 0)
            while kills < wanted {
                let atMost = min(Int.random(in: 1...6, using: &random), wanted - kills)
                if number.isMultiple(of: 2) {
                    kills += try restartedByHand(run, "killed-\(number)", settings, kills: atMost, &random)
                } else {
                    kills += try restartedByLauncher(run, "killed-\(number)", settings, kills: atMost, &random)
                }
                try expectWhole(run, "killed-\(number)", "seed \(Torture.seed), run \(number), after \(kills) kills")
                number += 1
                try #require(number < 8 * wanted, "only \(kills) kills in \(number) runs")
            }
            print("\(kills) kills in \(number) runs, seed \(Torture.seed)")
        }
    }

    /// Every start on another number of ranks, with the optimiser's state whole or sharded.
    ///
    /// - Returns: how often something was killed before the run was done.
    private func restartedByHand(
        _ run: Run, _ output: String, _ settings: [String], kills: Int, _ random: inout SplitMix64
    ) throws -> Int {
        var done = 0
        func command() -> [String] {
            let sharded = "optimizer.sharded=\(Bool.random(using: &random))"
            return run.command(output, resume: "auto", settings: settings + [sharded])
        }
        func ranks() -> Int { Self.rankCounts.randomElement(using: &random) ?? 2 }
        for _ in 0..<kills {
            let job = try run.start(ranks(), command())
            done += try killSomething(of: job, run, output, &random) ? 1 : 0
        }
        let last = try run.train(ranks(), command())
        #expect(last.status == 0, "seed \(Torture.seed), \(output): \(last.errors)")
        return done
    }

    /// Restarted by launch/run, which is told nothing.
    ///
    /// - Returns: how often something was killed before the run was done.
    private func restartedByLauncher(
        _ run: Run, _ output: String, _ settings: [String], kills: Int, _ random: inout SplitMix64
    ) throws -> Int {
        var done = 0
        let ranks = Self.rankCounts.randomElement(using: &random) ?? 2
        let job = try Job(
            [repositoryFolder + "/launch/run", "-n", "\(ranks)", "--pause", "0", "--restarts", "1000"]
                + run.command(output, settings: settings).dropFirst(2),
            log: run.path("log-\(output)"), environment: ["SMD": product("smd")])
        while done < kills, job.isRunning {
            done += try killSomething(of: job, run, output, &random) ? 1 : 0
        }
        #expect(job.end(within: 300) == 0, "seed \(Torture.seed), \(output): \(job.output)")
        return done
    }

    /// Kills a random rank, or mpirun, at a random instant, and waits until all processes of that start are gone: mpirun
    /// must end by itself, and no rank may outlive it. But for a start without launch/run, which would see to it: Open
    /// MPI 4.1's mpirun can stay when a rank is lost just as it connects, without a rank that is alive.
    ///
    /// - Returns: false when the job ended before.
    private func killSomething(
        of job: Job, _ run: Run, _ output: String, _ random: inout SplitMix64
    ) throws -> Bool {
        let begin = try run.newestStep(output)
        let instant = Instant.allCases.randomElement(using: &random) ?? .step
        let victimNumber = Int.random(in: 0..<8, using: &random)
        let (steps, milliseconds) = (Int.random(in: 1...30, using: &random), Int.random(in: 0..<20, using: &random))
        let context = "seed \(Torture.seed), \(instant), \(output) from step \(begin)"
        guard waitUntil(60, { !job.isRunning || job.mpirun != nil }), let mpirun = job.mpirun else { return false }
        switch instant {
        case .start: usleep(UInt32(steps * 20_000))
        case .step: try waitUntil(60) { try !isAlive(mpirun) || run.newestStep(output) >= begin + steps }
        case .save:
            waitUntil(60) { !isAlive(mpirun) || isSaving(run, output) }
        case .end: try waitUntil(60) { try !isAlive(mpirun) || run.newestStep(output) >= Self.steps - 2 }
        }
        if instant != .save { usleep(UInt32(milliseconds * 1_000)) }
        let ranks = job.ranks
        let victim = victimNumber == 0 || ranks.isEmpty ? mpirun : ranks[victimNumber % ranks.count]
        guard isAlive(mpirun), isAlive(victim), kill(victim, SIGKILL) == 0 else {
            waitUntil(60) { !isAlive(mpirun) }
            return false
        }
        let ended = waitUntil(30) { !isAlive(mpirun) }
        if !ended, instant == .start, job.isMpirun, !ranks.contains(where: isAlive) {
            kill(mpirun, SIGKILL)
        } else {
            #expect(ended, "mpirun goes on without \(victim): \(context)")
        }
        #expect(waitUntil(30) { !ranks.contains(where: isAlive) }, "ranks outlive mpirun: \(context)")
        return true
    }

    private func isSaving(_ run: Run, _ output: String) -> Bool {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: run.path(output) + "/checkpoints")) ?? []
        return names.contains { $0.contains(".tmp-") }
    }

    private func expectWhole(_ run: Run, _ output: String, _ context: String) throws {
        try expectSameState(run, "whole", output, step: Self.steps)
        for column in ["step", "loss", "gradient_norm"] {
            let (whole, killed) = (try run.column(column, "whole"), try run.column(column, output))
            #expect(whole.count == Self.steps && whole == killed, "\(column): \(context)")
        }
    }
}
