import Foundation

/// Hosts and the network between them, as the cost model sees them.
public struct Fabric: Equatable, Sendable {
    /// Bytes a second that one host's link carries in each direction.
    public var bandwidth: Double
    /// Seconds from one host to another for a message without contents, software included.
    public var latency: Double
    /// Ranks of one host: they share its link, and reach each other through memory.
    public var ranksPerHost: Int
    /// Bytes a second that a rank's own core exchanges with a rank of the same host, sum included. This time cannot
    /// hide behind the computation, which needs the same core.
    public var copyRate: Double
    /// The same for ranks of other hosts: through the network's stack and back. Infinite where the card does it (RDMA).
    public var stackRate: Double

    /// A network without RDMA, between hosts of `ranksPerHost` ranks.
    public init(
        bandwidth: Double = Self.tenGigabit, latency: Double = Self.ethernetLatency, ranksPerHost: Int = 1,
        copyRate: Double = Self.measuredCopyRate, stackRate: Double = Self.measuredStackRate
    ) {
        precondition(
            bandwidth > 0 && latency >= 0 && ranksPerHost > 0 && copyRate > 0 && stackRate > 0,
            "bandwidth \(bandwidth), latency \(latency), ranks per host \(ranksPerHost), copies \(copyRate), "
                + "stack \(stackRate)")
        self.bandwidth = bandwidth
        self.latency = latency
        self.ranksPerHost = ranksPerHost
        self.copyRate = copyRate
        self.stackRate = stackRate
    }

    /// Part of a link's nominal rate that reaches MPI.
    public static let usableBandwidth = 0.9
    /// What MPI gets of 10 Gb/s Ethernet, bytes a second.
    public static let tenGigabit = usableBandwidth * 10e9 / 8
    /// A message through the TCP stacks of two hosts and a switch, seconds.
    public static let ethernetLatency = 30e-6
    /// Sums of 1 MiB between two ranks of one host, Zen 3 EPYC, Open MPI 4.1.4: bytes sent a second
    /// (docs/scaling.md).
    public static let measuredCopyRate = 2.5e9
    /// The same over TCP.
    public static let measuredStackRate = 0.84e9

}

extension Fabric: Encodable {
    enum CodingKeys: String, CodingKey {
        case bandwidth = "bandwidth_bytes_per_second"
        case latency = "latency_seconds"
        case ranksPerHost = "ranks_per_host"
        case copyRate = "copy_bytes_per_second"
        case stackRate = "stack_bytes_per_second"
    }

    /// Writes null for a stack that costs nothing: JSON has no infinity.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(bandwidth, forKey: .bandwidth)
        try container.encode(latency, forKey: .latency)
        try container.encode(ranksPerHost, forKey: .ranksPerHost)
        try container.encode(copyRate, forKey: .copyRate)
        try container.encode(stackRate.isFinite ? stackRate : nil, forKey: .stackRate)
    }
}

/// A gradient bucket: its size, and when it is complete.
public struct BucketTiming: Equatable, Sendable {
    /// Bytes of the bucket.
    public var bytes: Double
    /// Part of the last micro-batch's work that is done when the bucket is complete, in [0, 1].
    public var readyAt: Double

    /// A bucket of `bytes`, complete after the part `readyAt` of the work.
    public init(bytes: Double, readyAt: Double) {
        self.bytes = bytes
        self.readyAt = readyAt
    }
}

/// Predicts the duration of one training step on N ranks (docs/scaling.md has the equations and how well they did).
public struct ScalingModel: Sendable {
    /// Number of ranks.
    public var ranks: Int
    /// Micro-batches that a rank computes in a step.
    public var microBatches: Int
    /// Seconds that one micro-batch takes alone.
    public var microBatchSeconds: Double
    /// Operations of one micro-batch: between two of them MPI gets a chance to go on.
    public var operations: Int
    /// Seconds of the update when a rank makes all of it.
    public var updateSeconds = 0.0
    /// Of those, the part that every rank must do even when the state is sharded, in [0, 1].
    public var unshardedUpdate = 1.0
    /// Whether the optimiser's state is divided among the ranks.
    public var sharded = false
    /// The buckets of the gradient in the order in which they go out.
    public var buckets: [BucketTiming]
    /// Relative standard deviation of a rank's computing time from step to step.
    public var imbalance = Self.typicalImbalance
    /// The network.
    public var fabric: Fabric

    /// Default of ``imbalance``: ranks alone on their cores.
    public static let typicalImbalance = 0.01

    /// A step with an update that takes no time.
    public init(
        ranks: Int, microBatches: Int, microBatchSeconds: Double, operations: Int, buckets: [BucketTiming],
        fabric: Fabric
    ) {
        precondition(ranks > 0 && microBatches > 0 && operations > 0, "\(ranks), \(microBatches), \(operations)")
        self.ranks = ranks
        self.microBatches = microBatches
        self.microBatchSeconds = microBatchSeconds
        self.operations = operations
        self.buckets = buckets
        self.fabric = fabric
    }

