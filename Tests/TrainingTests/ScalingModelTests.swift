import Foundation
import Planning
import Testing
import Training

/// The arithmetic of the cost model, with numbers that can be followed by hand.
@Suite struct ScalingModelTests {
    /// Two buckets of 1 MB over 1 MB/s links, 0.1 s a message; a micro-batch of 10 s in 100 operations.
    private func model(
        ranks: Int, ranksPerHost: Int = 1, sharded: Bool = false, copyRate: Double = .infinity,
        stackRate: Double = .infinity, latency: Double = 0.1
    ) -> ScalingModel {
        var model = ScalingModel(
            ranks: ranks, microBatches: 3, microBatchSeconds: 10, operations: 100,
            buckets: [BucketTiming(bytes: 1e6, readyAt: 0.5), BucketTiming(bytes: 1e6, readyAt: 1)],
            fabric: Fabric(
                bandwidth: 1e6, latency: latency, ranksPerHost: ranksPerHost, copyRate: copyRate,
                stackRate: stackRate))
        (model.updateSeconds, model.unshardedUpdate, model.sharded, model.imbalance) = (1, 0.5, sharded, 0)
        return model
    }

    private func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-9 * max(1, abs(b)) }

    @Test func oneRankComputesAndUpdates() {
        let step = model(ranks: 1).predict()
        #expect(step.seconds == 31 && step.exposed == 0 && step.copies == 0 && step.imbalance == 0)
    }

    @Test func halvingAndDoublingSendsTwiceTheBuffer() {
        #expect(model(ranks: 4).sentBytes(allReduce: 1e6) == (0, 1.5e6))
        #expect(model(ranks: 4, ranksPerHost: 2).sentBytes(allReduce: 1e6) == (1e6, 0.5e6))
        // 1.5 MB at 1 MB/s and 2 log₂ 4 messages.
        #expect(close(model(ranks: 4).linkSeconds(allReduce: 1e6), 1.5 + 0.4))
        // ⌈log₂ 5⌉ = 3.
        #expect(close(model(ranks: 5).linkSeconds(allReduce: 1e6), 1.6 + 0.6))
    }

    @Test func neighboursNeedNoLink() {
        #expect(model(ranks: 4, ranksPerHost: 4).linkSeconds(allReduce: 1e6) == 0)
        #expect(model(ranks: 4, ranksPerHost: 8).linkSeconds(allReduce: 1e6) == 0)
        // Two hosts of 4: each link carries 2 (1 − 4/8) MB, and 2 of the 6 rounds leave the host.
        #expect(close(model(ranks: 8, ranksPerHost: 4).linkSeconds(allReduce: 1e6), 1 + 0.2))
    }

    /// The first bucket (1 s + 2 messages, ready at 5 s of 10) is hidden, the second, ready at the end, is not.
    @Test func onlyTheLastBucketIsExposed() {
        #expect(close(model(ranks: 2).exposedSeconds(lastMicroBatch: 10), 1.2))
        #expect(close(model(ranks: 2).predict().exposed, 1.2))
        // With a micro-batch of 1 s the link is still busy with the first when the second is ready.
        #expect(close(model(ranks: 2).exposedSeconds(lastMicroBatch: 1), 0.5 + 2 * 1.2 - 1))
    }

    /// A bucket passes a round between two operations only: one that gets 4 of its 8 rounds has half of them left.
    @Test func roundsWaitForOperations() {
        var late = model(ranks: 16, latency: 0)
        late.buckets = [BucketTiming(bytes: 1e6, readyAt: 0.96)]
        late.fabric.bandwidth = 1e9
        #expect(close(late.exposedSeconds(lastMicroBatch: 10), 0.5 * 2e-3 * 15 / 16))
        late.buckets[0].readyAt = 0.9
        #expect(late.exposedSeconds(lastMicroBatch: 10) == 0)
    }

    /// Messages take the core's time, hidden or not.
    @Test func copiesAddToTheStep() {
        let step = model(ranks: 2, ranksPerHost: 2, copyRate: 1e6).predict()
        #expect(close(step.copies, 2) && step.exposed == 0 && close(step.seconds, 33))
        #expect(close(model(ranks: 4, ranksPerHost: 2, copyRate: 1e6, stackRate: 0.5e6).predict().copies, 2 + 2))
    }

    @Test func shardsDivideTheUpdateAndGatherParameters() {
        let step = model(ranks: 2, sharded: true).predict()
        #expect(close(step.update, 0.75))
        // Half of 2 MB comes from the other host, one message.
        #expect(close(step.exposed, 1.2 + 1 + 0.1))
        #expect(close(model(ranks: 2, stackRate: 0.5e6).allGatherSeconds(bytes: 2e6), 2 + 0.1))
    }

    @Test func theSlowestOfManyIsWaitedFor() {
        var model = model(ranks: 100)
        model.imbalance = 0.01
        #expect(close(model.slowest, 1 + 0.01 * (2 * Foundation.log(100.0)).squareRoot()))
        #expect(close(model.predict().imbalance, 30 * (model.slowest - 1)))
    }

    @Test func efficiencyIsAgainstOneRank() {
        let model = model(ranks: 2)
        #expect(close(model.predict().efficiency(alone: model.alone.predict()), 31 / 32.2))
    }
}
