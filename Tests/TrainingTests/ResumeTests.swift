import Foundation
import HDF5
import Storage
import StorageSupport
import TestSupport
import Testing

@Suite struct ResumeTests {
    /// A run in two parts ends with the bits of the run in one part, metrics included.
    @Test(
        arguments: [1, 2],
        [
            [], Run.classes, Run.shifted, Run.shiftedByTable, Run.classifier, Run.autoencoder, Run.energyAtOutput,
            Run.mixture, Run.adm,
            Run.byLosses,
            Run.ofLatents, Run.conditioned, Run.adversarial, Run.finest, Run.coarsest, Run.density,
        ])
    func resumedRunIsBitwiseTheSame(
        ranks: Int, settings: [String]
    ) throws {
        try withTemporaryDirectory { folder in
            let run =
                try settings == Run.ofLatents
                ? Run(latentsIn: folder) : Run(in: folder, classes: 3, conditions: settings == Run.conditioned)
            try run.trainHere("whole", ranks: ranks, settings: settings)
            try run.trainHere("parts", ranks: ranks, settings: settings + ["steps=4"])
            let resumed = try run.trainHere("parts", ranks: ranks, resume: "auto", settings: settings)
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.errors.contains("restored step 4"))
            try expectSameState(run, "whole", "parts", step: 6)
            #expect(try run.losses("parts").count == 6)
            #expect(try run.losses("whole") == run.losses("parts"))
        }
    }

    /// SIGTERM stops after a step with a checkpoint and status 75; the run goes on from there.
    @Test func terminatedRunCanBeResumed() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let job = try Job(run.command("stopped", "steps=1000000", "checkpoint_every=0"), log: run.path("log"))
            let metrics = run.path("stopped/metrics.h5")
            waitUntil(60) { !job.isRunning || FileManager.default.fileExists(atPath: metrics) }
            usleep(300_000)
            job.signal(SIGTERM)
            #expect(job.end() == 75, "\(job.output)")
            let steps = try CheckpointFolder(path: run.path("stopped/checkpoints")).steps()
            #expect(steps.count == 1)
            let end = (steps.first ?? 0) + 5
            let resumed = try run.train(1, run.command("stopped", resume: "auto", "steps=\(end)"))
            #expect(resumed.errors.contains("restored step \(end - 5) of \(end)"), "\(resumed.errors)")
            try run.train(1, run.command("whole", "steps=\(end)", "checkpoint_every=0"))
            try expectSameState(run, "whole", "stopped", step: end)
        }
    }

    /// A damaged newest checkpoint is named and passed over.
    @Test func damagedCheckpointIsSkipped() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("whole")
            try run.trainHere("damaged", settings: ["steps=4"])
            let newest = run.checkpoint("damaged", step: 4)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: newest))
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: URL(fileURLWithPath: newest))
            let resumed = try run.trainHere("damaged", resume: "auto")
            #expect(resumed.status == 0 && resumed.errors.contains("step-00000004.h5"), "\(resumed.errors)")
            #expect(resumed.errors.contains("restored step 2"))
            try expectSameState(run, "whole", "damaged", step: 6)
        }
    }
}

func pixels(_ path: String) throws -> [UInt8] {
    let file = try HDF5File.open(path)
    defer { try? file.close() }
    return try file.root.dataset("images").read(as: UInt8.self)
}
