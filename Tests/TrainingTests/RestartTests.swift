import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// `launch/run` starts a job again that was lost, and only such a one. A script stands for smd where the test is about
/// the launcher alone.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct RestartTests {
    /// Runs launch/run with a script in the place of smd; `launcher` is one in the place of mpirun.
    private func launch(
        _ script: String, _ options: [String] = [], _ arguments: [String] = [], in folder: String,
        launcher: String? = nil
    ) throws -> (status: Int32, starts: [String], errors: String) {
        let launch = try ScriptedLaunch(script, in: folder)
        if let launcher { try launch.writeLauncher(launcher) }
        let result = try launch.run(options, smd: ["c.yaml", "--output", folder + "/run"] + arguments)
        return (result.status, launch.starts(), result.errors)
    }

    @Test(arguments: [0, 1, 64, 65, 73]) func otherEndsAreFinal(status: Int32) throws {
        try withTemporaryDirectory { folder in
            let result = try launch("exit \(status)", in: folder)
            #expect(result.status == status && result.starts.count == 1, "\(result.errors)")
        }
    }

    /// Killed, crashed and hung jobs go on as often as it takes, as long as each reaches another checkpoint.
    @Test func lostJobsAreStartedAgain() throws {
        try withTemporaryDirectory { folder in
            let script = """
                touch $run/checkpoints/step-$(printf %08d $start).h5
                case $start in 1 | 4) kill -9 $$ ;; 2 | 5) exit 75 ;; 3) kill -SEGV $$ ;; esac
                """
            let result = try launch(script, ["--restarts", "1"], ["--resume=none", "--set", "seed=4"], in: folder)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.starts.count == 6)
            let arguments = "c.yaml --output \(folder)/run --resume=none --set seed=4"
            #expect(result.starts.first == "train --threads 1 " + arguments)
            for start in result.starts.dropFirst() {
                #expect(start.hasPrefix("train --threads 1 --restarted ") && start.hasSuffix(arguments), "\(start)")
            }
            #expect(result.errors.contains("status 137 (a process was ended by signal 9); newest checkpoint: step 1"))
            #expect(result.errors.contains("status 75 (interrupted, or lost a rank); newest checkpoint: step 5"))
        }
    }

    @Test func givesUpWithoutProgress() throws {
        try withTemporaryDirectory { folder in
            let script = "[[ $start == 2 ]] && touch $run/checkpoints/step-00000010.h5; exit 75"
            let result = try launch(script, ["--restarts", "2"], in: folder)
            #expect(result.status == 75 && result.starts.count == 4, "\(result.errors)")
            #expect(
                result.errors.contains("2 restarts in a row reached no checkpoint after step 10: giving up"),
                "\(result.errors)")
            let single = try launch("exit 75", ["--no-restart"], in: folder)
            #expect(single.status == 75 && single.starts.count == 5, "\(single.errors)")
        }
    }

    /// Stands for an mpirun that waits for a host that has vanished, when the ranks of this one have ended.
    @Test func hangingLauncherIsKilled() throws {
        try withTemporaryDirectory { folder in
            let launcher = "\"$@\" || sleep 100"
            let start = ContinuousClock.now
            let script = "sleep 2; [[ $start == 2 ]] || exit 75"
            let result = try launch(script, ["--linger", "1"], in: folder, launcher: launcher)
            #expect(result.status == 0 && result.starts.count == 2, "\(result.errors)")
            #expect(result.errors.contains("run: all ranks of this host ended 1 s ago"), "\(result.errors)")
            #expect(result.errors.contains("run: status 75 (interrupted, or lost a rank)"), "\(result.errors)")
            let last = try launch(
                "sleep 2; exit 75", ["--linger", "1", "--no-restart"], in: folder, launcher: launcher)
            #expect(last.status == 75, "\(last.errors)")
            #expect(ContinuousClock.now - start < .seconds(50))
            #expect(try processesLeft(matching: folder).isEmpty)
        }
    }

    /// Stands for an Open MPI that lost a rank as it connected: it neither takes notice of its ranks' ends nor ends.
    @Test func launcherThatLeavesZombiesIsKilled() throws {
        try withTemporaryDirectory { folder in
            let launcher = "\"$@\" & exec sleep 100"
            let start = ContinuousClock.now
            let result = try launch(
                "sleep 2; exit 75", ["--linger", "1", "--no-restart"], in: folder, launcher: launcher)
            #expect(result.status == 75 && result.starts.count == 1, "\(result.errors)")
            #expect(result.errors.contains("run: all ranks of this host ended 1 s ago"), "\(result.errors)")
            #expect(ContinuousClock.now - start < .seconds(50))
            #expect(try processesLeft(matching: folder).isEmpty)
        }
    }

    /// --max-hours counts over all starts; a job that stops because of it is not started again.
    @Test func hoursCountOverRestarts() throws {
        try withTemporaryDirectory { folder in
            let script = "[[ $start == 1 ]] && { sleep 2; exit 75; }; exit 0"
            let result = try launch(script, [], ["--max-hours", "0.1"], in: folder)
            #expect(result.status == 0 && result.starts.count == 2, "\(result.errors)")
            let words = result.starts.last?.split(separator: " ") ?? []
            #expect(words.contains("--max-hours") && words.contains("0.1"), "\(words)")
            let used = words.firstIndex(of: "--seconds-used").flatMap { Int(words[$0 + 1]) } ?? 0
            #expect(used >= 2 && used < 100, "\(words)")
        }
        try withTemporaryDirectory { folder in
            let result = try launch("sleep 2; exit 75", [], ["--max-hours", "0.0005"], in: folder)
            #expect(result.status == 75 && result.starts.count == 1, "\(result.errors)")
        }
    }

    /// mpirun says 132 when a host has no such program, which is the status of a processor that lacks an instruction, too:
    /// neither gets better by itself.
    @Test func aMissingProgramIsNotLookedForAgain() throws {
        try withTemporaryDirectory { folder in
            let launcher = "echo once >>\(folder)/starts; PATH=${PATH#*:} exec mpirun -n 1 /nowhere/smd"
            let result = try launch("", in: folder, launcher: launcher)
            #expect(result.status == 132 && result.starts.count == 1, "\(result.errors)")
            #expect(result.errors.contains("mpirun was unable to launch the specified application"), "\(result.errors)")
        }
    }

    /// With a checkpoint given that is not the newest, a restart would go on from another one.
    @Test func olderCheckpointIsNotLeft() throws {
        try withTemporaryDirectory { folder in
            let newest = folder + "/run/checkpoints/step-00000009.h5"
            try FileManager.default.createDirectory(
                atPath: folder + "/run/checkpoints", withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: newest))
            let older = folder + "/run/checkpoints/step-00000004.h5"
            let result = try launch("exit 75", [], ["--resume", older], in: folder)
            #expect(result.status == 75 && result.starts.count == 1, "\(result.errors)")
            #expect(result.errors.contains("a newer checkpoint (step 9)"))
        }
    }

    /// A rank is lost and replaced; a signal to launch/run itself stops the job for good, with a checkpoint.
    @Test(arguments: [SIGUSR1, SIGTERM, SIGINT]) func signalIsPassedOn(_ number: Int32) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let command = run.command("run", "steps=1000000").dropFirst(2)
            let job = try Job(
                [ScriptedLaunch.launcher, "-n", "2", "--pause", "0"] + command, log: run.path("log"),
                environment: ["SMD": product("smd")])
            func waitForStep(after step: Int) throws -> Int {
                #expect(try waitUntil(60) { try !job.isRunning || run.newestStep("run") > step }, "\(job.output)")
                return try run.newestStep("run")
            }
            if number == SIGUSR1 {
                let step = try waitForStep(after: 0)
                kill(try #require(job.ranks.last), SIGKILL)
                #expect(waitUntil(60) { job.output.contains("restored step") }, "\(job.output)")
                #expect(try waitForStep(after: step) > step)
            } else {
                _ = try waitForStep(after: 0)
            }
            let ranks = job.ranks
            job.signal(number)
            #expect(job.end() == 75, "\(job.output)")
            let step = try run.newestStep("run")
            #expect(job.output.contains("stopped after step \(step)"), "\(job.output)")
            #expect(ranks.count == 2 && !ranks.contains(where: isAlive))
        }
    }
}
