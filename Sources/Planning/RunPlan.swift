import Configuration
import Sampling
import Storage
import TensorGraph
import Training

/// What a run will need, known before anything is allocated.
public struct RunPlan: Encodable, Sendable {
    /// Ranks of the job.
    public var ranks: Int
    /// Compute threads of each rank.
    public var threads: Int
    /// Learned scalars.
    public var parameters: Int
    /// Images of one micro-batch, and micro-batches of a rank in one step.
    public var microBatchSize: Int
    public var microBatchesPerRank: Int
    /// Whether results are the same bits on any number of ranks × threads that divides ``leaves``; where they could be and
    /// are not, why.
    public var exact: Bool
    public var leaves: Int
    public var whyNotExact: String?
    /// What hosts with this one's processor compute in, and why it is not what was asked for.
    public var precision: Precision
    public var precisionNotice: String?
    /// Floating-point operations of convolutions and products an image, forward and backward, in units of 1e9.
    public var gflopPerImage: Double
    /// The same for one step of one rank.
    public var gflopPerStepAndRank: Double
    /// Bytes of gradient that a step sums over ranks.
    public var allReduceBytes: Int
    /// Number of pieces in which it goes out while the backward pass runs.
    public var allReduceBuckets: Int
    /// Size of one checkpoint.
    public var checkpointBytes: Int
    /// Size of one snapshot of power-function averages, and how many the whole run leaves.
    public var snapshotBytes: Int
    public var snapshots: Int

    /// Operations of one micro-batch.
    var operations: Int
    /// Power-function averages.
    var averages: Int
    /// When the buckets of the gradient are complete.
    var buckets: [BucketTiming]
    /// Whether the optimiser's state is divided among ranks.
    public var sharded: Bool
    /// Bytes of state that a rank saves by it, or would.
    public var shardingSavesBytes: Int

    /// Plans the run of `configuration` on `ranks` ranks of `threads` threads.
    ///
    /// - Throws: when the configuration does not fit them.
    public init(_ configuration: RunConfiguration, ranks: Int, threads: Int = 1) throws {
        try configuration.validate(ranks: ranks, threads: threads)
        let configuration = try configuration.withClasses()
        self.ranks = ranks
        self.threads = threads
        let batch = try configuration.batchPlan(ranks: ranks, threads: threads)
        microBatchSize = batch.microBatchSize
        microBatchesPerRank = batch.microBatchesPerRank
        exact = batch.isExact
        leaves = batch.leaves
        whyNotExact = batch.whyNotExact
        let job = JobPrecision(configuration.precision)
        (precision, precisionNotice) = (job.precision, job.notice)
        let step = StepPlan(configuration, batch, precision)
        let (plan, operationsOfMicroBatch) = (step.plan, step.floatingPointOperations)
        let arena = plan.layout.count * MemoryLayout<Float>.stride
        parameters = plan.layout.parameters.reduce(0) { $0 + $1.count }
        gflopPerImage = Double(operationsOfMicroBatch) / Double(microBatchSize) / 1e9
        gflopPerStepAndRank = Double(operationsOfMicroBatch) * Double(microBatchesPerRank) / 1e9
        let roles = ArenaRole.all(widths: configuration.ema.widths)
        let shard = OptimizerShards.parts(count: plan.layout.count, ranks: ranks).map(\.count).max() ?? 0
        shardingSavesBytes = roles.count(where: \.isSharded) * (arena - shard * MemoryLayout<Float>.stride)
        sharded = configuration.optimizer.sharded
        allReduceBytes = ranks > 1 ? arena : 0
        allReduceBuckets = ranks > 1 ? plan.gradientBuckets(minimumCount: GradientReduction.bucketCount).count : 0
        checkpointBytes = roles.count * parameters * MemoryLayout<Float>.stride
        averages = configuration.ema.widths.count
        snapshotBytes = averages * parameters * MemoryLayout<Float>.stride
        snapshots = configuration.ema.snapshotEvery > 0 ? configuration.steps / configuration.ema.snapshotEvery : 0
        operations = plan.nodes.count * step.runs
        let work = plan.nodes.map { Double(plan.floatingPointOperations(of: $0)) }
        let done = work.reduce(into: [0.0]) { $0.append($0[$0.count - 1] + $1) }
        buckets = plan.gradientBuckets(minimumCount: GradientReduction.bucketCount).map { bucket in
            BucketTiming(
                bytes: Double(bucket.range.count * MemoryLayout<Float>.stride),
                readyAt: (Double(step.runs - 1) + done[bucket.readyAfter + 1] / max(done[work.count], 1))
                    / Double(step.runs))
        }
    }

    /// Predicts the duration of a step.
    ///
    /// - Parameters:
    ///   - gflops: what a thread computes a second while it does nothing else, in units of 1e9.
    ///   - fabric: the hosts' network.
    public func scaling(gflops: Double, fabric: Fabric) -> ScalingModel {
        let arena = buckets.reduce(0) { $0 + $1.bytes }
        var model = ScalingModel(
            ranks: ranks, microBatches: (microBatchesPerRank + threads - 1) / threads,
            microBatchSeconds: gflopPerStepAndRank / Double(microBatchesPerRank) / gflops, operations: operations,
            buckets: buckets, fabric: fabric)
        let passes = Self.updatePasses + Self.averagePasses * Double(averages)
        model.updateSeconds = passes * arena / Self.memoryRate
        model.unshardedUpdate = Self.unshardedPasses / passes
        model.sharded = sharded
        return model
    }

    /// Part of the core's multiply-add peak that a training step reaches (docs/performance.md).
    public static let typicalFractionOfPeak = 0.75
    /// Bytes a second that a core streams from and to memory during the update.
    static let memoryRate = 8e9
    /// How often the update passes over memory of the parameters' size: the norm once, Adam seven times, the weights'
    /// working layouts four times; of these all ranks do the norm and the layouts.
    static let updatePasses = 12.0
    static let unshardedPasses = 5.0
    /// The same for a power-function average: it is read, and written, and the parameters are read.
    static let averagePasses = 3.0

    enum CodingKeys: CodingKey {
        case ranks, threads, parameters, microBatchSize, microBatchesPerRank, exact, leaves, whyNotExact
        case precision, precisionNotice, gflopPerImage, gflopPerStepAndRank
        case allReduceBytes, allReduceBuckets, checkpointBytes, snapshotBytes, snapshots, sharded, shardingSavesBytes
    }
}