    /// Rounds of one all-reduce by Rabenseifner's algorithm: halving and doubling, log₂ N each.
    var rounds: Int { 2 * stages }

    private var stages: Int { ranks.trailingBitsOfCeiling }

    /// Ranks of one host that take part; none more than there are.
    private var neighbours: Double { Double(min(ranks, fabric.ranksPerHost)) }

    /// Bytes that a rank sends in an all-reduce of `bytes`, 2 (1 − 1/N) of them: to its neighbours on the host, and to
    /// other hosts.
    public func sentBytes(allReduce bytes: Double) -> (neighbours: Double, others: Double) {
        (2 * bytes * (1 - 1 / neighbours), 2 * bytes * (1 / neighbours - 1 / Double(ranks)))
    }

    /// Seconds that a rank's core spends on the messages of an all-reduce of `bytes`.
    public func copySeconds(allReduce bytes: Double) -> Double {
        let sent = sentBytes(allReduce: bytes)
        return sent.neighbours / fabric.copyRate + sent.others / fabric.stackRate
    }

    /// Seconds that the link of a host is busy with an all-reduce of `bytes`, latency included. Partners of the first,
    /// largest exchanges are neighbours, so with H ranks a host its link carries 2 (1 − H/N) of the bytes, whatever H.
    public func linkSeconds(allReduce bytes: Double) -> Double {
        guard Double(ranks) > neighbours else { return 0 }
        let carried = 2 * bytes * (1 - neighbours / Double(ranks))
        return carried / fabric.bandwidth + Double(rounds - 2 * Int(neighbours).trailingBitsOfCeiling) * fabric.latency
    }

    /// Seconds of the all-gather of the updated parameters, nothing hidden: every host's link takes in all but the
    /// host's own parts, every rank's core all but the rank's own part, from neighbours or (1/H of it) through the stack.
    public func allGatherSeconds(bytes: Double) -> Double {
        guard ranks > 1 else { return 0 }
        let copies = copySeconds(allReduce: bytes) / 2
        guard Double(ranks) > neighbours else { return copies }
        let link = bytes * (1 - neighbours / Double(ranks)) / fabric.bandwidth
        return max(copies, link) + Double(stages) * fabric.latency
    }

    /// How much longer the slowest of N ranks takes than the mean: √(2 ln N) standard deviations.
    public var slowest: Double { 1 + imbalance * (2 * log(Double(ranks))).squareRoot() }

    /// The same micro-batches on one rank.
    public var alone: ScalingModel {
        var model = self
        model.ranks = 1
        return model
    }

    /// The predicted step.
    public func predict() -> StepPrediction {
        let gradientBytes = buckets.reduce(0) { $0 + $1.bytes }
        let compute = Double(microBatches) * microBatchSeconds
        var result = StepPrediction(compute: compute, update: updateSeconds)
        guard ranks > 1 else { return result }
        result.imbalance = compute * (slowest - 1)
        result.copies = copySeconds(allReduce: gradientBytes)
        result.exposed = exposedSeconds(lastMicroBatch: microBatchSeconds + result.copies)
        if sharded {
            result.update *= unshardedUpdate + (1 - unshardedUpdate) / Double(ranks)
            result.exposed += allGatherSeconds(bytes: gradientBytes)
        }
        return result
    }

    /// Seconds that are left to wait for after the last micro-batch, which takes `duration`.
    ///
    /// The link serves buckets one after the other. A bucket passes a round only when MPI is called, which happens
    /// between operations: the rounds that one has not had by the end follow then, at the link's speed.
    public func exposedSeconds(lastMicroBatch duration: Double) -> Double {
        let poll = duration / Double(operations)
        var linkFree = 0.0
        var rest = 0.0
        for bucket in buckets {
            let ready = bucket.readyAt * duration
            let link = linkSeconds(allReduce: bucket.bytes)
            linkFree = max(linkFree, ready) + link
            let polled = min(1, (duration - ready) / (Double(max(rounds, 1)) * poll))
            rest += (1 - polled) * link
        }
        return max(linkFree - duration, rest, 0)
    }
}

/// Where the time of a predicted step goes, in seconds.
public struct StepPrediction: Codable, Equatable, Sendable {
    /// The network's forward and backward passes.
    public var compute: Double
    /// Waiting for the slowest rank.
    public var imbalance = 0.0
    /// The core's own work on messages, which takes turns with computing.
    public var copies = 0.0
    /// Communication that is not hidden behind the computation.
    public var exposed = 0.0
    /// Clip, Adam, average, and the weights' working layout.
    public var update: Double

    init(compute: Double, update: Double) {
        self.compute = compute
        self.update = update
    }

    /// The whole step.
    public var seconds: Double { compute + imbalance + copies + exposed + update }
    /// What one rank alone would take for the same micro-batches, as a part of the step.
    public func efficiency(alone: StepPrediction) -> Double { alone.seconds / seconds }
}

extension Int {
    /// ⌈log₂ self⌉ for a positive number.
    fileprivate var trailingBitsOfCeiling: Int { self <= 1 ? 0 : Int.bitWidth - (self - 1).leadingZeroBitCount }
}
