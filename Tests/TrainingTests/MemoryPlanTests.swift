import Foundation
import Storage
import TestSupport
import Testing

/// What `smd plan` says about memory, against what a run takes.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct MemoryPlanTests {
    /// Large enough that what the run allocates counts beside program and libraries.
    private static let settings =
        ["model.dim=32", "batch_size=32", "micro_batch_size=16", "preview_every=1000"] + Run.averages

    private func plan(_ run: Run, _ arguments: String...) throws -> [String: Int] {
        let command =
            [product("smd"), "plan", run.config, "--json"] + arguments
            + (Self.settings + ["data=\(run.data)"]).flatMap { ["--set", $0] }
        let result = try TestSupport.run(command, timeout: 60)
        let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
        return object?["memory"] as? [String: Int] ?? [:]
    }

    /// The peak of a run that saves a checkpoint and a snapshot of averages after every step, read while it goes on.
    @Test(arguments: ["fp32", "bf16-emulated"]) func planIsWithinFivePercentOfARun(precision: String) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            // The data set is part of the program, and nothing is shared.
            let parts = try plan(run, "--set", "precision=\(precision)").filter {
                !["data_bytes", "shared_bytes"].contains($0.key)
            }
            #expect(parts.count == 6)
            let planned = Double(parts.values.reduce(0, +))
            let settings = Self.settings + ["steps=1000000", "checkpoint_every=1", "precision=\(precision)"]
            let process = Process()
            process.executableURL = URL(fileURLWithPath: product("smd"))
            process.arguments = Array(run.command("out").dropFirst()) + settings.flatMap { ["--set", $0] }
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            defer {
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
            }
            while process.isRunning, !FileManager.default.fileExists(atPath: run.checkpoint("out", step: 4)) {
                usleep(5_000)
            }
            let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            let peak = 1024 * (line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Double($0) } ?? 0)
            #expect(abs(planned - peak) <= 0.05 * peak, "planned \(planned / 1e6) MB, the run took \(peak / 1e6) MB")
        }
    }

    /// Of moments and averages, which are all arenas but parameters and gradients, a rank of two holds half.
    @Test func shardsSaveWhatIsSaid() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let whole = try plan(run, "--ranks", "2")["state_bytes"] ?? 0
            let sharded = try plan(run, "--ranks", "2", "--set", "optimizer.sharded=true")["state_bytes"] ?? 0
            let divided = ArenaRole.all(widths: [0.05, 0.1]).count(where: \.isSharded)
            let arena = whole / (2 + divided)
            #expect(whole > 1 << 20 && whole == (2 + divided) * arena && divided >= 3)
            #expect(abs(sharded - (2 * arena + divided * arena / 2)) <= divided * 64, "\(sharded) of \(whole)")
            let text = try TestSupport.run(
                [product("smd"), "plan", run.config, "--ranks", "2", "--set", "data=\(run.data)"], timeout: 60)
            #expect(text.output.contains("optimizer.sharded=true would save"), "\(text.errors)")
        }
    }
}
