import Foundation
import HDF5
import Sampling
import Storage
import StorageSupport
import TensorGraph
import TestSupport
import Testing
import Training

/// `precision` of a run: what runs, what is told, and that it keeps the promises of float32.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct TrainingPrecisionTests {
    private static let emulated = "precision=bf16-emulated"
    private static let exact = [
        "batch_size=16", "micro_batch_size=1", "reduction=exact", "checkpoint_every=0", emulated,
    ]
    private let isNative = JobPrecision(.bf16).notice == nil

    private func warnings(_ errors: String) -> [Substring] {
        errors.split(separator: "\n").filter { $0.contains("smd: warning:") && $0.contains("bf16") }
    }

    @Test func ranksDecideTogether() {
        func job(_ wanted: Precision, _ lacking: [(rank: Int, host: String)]) -> JobPrecision {
            JobPrecision(wanted, lacking: lacking, ranks: 4)
        }
        let old = [(rank: 1, host: "b"), (rank: 3, host: "d")]
        #expect(job(.bf16, []).precision == .bf16 && job(.bf16, []).notice == nil)
        for precision in [Precision.fp32, .bf16Emulated] {
            #expect(job(precision, old).precision == precision && job(precision, old).notice == nil)
        }
        let one = job(.bf16, [old[0]])
        #expect(one.precision == .fp32)
        #expect(one.notice?.contains("runs in fp32: the processor of rank 1 on host b has no fast bf16") == true)
        #expect(one.notice?.contains("bf16-emulated") == true)
        #expect(job(.bf16, old).notice?.contains("rank 1 on host b and 1 other have no fast bf16") == true)
    }

    /// Without the instructions one line says so, and the run is that of float32 to the bit.
    @Test(arguments: [1, 2]) func whatTheProcessorLacksRunsInFloat32(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try run.train(ranks, run.command("asked", "precision=bf16"))
            #expect(result.status == 0, "\(result.errors)")
            let told = warnings(result.errors)
            #expect(told.count == (isNative ? 0 : 1), "\(result.errors)")
            #expect(told.allSatisfy { $0.contains("no fast bf16") })
            #expect(result.errors.contains(isNative ? "sums, bf16; steps" : "sums, fp32; steps"), "\(result.errors)")
            try run.train(ranks, run.command("plain"))
            if !isNative { try expectSameState(run, "asked", "plain", step: 6) }
            let ran = try Checkpoint.read(run.checkpoint("asked", step: 6)).header.attributes["precision"]
            #expect(ran == .string(isNative ? "bf16" : "fp32"))
        }
    }

    /// Two parts are the bits of one; and not those of float32.
    @Test(arguments: [1, 2]) func resumedRunIsBitwiseTheSame(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let whole = try run.train(ranks, run.command("whole", Self.emulated))
            #expect(whole.status == 0 && warnings(whole.errors).isEmpty, "\(whole.errors)")
            #expect(whole.errors.contains("sums, bf16-emulated; steps"), "\(whole.errors)")
            try run.train(ranks, run.command("parts", "steps=4", Self.emulated))
            let resumed = try run.train(ranks, run.command("parts", resume: "auto", Self.emulated))
            #expect(resumed.errors.contains("restored step 4") && warnings(resumed.errors).isEmpty, "\(resumed.errors)")
            try expectSameState(run, "whole", "parts", step: 6)
            #expect(try run.losses("whole") == run.losses("parts"))
            try run.train(ranks, run.command("plain"))
            let (a, b) = (try run.losses("whole"), try run.losses("plain"))
            #expect(a.count == b.count && zip(a, b).allSatisfy { $0 != $1 && abs($0 - $1) < 0.02 * $1 }, "\(a), \(b)")
        }
    }

    /// Another precision than before is allowed, and told.
    @Test func resumingInAnotherPrecisionIsTold() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.train(1, run.command("out", "steps=4", Self.emulated))
            let changed = try run.train(1, run.command("out", resume: "auto"))
            #expect(changed.status == 0, "\(changed.errors)")
            let told = warnings(changed.errors)
            #expect(told.count == 1, "\(changed.errors)")
            #expect(told.first?.contains("was trained with another precision (bf16-emulated before, fp32 now)") == true)
            #expect(try run.losses("out").count == 6)
        }
    }

    /// The same bits on any number of ranks and threads, with exact sums.
    @Test func sameBitsOnAnyNumberOfRanksAndThreads() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            func train(_ output: String, _ ranks: Int, threads: Int = 1) throws {
                let command = run.command(output, settings: Self.exact) + ["--threads", "\(threads)"]
                let result = try run.train(ranks, command)
                #expect(result.status == 0 && result.errors.contains("exact sums, bf16-emulated"), "\(result.errors)")
            }
            try train("alone", 1)
            try train("ranks", 2)
            try train("threads", 1, threads: 2)
            for other in ["ranks", "threads"] {
                try expectSameState(run, "alone", other, step: 6)
                #expect(try run.losses("alone") == run.losses(other))
            }
        }
    }

    /// Samples are drawn in the precision of the run unless another is asked for; the file says in which.
    @Test func samplesFollowTheCheckpoint() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(points: (0..<80).map { Float($0 % 9) / 9 }, in: folder)
            try run.train(1, run.command("out", Self.emulated))
            func sample(_ name: String, _ arguments: String...) throws -> (precision: String?, points: [Float]) {
                let command =
                    [product("smd"), "sample", run.checkpoint("out", step: 6), "--count", "2", "--output"]
                    + [run.path(name)] + arguments
                let result = try TestSupport.run(command, timeout: 60)
                #expect(result.status == 0, "\(result.errors)")
                let file = try HDF5File.open(run.path(name))
                defer { try? file.close() }
                let points = try file.root.dataset("points").read(as: Float.self)
                guard case .string(let precision) = try file.root.attribute("precision") else { return (nil, points) }
                #expect(result.errors.contains("each, \(precision)"), "\(result)")
                return (precision, points)
            }
            let (own, full) = (try sample("a.h5"), try sample("b.h5", "--precision", "fp32"))
            #expect(own.precision == "bf16-emulated" && full.precision == "fp32")
            #expect(own.points == (try sample("c.h5", "--precision", "bf16-emulated").points))
            #expect(zip(own.points, full.points).allSatisfy { $0 != $1 && abs($0 - $1) < 0.1 }, "\(own), \(full)")
            let native = try sample("d.h5", "--precision", "bf16")
            #expect(native.precision == (isNative ? "bf16" : "fp32"))
            #expect(isNative || native.points == full.points)
        }
    }

    /// `smd plan` names what would run here.
    @Test func planSaysWhatRuns() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            func plan(_ precision: String) throws -> [String: Any] {
                let result = try TestSupport.run(
                    [product("smd"), "plan", run.config, "--json", "--set", "precision=\(precision)"]
                        + ["--set", "data=\(run.data)"], timeout: 60)
                return try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any] ?? [:]
            }
            #expect(try plan("bf16-emulated")["precision"] as? String == "bf16-emulated")
            let asked = try plan("bf16")
            #expect(asked["precision"] as? String == (isNative ? "bf16" : "fp32"))
            #expect((asked["precision_notice"] == nil) == isNative)
            // Rounded copies of activations and weights count.
            func working(_ plan: [String: Any]) -> Int { (plan["memory"] as? [String: Int])?["working_bytes"] ?? 0 }
            #expect(try working(plan("bf16-emulated")) > working(plan("fp32")))
        }
    }
}
