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
    /// The networks that are trained: the first, then those against it.
    package let networks: [NetworkPlace]

    /// - Parameter target: the density of `method: dds`.
    package init(
        _ configuration: RunConfiguration, _ batch: BatchPlan, _ precision: Precision,
        target: (any TargetDensity)? = nil
    ) {
        self.configuration = configuration
        self.batch = batch
        self.precision = precision
        let loss = configuration.trainingLoss
        self.loss = loss
        paths = target.map { PathSampler(PathSteps(configuration.paths), $0) }
        let plan = ExecutionPlan(
            loss.graph(batch: batch.microBatchSize, scale: 1 / Float(configuration.batchSize), precision: precision))
        self.plan = plan
        networks =
            [NetworkPlace(nil, of: plan.layout) { parameter in !loss.opponents.contains(where: parameter.belongs) }]
            + loss.opponents.map { network in NetworkPlace(network, of: plan.layout) { $0.belongs(to: network) } }
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

/// Where one of the networks of a step lies in the arenas of all.
package struct NetworkPlace {
    /// nil for the first network of a run.
    package let name: String?
    /// Its part of the arenas: all that is its own, for the gradients of one network get ready before those of another.
    package let range: Range<Int>
    /// Its parameters, from the beginning of the range.
    package let layout: ParameterLayout

    init(_ name: String?, of whole: ParameterLayout, where isOwn: (Parameter) -> Bool) {
        let own = zip(whole.parameters, whole.offsets).filter { isOwn($0.0) }
        layout = ParameterLayout(own.map(\.0))
        let start = own.first?.1 ?? 0
        precondition(
            zip(own, layout.offsets).allSatisfy { $0.1 == start + $1 },
            "the parameters of \(name ?? "the first network") do not lie together")
        (self.name, range) = (name, start..<start + layout.count)
    }
}
