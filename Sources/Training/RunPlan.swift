import Configuration
import NeuralNetwork
import TensorGraph

/// What a run will need, known before anything is allocated.
public struct RunPlan: Codable, Sendable {
    /// Ranks of the job.
    public var ranks: Int
    /// Compute threads of each rank.
    public var threads: Int
    /// Learned scalars.
    public var parameters: Int
    /// Images of one micro-batch, and micro-batches of a rank in one step.
    public var microBatchSize: Int
    public var microBatchesPerRank: Int
    /// Floating-point operations of convolutions and products an image, forward and backward, in units of 1e9.
    public var gflopPerImage: Double
    /// The same for one step of one rank.
    public var gflopPerStepAndRank: Double
    /// Bytes of the activation arenas of a rank, one a thread.
    public var activationBytes: Int
    /// Bytes of parameters, two moments and the average of a rank, and of gradients, one arena a thread.
    public var stateBytes: Int
    /// Bytes of the weights in the layout that convolutions want, twice a thread: forward and backward.
    public var workingWeightBytes: Int
    /// Bytes of gradient that a step sums over ranks.
    public var allReduceBytes: Int
    /// Number of pieces in which it goes out while the backward pass runs.
    public var allReduceBuckets: Int
    /// Size of one checkpoint.
    public var checkpointBytes: Int

    /// Sum of what a rank holds, without data set and libraries.
    public var bytesPerRank: Int { activationBytes + stateBytes + workingWeightBytes }

    /// Plans the run of `configuration` on `ranks` ranks of `threads` threads.
    ///
    /// - Throws: when the configuration does not fit them.
    public init(_ configuration: RunConfiguration, ranks: Int, threads: Int = 1) throws {
        try configuration.validate(ranks: ranks, threads: threads)
        self.ranks = ranks
        self.threads = threads
        microBatchSize = try configuration.microBatchSize(ranks: ranks, threads: threads)
        microBatchesPerRank = try configuration.microBatchesPerRank(ranks: ranks, threads: threads)
        let graph = DenoiserGraph.training(configuration.model, batch: microBatchSize, lossScale: 1).graph
        let plan = ExecutionPlan(graph)
        let arena = plan.layout.count * MemoryLayout<Float>.stride
        parameters = graph.parameterCount
        gflopPerImage = Double(plan.floatingPointOperations) / Double(microBatchSize) / 1e9
        gflopPerStepAndRank = Double(plan.floatingPointOperations) * Double(microBatchesPerRank) / 1e9
        activationBytes = threads * plan.activationBytes
        stateBytes = (4 + threads) * arena
        workingWeightBytes = threads * 2 * arena
        allReduceBytes = ranks > 1 ? arena : 0
        allReduceBuckets = ranks > 1 ? plan.gradientBuckets(minimumCount: GradientReduction.bucketCount).count : 0
        checkpointBytes = 4 * graph.parameterCount * MemoryLayout<Float>.stride
    }

    enum CodingKeys: String, CodingKey {
        case ranks, threads, parameters
        case microBatchSize = "micro_batch_size"
        case microBatchesPerRank = "micro_batches_per_rank"
        case gflopPerImage = "gflop_per_image"
        case gflopPerStepAndRank = "gflop_per_step_and_rank"
        case activationBytes = "activation_bytes"
        case stateBytes = "state_bytes"
        case workingWeightBytes = "working_weight_bytes"
        case allReduceBytes = "all_reduce_bytes"
        case allReduceBuckets = "all_reduce_buckets"
        case checkpointBytes = "checkpoint_bytes"
    }
}
