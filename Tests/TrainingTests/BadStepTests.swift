import Foundation
import Storage
import StorageSupport
import TestSupport
import Testing

/// Steps whose gradient is not finite: a run goes on from a checkpoint of step 2 with weights that overflow.
@Suite struct BadStepTests {
    private static let layer = "model.init_conv.weight"

    /// Path of the checkpoint.
    private func spoiled(_ run: Run) throws -> String {
        try run.trainHere("good", settings: ["steps=2"])
        var state = try Checkpoint.read(run.checkpoint("good", step: 2))
        let place = try #require(state["parameters"].firstIndex { $0.name == Self.layer })
        for i in state["parameters"][place].values.indices { state["parameters"][place].values[i] = 3e38 }
        let path = run.path("spoiled.h5")
        try state.write(to: path)
        return path
    }

    /// The message says which step, which rank, which samples and which layer, once, and the job ends.
    @Test(arguments: [1, 2, 4]) func aBadStepEndsTheRun(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try run.train(ranks, run.command("bad", resume: spoiled(run)))
            let errors = result.errors.split(separator: "\n").filter { $0.contains("smd: error: ") }
            #expect(result.status == 1 && errors.count == 1, "\(result.errors)")
            let error = errors.first ?? ""
            #expect(error.contains("the gradient of step 3 is not finite (rank 0 on host "), "\(error)")
            #expect(error.contains(", samples ") && error.contains(" with \(Self.layer) on"), "\(error)")
        }
    }

    /// Skipped steps leave the state as it is, have their rows, and are told of.
    @Test(arguments: [1, 2]) func badStepsCanBeSkipped(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try run.trainHere(
                "skipped", ranks: ranks, resume: spoiled(run),
                settings: ["on_bad_step=skip", "checkpoint_every=1", "keep_checkpoints=9"])
            #expect(result.status == 0, "\(result.errors)")
            let told = result.errors.split(separator: "\n").filter { $0.contains("the step is skipped") }
            #expect(told.count == 4, "\(result.errors)")
            let states = try [3, 4, 6].map { try Checkpoint.read(run.checkpoint("skipped", step: $0)) }
            let firstMoment = "optimizer/first_moment"
            for state in states.dropFirst() {
                #expect(firstDifference(states[0]["parameters"], state["parameters"]) == nil)
                #expect(firstDifference(states[0][firstMoment], state[firstMoment]) == nil)
            }
            let norms = try run.column("gradient_norm", "skipped")
            #expect(norms.count == 4 && norms.allSatisfy { !$0.isFinite }, "\(norms)")
            #expect(states[0]["parameters"].first { $0.name == Self.layer }?.values.first == 3e38)
        }
    }

    @Test func endlessBadStepsEndTheRun() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let result = try run.trainHere("endless", resume: spoiled(run), settings: ["on_bad_step=skip", "steps=30"])
            #expect(result.status == 1, "\(result.errors)")
            #expect(result.errors.contains("the gradient of step 13 is not finite"), "\(result.errors)")
            #expect(result.errors.contains(", the 11th in a row"), "\(result.errors)")
        }
    }

    /// Comparing the ranks does not change anything, and finds nothing where nothing is wrong.
    @Test(arguments: [2, 4]) func soundRanksAgree(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("unchecked", ranks: ranks, settings: ["check_ranks_every=0"])
            let result = try run.trainHere(
                "checked", ranks: ranks, settings: ["check_ranks_every=1", "optimizer.sharded=true"])
            #expect(result.status == 0, "\(result.errors)")
            try expectSameState(run, "unchecked", "checked", step: 6)
        }
    }
}
