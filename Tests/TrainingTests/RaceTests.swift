import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Two or three jobs started together in one run folder: exactly one trains, the others end at once with one line, and
/// the folder is sound.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct RaceTests {
    /// How a job is started.
    private enum Way: CaseIterable {
        case alone, ranks, launcher
    }

    @Test func oneJobTrains() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let before = try run.train(1, run.command("before", "steps=4"))
            try #require(before.status == 0, "\(before.errors)")
            var random = SplitMix64(seed: Torture.seed)
            let wanted = Torture.amount("races", short: 9)
            var ways: [Int] = []
            for number in 0..<wanted {
                let way = Way.allCases[number % Way.allCases.count]
                let jobs = Int.random(in: 2...3, using: &random)
                let (continued, auto) = (Bool.random(using: &random), Bool.random(using: &random))
                let context = "race \(number), seed \(Torture.seed): \(jobs) jobs, \(way), continued \(continued)"
                ways.append(jobs)
                try race(run, "race-\(number)", way, jobs: jobs, continued: continued, auto: continued || auto, context)
            }
            print("\(wanted) races of \(ways.reduce(0, +)) jobs, seed \(Torture.seed)")
        }
    }

    private func start(_ way: Way, _ command: [String], log: String) throws -> Job {
        // Open MPI's jobs of one user share a folder there, which the last to leave takes from those that come.
        let session = log + "-session"
        try FileManager.default.createDirectory(atPath: session, withIntermediateDirectories: true)
        return switch way {
        case .alone: try Job(command, log: log)
        case .ranks: try Job(["mpirun", "-n", "2"] + command, log: log, environment: ["TMPDIR": session])
        case .launcher:
            try Job(
                [repositoryFolder + "/launch/run", "-n", "2", "--pause", "0"] + command.dropFirst(2), log: log,
                environment: ["SMD": product("smd"), "TMPDIR": session])
        }
    }

    private func race(
        _ run: Run, _ output: String, _ way: Way, jobs count: Int, continued: Bool, auto: Bool, _ context: String
    ) throws {
        if continued { try FileManager.default.copyItem(atPath: run.path("before"), toPath: run.path(output)) }
        let begin = try run.newestStep(output)
        let command = run.command(output, resume: auto ? "auto" : "none", "steps=1000000", "checkpoint_every=20")
        let jobs = try (0..<count).map { try start(way, command, log: run.path("\(output)-log-\($0)")) }
        #expect(waitUntil(60) { jobs.count { $0.isRunning } <= 1 }, "\(context): several go on")
        let trains = jobs.filter(\.isRunning)
        #expect(trains.count == 1, "\(context): \(jobs.map(\.output))")
        for job in jobs where !job.isRunning {
            #expect(job.end() == 73, "\(context): \(job.output)")
            let lines = errorLines(job.output)
            #expect(lines.count == 1, "\(context): \(job.output)")
            #expect(lines.first?.contains("another job works in the run folder") == true, "\(context): \(job.output)")
        }
        guard let winner = trains.first else { return }
        #expect(try waitUntil(60) { try !winner.isRunning || run.newestStep(output) > begin }, "\(context)")
        winner.signal(SIGUSR1)
        #expect(winner.end() == 75, "\(context): \(winner.output)")

        // All that was written belongs together.
        let step = try run.newestStep(output)
        #expect(step > begin, "\(context)")
        #expect(try Checkpoint.read(run.checkpoint(output, step: step)).header.step == step, "\(context)")
        let steps = try MetricsTable.read(run.path(output) + "/metrics.h5").steps
        #expect(steps == Array(1...step), "\(context): \(steps.count) rows, \(step) steps")
        let left = try FileManager.default.contentsOfDirectory(atPath: run.path(output)).sorted()
        #expect(left == [RunLock.name, "checkpoints", "metrics.h5", "previews"], "\(context): \(left)")
        try FileManager.default.removeItem(atPath: run.path(output))
    }

    /// A job that cannot begin leaves the folder as it was.
    @Test func aRefusedJobLeavesNothing() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try run.train(1, run.command("new/run", "data=\(folder)/none.h5"))
            #expect(result.status != 0)
            #expect(!FileManager.default.fileExists(atPath: run.path("new")))
        }
    }
}
