import Configuration
import Diffusion
import TensorGraph

/// What a training step computes, before any memory is taken: the same for training, benchmarks and planning.
package struct StepPlan {
    package let configuration: RunConfiguration
    /// How the samples of a step are dealt out.
    package let batch: BatchPlan
    /// What is computed in.
    package let precision: Precision
    package let loss: any Loss
    /// How the paths run that take the place of samples, of `method: dds`.
    package let paths: PathSampler?
    /// Forward and backward pass of one micro-batch, or of one step of its paths; the gradients of a step's micro-batches add
    /// up to that of the mean.
    package let plan: ExecutionPlan

    /// - Parameter target: the density of `method: dds`.
    package init(
        _ configuration: RunConfiguration, _ batch: BatchPlan, _ precision: Precision,
        target: (any TargetDensity)? = nil
    ) {
        self.configuration = configuration
        self.batch = batch
        self.precision = precision
        loss = configuration.trainingLoss
        paths = target.map { PathSampler(PathSteps(configuration.paths), $0) }
        plan = ExecutionPlan(
            loss.graph(batch: batch.microBatchSize, scale: 1 / Float(configuration.batchSize), precision: precision))
    }

    /// How often ``plan`` is run for a micro-batch.
    package var runs: Int { configuration.method == .dds ? configuration.paths.steps : 1 }

    /// Floating-point operations of convolutions and products for a micro-batch, forward and backward; of paths a network
    /// runs once more, forward.
    package var floatingPointOperations: Int {
        let ahead =
            configuration.method == .dds
            ? ExecutionPlan(
                configuration.driftNetwork.inferenceGraph(batch: batch.microBatchSize, precision: precision)
            ).floatingPointOperations : 0
        return runs * (plan.floatingPointOperations + ahead)
    }
}
