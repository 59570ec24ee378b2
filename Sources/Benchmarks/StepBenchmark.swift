import CPUBackend
import Communication
import Configuration
import Files
import Philox
import Sampling
import TensorGraph
import Training

/// The training step alone: the trainer's own ``Replica`` on one rank and made-up images, without data set, ranks or files.
public final class StepBenchmark {
    /// Images a step.
    public let batch: Int
    /// Images computed at a time.
    public let microBatch: Int
    /// Floating-point operations of convolutions and products an image, forward and backward.
    public let operationsPerImage: Int
    /// Bytes of the memory that activations share, on all threads.
    public let activationBytes: Int
    /// What it computes in.
    public let precision: JobPrecision
    private let replica: Replica
    private let probe: MachineProbe
    private var steps = 0

    /// Builds the network of `configuration`.
    ///
    /// - Parameters:
    ///   - batch: images a step; nil takes `batch_size`.
    ///   - microBatch: images at a time; nil takes what the trainer would take on one rank.
    ///   - threads: compute threads, which share the images.
    /// - Throws: `ConfigurationError` when the one does not divide the other; when memory cannot be had.
    public init(
        _ configuration: RunConfiguration, batch: Int?, microBatch: Int?, threads: Int = 1, probe: MachineProbe
    ) throws {
        var configuration = try configuration.withClasses()
        if let batch { configuration.batchSize = batch }
        if let microBatch { configuration.microBatchSize = microBatch }
        self.probe = probe
        precision = JobPrecision(configuration.precision)
        let step = StepPlan(
            configuration, try configuration.batchPlan(ranks: 1, threads: threads), precision.precision,
            target: configuration.method == .dds ? try configuration.openTarget() : nil)
        self.batch = configuration.batchSize
        self.microBatch = step.batch.microBatchSize
        operationsPerImage = step.floatingPointOperations / self.microBatch
        activationBytes = threads * step.plan.activationBytes
        let images = MicroBatch(madeUpFor: step)
        replica = try Replica(step, threads: threads, communicator: SingleProcess()) { { _ in images } }
        for (number, state) in replica.states.enumerated() { state.initialize(seed: 0, number: number) }
        try replica.parametersChanged()
    }

    /// One step, with the machine measured on both sides of it.
    public func measure() throws -> Measurement {
        try Measurement.of(probe) {
            try replica.computeGradients(from: 0, step: steps, probing: false)
            try replica.finishGradients()
            try update()
        }
    }

    private func update() throws {
        steps += 1
        try replica.update(steps, gradientNorms: replica.gradientNorms())
        try replica.parametersChanged()
    }

    /// Fraction of the multiply-add peak of as many cores as there are threads that a measurement stands for.
    public func fraction(_ measurement: Measurement) -> Double {
        let peak = measurement.machine.peakGflops * Double(replica.team.size)
        return Double(operationsPerImage * batch) / measurement.seconds / 1e9 / peak
    }

    /// Times every operation of `repetitions` whole steps on one thread; each row is the median over them.
    public func profile(repetitions: Int) throws -> OperationProfile {
        let worker = replica.workers[0]
        let all = 0..<replica.step.plan.layout.count
        let arena = all.count * MemoryLayout<Float>.stride
        // Adam reads gradients, parameters and two moments and writes all but the gradients.
        let others = [
            ("sum gradients", worker.sums.arenasMoved * arena), ("optimizer", 7 * arena), ("reload weights", 0),
            ("micro-batches", 0),
        ]
        let microBatches = replica.ownMicroBatches(0)
        var times = LapTimes(
            replica.step.plan, runs: microBatches.count * replica.step.runs, others: others)
        for _ in 0..<repetitions {
            times.begin(probe.measure())
            try worker.computeGradients(
                replica.starts(microBatches, from: 0), step: steps, probing: false,
                ended: { times.lap(other: $0 == .sums ? 0 : 3) },
                run: { _ in try worker.executor.run { times.lap(node: $0) } })
            worker.sums.fold(all)
            times.lap(other: 0)
            steps += 1
            try replica.update(steps, gradientNorms: replica.gradientNorms())
            times.lap(other: 1)
            try replica.parametersChanged()
            times.lap(other: 2)
        }
        return times.profile()
    }
}
