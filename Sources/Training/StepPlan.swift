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
    /// Forward and backward pass of one micro-batch; the gradients of a step's micro-batches add up to that of the mean.
    package let plan: ExecutionPlan

    package init(_ configuration: RunConfiguration, _ batch: BatchPlan, _ precision: Precision) {
        self.configuration = configuration
        self.batch = batch
        self.precision = precision
        loss = configuration.trainingLoss
        plan = ExecutionPlan(
            loss.graph(batch: batch.microBatchSize, scale: 1 / Float(configuration.batchSize), precision: precision))
    }
}
