import CPUBackend
import Communication
import Configuration
import Foundation
import NeuralNetwork
import Philox
import TensorGraph

/// The training step alone, as the trainer computes it on one rank: forward and backward of each micro-batch on its
/// thread, sums of them, clip, Adam and average, on made-up images, without data set, ranks or files.
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
    let state: ModelState
    private let configuration: RunConfiguration
    private let probe: MachineProbe
    private let team: ThreadTeam
    private let lanes: [Lane]
    private let reduction: GradientReduction
    private let microBatchesOfLeaf: Int
    private let microBatchesOfThread: Int
    private var step = 0

    /// What a thread works with.
    private struct Lane {
        let backend: CPUBackend
        let executor: Executor
        let sums: PartialSums
    }

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
        var configuration = configuration
        if let batch { configuration.batchSize = batch }
        if let microBatch { configuration.microBatchSize = microBatch }
        self.batch = configuration.batchSize
        let parts = try configuration.batchPlan(ranks: 1, threads: threads)
        self.microBatch = parts.microBatchSize
        microBatchesOfThread = parts.microBatchesPerRank / threads
        microBatchesOfLeaf = microBatchesOfThread / parts.leavesPerThread
        self.configuration = configuration
        self.probe = probe
        let precision = JobPrecision(configuration.precision)
        self.precision = precision
        let graph = DenoiserGraph.training(
            configuration.model, batch: self.microBatch, lossScale: 1 / Float(self.batch),
            precision: precision.precision
        ).graph
        let plan = ExecutionPlan(graph)
        operationsPerImage = plan.floatingPointOperations / self.microBatch
        activationBytes = threads * plan.activationBytes
        let state = try ModelState(plan.layout)
        state.initialize(seed: 0)
        let (size, timesteps) = (self.microBatch, configuration.diffusion.timesteps)
        team = ThreadTeam(size: threads)
        lanes = try team.map { thread in
            let gradients = thread == 0 ? state.gradients : try CPUMemory(count: plan.layout.count)
            let backend = try CPUBackend(precision: precision.precision)
            let executor = try Executor(plan, on: backend, parameters: state.parameters, gradients: gradients)
            executor.fillInputs(batch: size, timesteps: timesteps)
            try executor.parametersChanged()
            return Lane(
                backend: backend, executor: executor,
                sums: try PartialSums(gradients, leaves: parts.leavesPerThread))
        }
        reduction = try GradientReduction(
            plan, lanes.map(\.sums), exact: parts.isExact, communicator: SingleProcess())
        self.state = state
    }

    /// One step, with the machine measured on both sides of it.
    public func measure() throws -> Measurement {
        try Measurement.of(probe) {
            try computeGradients()
            try update()
            try reloadWeights()
        }
    }

    /// Fraction of the multiply-add peak of as many cores as there are threads that a measurement stands for.
    public func fraction(_ measurement: Measurement) -> Double {
        let peak = measurement.machine.peakGflops * Double(team.size)
        return Double(operationsPerImage * batch) / measurement.seconds / 1e9 / peak
    }

    var microBatches: Int { batch / microBatch }
    /// Those of the first thread, for a profile of one.
    var executor: Executor { lanes[0].executor }
    var sums: PartialSums { lanes[0].sums }

    /// As the trainer does.
    private func computeGradients() throws {
        reduction.begin()
        try team.run(whileWaiting: reduction.whileWaiting) { [self] thread in
            let (executor, sums) = (lanes[thread].executor, lanes[thread].sums)
            sums.begin()
            for number in 0..<microBatchesOfThread {
                if number > 0, number.isMultiple(of: microBatchesOfLeaf) { sums.carry() }
                if number < microBatchesOfThread - 1 {
                    try executor.run()
                } else {
                    try executor.run { try reduction.after(node: $0, thread: thread) }
                }
            }
        }
        try team.run { [reduction] _ in reduction.finishThread() }
        try reduction.finish()
    }

    /// The same on one thread and part by part: calls `run` for each micro-batch, which adds to the gradients, and sums
    /// them up.
    ///
    /// - Parameter summed: called after each part of the work on sums.
    func computeGradients(summed: () -> Void, _ run: () throws -> Void) rethrows {
        sums.begin()
        summed()
        for number in 0..<microBatches {
            if number > 0, number.isMultiple(of: microBatchesOfLeaf) {
                sums.carry()
                summed()
            }
            try run()
        }
        sums.fold(state.all)
        summed()
    }

    func update() throws {
        step += 1
        let backend = lanes[0].backend
        try state.update(
            step: step, gradientNorm: state.gradientNorm(on: backend, over: team),
            learningRate: configuration.learningRate, configuration.optimizer, configuration.ema, on: backend,
            over: team)
    }

    func reloadWeights() throws { try team.run { [lanes] in try lanes[$0].executor.parametersChanged() } }

    /// What the machine gives at this moment.
    func machine() -> MachineRates { probe.measure() }
}

extension Executor {
    /// Writes made-up values to every input of a denoiser's graph.
    func fillInputs(batch: Int, timesteps: Int) {
        let stream = RandomStream(seed: 0, purpose: .data)
        for (position, name) in ["x", "eta", "target", "self_condition"].enumerated() {
            guard let range = inputRange(name) else { continue }
            write(name, stream.normals(count: range.count, epoch: 0, position: position))
        }
        write("weight", [Float](repeating: 1, count: batch))
        write("timestep", (0..<batch).map { Float($0 * timesteps / batch) })
    }
}
