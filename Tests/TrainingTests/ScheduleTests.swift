import Configuration
import Foundation
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

    /// The reference's average: a copy up to step 100, then every 10 steps min(0.995, 1 − (1 + n)^(−2/3)).
    @Test func averageWarmsUpAsTheReferenceDoes() {
        let average = EMAConfiguration()
        #expect(averageDecay(step: 1, average) == 0)
        #expect(averageDecay(step: 2, average) == nil)
        #expect(averageDecay(step: 101, average) == 0)
        #expect(averageDecay(step: 110, average) == nil)
        #expect(averageDecay(step: 111, average) == 1 - pow(11, -2.0 / 3.0))
        #expect(averageDecay(step: 1101, average) == 1 - pow(1001, -2.0 / 3.0))
        #expect(averageDecay(step: 10_001, average) == 0.995)
    }
}
