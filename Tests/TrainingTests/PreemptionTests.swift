import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Being asked to stop: a signal to mpirun or to one rank, or time that is up.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct PreemptionTests {
    /// Stopped by a signal to mpirun, then to one rank, then to the other, then run to its end: the bits of a run that
    /// was never stopped.
    @Test func signalledRunStopsWithACheckpointAndGoesOn() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            var step = 0
            let signals: [(Int32, (Job) -> Int32?)] = [
                (SIGUSR1, { $0.mpirun }), (SIGTERM, { $0.ranks.last }), (SIGUSR1, { $0.ranks.first }),
            ]
            for (number, receiver) in signals {
                let job = try run.start(
                    2, run.command("stopped", resume: "auto", "steps=1000000", "checkpoint_every=0"))
                try waitUntilTraining(run, "stopped", after: step, job)
                kill(try #require(receiver(job)), number)
                #expect(job.end() == 75, "\(job.output)")
                let stopped = try run.newestStep("stopped")
                #expect(stopped > step)
                #expect(job.output.contains("stopped after step \(stopped)"), "\(job.output)")
                step = stopped
            }
            let end = "steps=\(step + 3)"
            let last = try run.train(2, run.command("stopped", resume: "auto", end))
            #expect(last.status == 0, "\(last.errors)")
            try run.train(2, run.command("whole", end))
            try expectSameState(run, "whole", "stopped", step: step + 3)
            #expect(try run.losses("whole") == run.losses("stopped"))
        }
    }

    /// A preview that would take minutes does not hold up a stop, though only one rank was signalled.
    @Test func previewIsGivenUp() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let job = try run.start(
                2,
                run.command(
                    "stopped", "preview_every=1", "preview_count=1021", "checkpoint_every=0",
                    "diffusion.timesteps=1000", "diffusion.sampling_steps=1000"))
            #expect(waitUntil(60) { job.output.contains("step 1/6") }, "\(job.output)")
            usleep(200_000)
            kill(try #require(job.ranks.last), SIGUSR1)
            #expect(job.end(within: 30) == 75, "\(job.output)")
            #expect(job.output.contains("gave up the preview of step 1"), "\(job.output)")
            #expect(try run.newestStep("stopped") == 1)
        }
    }

    @Test func timeIsUp() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let command = run.command("stopped", "steps=1000000", "checkpoint_every=0") + ["--max-hours", "0.0005"]
            let result = try run.train(2, command)
            #expect(result.status == 75, "\(result.errors)")
            let step = try run.newestStep("stopped")
            #expect(result.errors.contains("stopped after step \(step) (the time is up)"), "\(result.errors)")
            let refused = try run.train(1, run.command("other") + ["--max-hours", "0"])
            #expect(refused.status == 64 && refused.errors.contains("--max-hours"), "\(refused.errors)")
        }
    }

    /// Sampling that would take minutes ends on all ranks, though only one was signalled, and leaves no file.
    @Test(arguments: [1, 2]) func samplingIsStopped(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("run", "steps=1"))
            let before = try FileManager.default.contentsOfDirectory(atPath: folder)
            let command = [
                product("smd"), "sample", run.checkpoint("run", step: 1), "--count", "1000000", "--steps", "100",
                "--output", run.path("samples.h5"),
            ]
            let log = run.path("run/log")
            let job = try Job(ranks == 1 ? command : ["mpirun", "-n", "\(ranks)"] + command, log: log)
            #expect(waitUntil(60) { job.output.contains("sampling 1,000,000 samples, 100 network") }, "\(job.output)")
            kill(try #require(job.ranks.last), SIGTERM)
            #expect(job.end(within: 30) == 75, "\(job.output)")
            #expect(job.output.contains("smd: error: SIGTERM: stopped sampling at "), "\(job.output)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == before)
        }
    }

    /// The first SIGINT lets a step end that takes minutes; the second does not.
    @Test func secondInterruptEndsAtOnce() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let job = try Job(
                run.command("slow", "batch_size=1048576"), log: run.path("log"))
            #expect(waitUntil(30) { job.output.contains("micro-batches") }, "\(job.output)")
            usleep(200_000)
            job.signal(SIGINT)
            usleep(500_000)
            #expect(job.isRunning)
            job.signal(SIGINT)
            #expect(job.end(within: 10) == 130, "\(job.output)")
        }
    }

    /// Waits until a step after `step` was recorded.
    private func waitUntilTraining(_ run: Run, _ output: String, after step: Int, _ job: Job) throws {
        let training = waitUntil(60) {
            usleep(20_000)
            return !job.isRunning || ((try? run.column("step", output).last) ?? 0) > Double(step)
        }
        #expect(training && job.isRunning, "\(job.output)")
    }
}
