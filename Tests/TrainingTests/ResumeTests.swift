import Foundation
import HDF5
import Storage
import TestSupport
import Testing

@Suite struct ResumeTests {
    /// A run in two parts ends with the bits of the run in one part, metrics included.
    @Test(arguments: [1, 2]) func resumedRunIsBitwiseTheSame(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(ranks, run.command("whole"))
            try run.train(ranks, run.command("parts", "steps=4"))
            let resumed = try run.train(ranks, run.command("parts", resume: "auto"))
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.output.contains("restored step 4"))
            try expectSameState(run, "whole", "parts", step: 6)
            #expect(try run.losses("parts").count == 6)
            #expect(try run.losses("whole") == run.losses("parts"))
        }
    }

    /// kill -9 at random moments, resumed until done: the bits of the run that was never stopped.
    @Test(arguments: [(1, false), (2, false), (2, true)])
    func killedRunIsBitwiseTheSame(ranks: Int, sharded: Bool) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let steps = "steps=200"
            try run.train(ranks, run.command("whole", steps))
            let command = run.command("killed", resume: "auto", steps, "optimizer.sharded=\(sharded)")
            var kills = 0
            for _ in 0..<4 {
                let restored = try newestStep(run, "killed")
                let target = restored + Int.random(in: 2...30)
                let process = try start(ranks == 1 ? command : ["mpirun", "-n", "\(ranks)"] + command)
                while process.isRunning, try newestStep(run, "killed") < target { usleep(1_000) }
                usleep(UInt32.random(in: 0..<20_000))
                if process.isRunning { kills += 1 }
                for child in children(of: process.processIdentifier) { kill(child, SIGKILL) }
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
            }
            let last = try run.train(ranks, command)
            #expect(last.status == 0, "\(last.errors)")
            #expect(kills == 4)
            try expectSameState(run, "whole", "killed", step: 200)
            #expect(try run.losses("whole") == run.losses("killed"))
        }
    }

    private func newestStep(_ run: Run, _ output: String) throws -> Int {
        try CheckpointFolder(path: run.path(output) + "/checkpoints").steps().max() ?? 0
    }

    /// SIGTERM stops after a step with a checkpoint and status 75; the run goes on from there.
    @Test func terminatedRunCanBeResumed() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let process = try start(run.command("stopped", "steps=1000000", "checkpoint_every=0"))
            let metrics = run.path("stopped/metrics.h5")
            while process.isRunning, !FileManager.default.fileExists(atPath: metrics) { usleep(10_000) }
            usleep(300_000)
            process.terminate()
            let deadline = Date().addingTimeInterval(60)
            while process.isRunning, Date() < deadline { usleep(10_000) }
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
            #expect(process.terminationStatus == 75)
            let steps = try CheckpointFolder(path: run.path("stopped/checkpoints")).steps()
            #expect(steps.count == 1)
            let end = (steps.first ?? 0) + 5
            let resumed = try run.train(1, run.command("stopped", resume: "auto", "steps=\(end)"))
            #expect(resumed.output.contains("restored step \(end - 5) of \(end)"), "\(resumed.errors)")
            try run.train(1, run.command("whole", "steps=\(end)", "checkpoint_every=0"))
            try expectSameState(run, "whole", "stopped", step: end)
        }
    }

    /// A damaged newest checkpoint is named and passed over.
    @Test func damagedCheckpointIsSkipped() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("whole"))
            try run.train(1, run.command("damaged", "steps=4"))
            let newest = run.checkpoint("damaged", step: 4)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: newest))
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: URL(fileURLWithPath: newest))
            let resumed = try run.train(1, run.command("damaged", resume: "auto"))
            #expect(resumed.status == 0 && resumed.errors.contains("step-00000004.h5"), "\(resumed.errors)")
            #expect(resumed.output.contains("restored step 2"))
            try expectSameState(run, "whole", "damaged", step: 6)
        }
    }

    private func start(_ command: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.merging(try localMPISettings()) { $1 }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    private func children(of parent: Int32) -> [Int32] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc") else { return [] }
        return names.compactMap { Int32($0) }.filter { pid in
            guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
                let end = stat.lastIndex(of: ")")
            else { return false }
            let fields = stat[end...].split(separator: " ")
            return fields.count > 2 && Int32(fields[2]) == parent
        }
    }
}

func pixels(_ path: String) throws -> [UInt8] {
    let file = try HDF5File.open(path)
    defer { try? file.close() }
    return try file.root.dataset("images").read(as: UInt8.self)
}
