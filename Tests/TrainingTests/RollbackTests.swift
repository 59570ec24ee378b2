import Foundation
import Philox
import Storage
import StorageSupport
import TestSupport
import Testing
import Training

/// Steps that are bad because of one sample of the data set: the run goes back to a checkpoint and passes it over.
@Suite struct RollbackTests {
    private static let outlier = 11
    private static let settings = ["steps=50", "checkpoint_every=10", "keep_checkpoints=9", "on_bad_step=rollback"]

    /// 400 points, 50 steps an epoch; one of them is at (`value`, `value`).
    private func run(outlier value: Float, in folder: String) throws -> Run {
        let stream = RandomStream(seed: 4, purpose: .data)
        var points = stream.normals(count: 800, epoch: 0, position: 0)
        points[2 * Self.outlier] = value
        points[2 * Self.outlier + 1] = value
        return try Run(points: points, classes: 3, in: folder)
    }

    /// The step of the first epoch that has the outlier.
    private var badStep: Int {
        var order = EpochOrder(seed: 0, count: 400)
        let place = (0..<400).first { order.sample(at: $0).index == Self.outlier } ?? 0
        return place / 8 + 1
    }

    /// Goes back to the checkpoint before the step and on with the samples after it: as if resumed by hand from a
    /// checkpoint that has seen them. The same bits on any number of ranks.
    @Test(arguments: [1, 2, 4]) func aStepThatIsNotFiniteIsRolledBack(ranks: Int) throws {
        try withTemporaryDirectory { folder in
            let run = try run(outlier: 1e30, in: folder)
            let result = try run.trainHere("rolled", ranks: ranks, settings: Self.settings)
            #expect(result.status == 0, "\(result.errors)")
            let good = (badStep - 1) / 10 * 10
            let told = result.errors.split(separator: "\n").filter { $0.contains("rolled back") }
            #expect(told.count == 1, "\(result.errors)")
            let line = String(told.first ?? "")
            #expect(line.contains("the gradient of step \(badStep) is not finite (rank "), "\(line)")
            #expect(
                line.contains("from step \(badStep) to step \(good), and \((badStep - good) * 8) samples are"),
                "\(line)")
            #expect(line.contains(", \(Self.outlier), ") || line.contains("samples \(Self.outlier), "), "\(line)")
            let table = try MetricsTable.read(run.path("rolled/metrics.h5"))
            #expect(table.steps == Array(1...50))
            #expect(table.column("gradient_norm")?.allSatisfy(\.isFinite) == true)
            #expect(table.column("skipped")?.allSatisfy { $0 == 0 } == true)

            var state = try Checkpoint.read(run.checkpoint("rolled", step: good))
            #expect(state.header.attributes["samples_seen"] == .integer(good * 8))
            state.header.attributes["samples_seen"] = .integer(badStep * 8)
            try state.write(to: run.path("by-hand.h5"))
            try run.trainHere("reference", resume: run.path("by-hand.h5"), settings: Self.settings)
            try expectSameState(run, "reference", "rolled", step: 50)
            #expect(try Array(run.losses("rolled").suffix(50 - good)) == run.losses("reference"))
        }
    }

    /// A spike is one wherever the run was stopped before: what is normal is taken from the metrics again.
    @Test(arguments: [(1, []), (2, []), (2, Run.classifier), (2, Run.energy.filter { !$0.contains("windows") })])
    func aSpikeIsRolledBackAlsoAfterResumes(ranks: Int, trained: [String]) throws {
        try withTemporaryDirectory { folder in
            let run = try run(outlier: 1000, in: folder)
            let settings = Self.settings + trained + ["spike_factor=8"]
            let whole = try run.trainHere("whole", ranks: ranks, settings: settings)
            #expect(whole.status == 0, "\(whole.errors)")
            let told = whole.errors.split(separator: "\n").filter { $0.contains("rolled back from step \(badStep)") }
            #expect(told.count == 1, "\(whole.errors)")
            let line = String(told.first ?? "")
            #expect(line.contains("step \(badStep) has a spike in "), "\(whole.errors)")
            #expect(line.contains(" times the median of the last "), "\(line)")
            #expect(
                line.contains("\(Self.outlier)") && line.contains("largest gradient is that of "),
                "\(line)")
            // Before the spike, where fewer than 20 steps follow; and after it, before the next checkpoint.
            for steps in [badStep - 5, badStep + 2, 50] {
                let part = try run.trainHere(
                    "parts", ranks: steps == 50 ? 1 : ranks, resume: "auto", settings: settings + ["steps=\(steps)"])
                #expect(part.status == 0, "\(part.errors)")
            }
            try expectSameState(run, "whole", "parts", step: 50)
            #expect(try run.losses("whole") == run.losses("parts"))
        }
    }

    /// With `skip` a spike changes nothing, has its row, and is marked there.
    @Test func aSpikeCanBeSkipped() throws {
        try withTemporaryDirectory { folder in
            let run = try run(outlier: 1000, in: folder)
            let settings = Self.settings + ["spike_factor=8", "on_bad_step=skip"]
            let result = try run.trainHere("skipped", settings: settings)
            #expect(result.status == 0 && result.errors.contains("the step is skipped"), "\(result.errors)")
            let skipped = try run.column("skipped", "skipped")
            #expect(skipped.indices.filter { skipped[$0] == 1 } == [badStep - 1])
        }
    }

    /// A state that is bad itself cannot be helped so: after three tries the run ends.
    @Test func rollingBackEnds() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            try run.trainHere("good", settings: ["steps=2"])
            var state = try Checkpoint.read(run.checkpoint("good", step: 2))
            for i in state["parameters"][0].values.indices { state["parameters"][0].values[i] = 3e38 }
            try state.write(to: run.path("spoiled.h5"))
            let result = try run.trainHere(
                "bad", resume: run.path("spoiled.h5"), settings: ["on_bad_step=rollback", "steps=30"])
            #expect(result.status == 1, "\(result.errors)")
            let told = result.errors.split(separator: "\n").filter {
                $0.contains("is rolled back from step 3 to step 2")
            }
            #expect(told.count == 3, "\(result.errors)")
            #expect(result.errors.contains(", after 3 rollbacks without a newer checkpoint: "), "\(result.errors)")
        }
    }

    /// What counts as a spike: far above the median of the last good steps, once there are enough.
    @Test func spikesAreJudgedByTheMedian() {
        var history = StepHistory(spikeFactor: 4)
        for step in 1..<StepHistory.fewest {
            #expect(history.judge(loss: step == 7 ? 100 : 1, gradientNorm: 2) == .good)
        }
        #expect(history.judge(loss: 1, gradientNorm: 2) == .good)
        #expect(history.judge(loss: 3.9, gradientNorm: 7.9) == .good)
        #expect(history.judge(loss: 1, gradientNorm: .nan) == .notFinite)
        #expect(history.judge(loss: .infinity, gradientNorm: 2) == .notFinite)
        #expect(history.badStepsInARow == 2)
        guard case .spike(let loss) = history.judge(loss: 4.1, gradientNorm: 2) else {
            Issue.record("no spike")
            return
        }
        #expect(loss == "loss, 4.1, 4.1 times the median of the last 21 good steps")
        guard case .spike(let norm) = history.judge(loss: 1, gradientNorm: 9) else {
            Issue.record("no spike")
            return
        }
        #expect(norm == "gradient norm, 9, 4.5 times the median of the last 21 good steps")
        #expect(history.judge(loss: 1, gradientNorm: 2) == .good && history.badStepsInARow == 0)
        // Another level becomes normal with time.
        for _ in 0..<200 { #expect(history.judge(loss: 3, gradientNorm: 6) == .good) }
        #expect(history.judge(loss: 11, gradientNorm: 6) == .good)
        var careless = StepHistory(spikeFactor: 0)
        for _ in 0..<30 { #expect(careless.judge(loss: 1, gradientNorm: 1) == .good) }
        #expect(careless.judge(loss: 1e9, gradientNorm: 1e9) == .good)
    }
}
