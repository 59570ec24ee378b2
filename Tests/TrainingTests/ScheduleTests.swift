import Configuration
import Foundation
import StorageSupport
import TestSupport
import Testing
import Training

@Suite struct ScheduleTests {
    /// Every image once an epoch, in another order each epoch, also where batches straddle epochs.
    @Test func everySampleOnceAnEpoch() {
        var order = EpochOrder(seed: 5, count: 37)
        var epochs: [[Int]] = [[], [], []]
        for position in 0..<3 * 37 {
            let sample = order.sample(at: position)
            #expect(sample.epoch == position / 37 && sample.place == position % 37)
            epochs[sample.epoch].append(sample.index)
        }
        for epoch in epochs { #expect(epoch.sorted() == Array(0..<37)) }
        #expect(epochs[0] != epochs[1] && epochs[1] != epochs[2])
        // A rank that starts anywhere, and goes back and forth, sees the same stream.
        var other = EpochOrder(seed: 5, count: 37)
        for position in [100, 3, 40, 73, 74, 0] {
            #expect(other.sample(at: position).index == epochs[position / 37][position % 37])
        }
    }

    /// With pools too; and a chunk's samples are all wanted while a pool lasts, mixed with those of the pool's others.
    @Test(arguments: [37, 40, 4, 1000]) func chunksComePoolByPool(count: Int) {
        let pools = EpochOrder.Pools(chunkSamples: 4, chunks: 3)
        var order = EpochOrder(seed: 5, count: count, pools: pools)
        var epochs: [[Int]] = [[], []]
        for position in 0..<2 * count {
            let sample = order.sample(at: position)
            #expect(sample.epoch == position / count && sample.place == position % count)
            epochs[sample.epoch].append(sample.index)
        }
        for epoch in epochs {
            #expect(epoch.sorted() == Array(0..<count))
            for chunk in 0..<(count + 3) / 4 {
                let places = epoch.indices.filter { epoch[$0] / 4 == chunk }
                #expect((places.last ?? 0) - places[0] < 12)
            }
        }
        if count > 12 {
            #expect(epochs[0] != epochs[1])
            // Not chunk after chunk.
            #expect((0..<12).contains { $0 > 0 && epochs[0][$0] / 4 != epochs[0][$0 - 1] / 4 && $0 % 4 != 0 })
        }
        var other = EpochOrder(seed: 5, count: count, pools: pools)
        for position in [2 * count - 1, 3, count, 0, count - 1, count / 2] {
            #expect(other.sample(at: position).index == epochs[position / count][position % count])
        }
    }

    /// The reference's average: a copy up to step 100, then every 10 steps min(0.995, 1 − (1 + n)^(−2/3)).
    @Test func averageWarmsUpAsTheReferenceDoes() {
        let average = EMAConfiguration()
        #expect(averageDecay(step: 1, average, batch: 8) == 0)
        #expect(averageDecay(step: 2, average, batch: 8) == nil)
        #expect(averageDecay(step: 101, average, batch: 8) == 0)
        #expect(averageDecay(step: 110, average, batch: 8) == nil)
        #expect(averageDecay(step: 111, average, batch: 8) == 1 - pow(11, -2.0 / 3.0))
        #expect(averageDecay(step: 1101, average, batch: 8) == 1 - pow(1001, -2.0 / 3.0))
        #expect(averageDecay(step: 10_001, average, batch: 8) == 0.995)
    }

    /// By half-life: 2^(−images of an update / half-life), the half-life at most a share of the images seen before.
    @Test func averageHalvesByImages() {
        var average = EMAConfiguration()
        (average.every, average.start, average.halfLifeImages) = (1, 0, 1000)
        #expect(averageDecay(step: 1, average, batch: 100) == 0)
        // 0.05 · 100 images seen: a half-life of 5.
        #expect(averageDecay(step: 2, average, batch: 100) == exp2(-20))
        #expect(averageDecay(step: 101, average, batch: 100) == exp2(-100.0 / 500))
        #expect(averageDecay(step: 10_001, average, batch: 100) == exp2(-0.1))
        average.ramp = 0
        #expect(averageDecay(step: 2, average, batch: 100) == exp2(-0.1))
        average.every = 10
        #expect(averageDecay(step: 2, average, batch: 100) == nil && averageDecay(step: 11, average, batch: 100) == 0.5)
        (average.start, average.decay) = (50, 0.1)
        #expect(averageDecay(step: 41, average, batch: 100) == 0 && averageDecay(step: 61, average, batch: 100) == 0.5)
    }

    /// A line up, then level, a line down, or half a cosine.
    @Test func learningRateRisesAndFalls() throws {
        func rates(_ settings: String...) throws -> [Double] {
            let text = "{learning_rate: 2, steps: 10}"
            let configuration = try RunConfiguration.load(text: text, name: "test", overrides: settings)
            return (1...10).map { learningRate(step: $0, configuration) }
        }
        #expect(try rates() == [Double](repeating: 2, count: 10))
        #expect(try rates("learning_rate_warmup=4") == [0.5, 1, 1.5] + [Double](repeating: 2, count: 7))
        let linear = try rates("learning_rate_decay=linear", "learning_rate_end=1")
        for (rate, wanted) in zip(linear, [2, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1]) {
            #expect(abs(rate - wanted) < 1e-15)
        }
        let cosine = try rates("learning_rate_decay=cosine", "learning_rate_warmup=2")
        #expect(cosine[0] == 1 && cosine[1] == 2 && cosine[2] == 2)
        #expect(abs(cosine[6] - 1) < 1e-15 && abs(cosine[4] - 2 * (1 + 0.5.squareRoot()) / 2) < 1e-15)
        #expect(cosine.dropFirst(2) == cosine.dropFirst(2).sorted(by: >)[...] && (cosine.last ?? 0) > 0)
        // A warm-up that is longer than the run, and a run of one step.
        #expect(try rates("learning_rate_warmup=20", "learning_rate_decay=linear").last == 1)
        var short = RunConfiguration()
        (short.steps, short.learningRateDecay, short.learningRate) = (1, .cosine, 3)
        #expect(learningRate(step: 1, short) == 3)
    }

    /// The metrics show what Adam was given, and a run resumes in the middle of a schedule.
    @Test func theScheduleIsThatOfTheRun() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            let settings = ["learning_rate_warmup=2", "learning_rate_decay=linear", "ema.half_life_images=20"]
            try run.trainHere("whole", settings: settings)
            #expect(try run.column("learning_rate", "whole") == [5e-4, 1e-3, 1e-3, 7.5e-4, 5e-4, 2.5e-4])
            try run.trainHere("level", settings: ["steps=1"])
            // Adam's first step moves a parameter by the rate, whatever the gradient.
            func largestMove(_ output: String) throws -> Double {
                let table = try Checkpoint.read(run.checkpoint(output, step: 1))
                let start = try Checkpoint.read(run.checkpoint("start", step: 1))
                return zip(table["parameters"], start["parameters"]).flatMap { a, b in
                    zip(a.values, b.values).map { abs(Double($0) - Double($1)) }
                }.max() ?? 0
            }
            try run.trainHere("start", settings: ["steps=1", "learning_rate=1e-9"])
            try run.trainHere("warm", settings: ["steps=1", "learning_rate_warmup=4"])
            #expect(abs(try largestMove("level") - 1e-3) < 2e-6)
            #expect(abs(try largestMove("warm") - 2.5e-4) < 2e-6)
            let longer = try run.trainHere("whole", resume: "auto", settings: settings + ["steps=8"])
            #expect(longer.status == 0 && longer.errors.contains("another steps (6 before, 8 now)"), "\(longer.errors)")
        }
    }
}
