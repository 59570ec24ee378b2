import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// A disk that fills up while training goes on, and is made free again.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct FullDiskTests {
    @Test(.enabled(if: Ability.mounting.isGiven, "\(Ability.mounting)"))
    func trainingGoesOnAndCatchesUp() throws {
        try withTemporaryDirectory { folder in
            try withSmallDisk(bytes: 12 << 20) { disk in
                let run = try Run(in: folder)
                #expect(symlink(disk, run.path("out")) == 0)
                try check(
                    run, command(run), fill: { try fill(disk) }, free: { _ in #expect(unlink(disk + "/ballast") == 0) })
            }
        }
    }

    /// Files that may not grow past a limit say it in another way than a full disk: libhdf5's own writes fail.
    @Test func aLimitOfFileSizesIsNoEnd() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try check(
                run, ["prlimit", "--fsize=250000:unlimited"] + command(run), fill: {},
                free: { pid in
                    let lifted = try TestSupport.run(["prlimit", "--pid", "\(pid)", "--fsize=unlimited"], timeout: 20)
                    #expect(lifted.status == 0, "\(lifted.errors)")
                })
        }
    }

    private func command(_ run: Run) -> [String] {
        run.command("out", "steps=1000000", "checkpoint_every=25", "log_every=1")
    }

    private func fill(_ disk: String) throws {
        let file = open(disk + "/ballast", O_WRONLY | O_CREAT, 0o600)
        defer { close(file) }
        for size in [1 << 20, 4096, 1] {
            let block = [UInt8](repeating: 1, count: size)
            while write(file, block, size) == size {}
        }
    }

    private func check(_ run: Run, _ command: [String], fill: () throws -> Void, free: (Int32) throws -> Void) throws {
        let training = try Background(command, in: run.folder, name: "log")
        let checkpoints = CheckpointFolder(path: run.path("out/checkpoints"))
        func newest() throws -> Int { try checkpoints.newestVerified { Issue.record("\($0)") }?.header.step ?? 0 }
        func isWaiting() -> Bool {
            training.errors.contains("could not be saved, training goes on")
                && training.errors.contains("metrics wait in memory, training goes on")
        }
        #expect(try training.waits { try isWaiting() || checkpoints.steps().count > 2 }, "\(training.errors)")
        try fill()
        #expect(training.waits { isWaiting() }, "\(training.errors)")
        // It does go on.
        func steps() -> Int { training.errors.split(separator: "\n").count { $0.hasPrefix("step ") } }
        let then = steps()
        #expect(training.waits { steps() > then + 100 }, "\(training.errors)")
        let before = try newest()
        try free(training.pid)
        #expect(training.waits { training.errors.contains("metrics are written again") }, "\(training.errors)")
        #expect(try training.waits { try checkpoints.steps().max() ?? 0 > before + 25 }, "\(training.errors)")
        #expect(training.end(SIGTERM) == 75, "\(training.errors)")
        let last = try newest()
        #expect(last > before + 100)
        // Every step once, though no disk took them for a while.
        let rows = try MetricsTable.read(run.path("out/metrics.h5")).steps
        let isComplete = rows == Array(1...last)
        #expect(isComplete, "\(rows.count) rows up to \(rows.last ?? 0), the checkpoint is of step \(last)")
        let names = try FileManager.default.contentsOfDirectory(atPath: run.path("out/checkpoints"))
        #expect(!names.contains { $0.contains(".tmp-") })
    }
}
