import CPUBackend
import Configuration
import Foundation
import NeuralNetwork
import Philox
import TensorGraph

/// The training step alone, as the trainer computes it on one rank: forward and backward of each micro-batch, sums of
/// them, clip, Adam and average, on made-up images, without data set, ranks or files.
public final class StepBenchmark {
    /// Images a step.
    public let batch: Int
    /// Images computed at a time.
    public let microBatch: Int
    /// Floating-point operations of convolutions and products an image, forward and backward.
    public let operationsPerImage: Int
    /// Bytes of the memory that activations share.
    public let activationBytes: Int
    let state: ModelState
    let executor: Executor
    private let configuration: RunConfiguration
    private let backend: CPUBackend
    private let probe: MachineProbe
    let sums: PartialSums
    private let microBatchesOfLeaf: Int
    private var step = 0

    /// Builds the network of `configuration`.
    ///
    /// - Parameters:
    ///   - batch: images a step; nil takes `batch_size`.
    ///   - microBatch: images at a time; nil takes what the trainer would take on one rank.
    /// - Throws: `ConfigurationError` when the one does not divide the other; when memory cannot be had.
    public init(_ configuration: RunConfiguration, batch: Int?, microBatch: Int?, probe: MachineProbe) throws {
        var configuration = configuration
        if let batch { configuration.batchSize = batch }
        if let microBatch { configuration.microBatchSize = microBatch }
        self.batch = configuration.batchSize
        let parts = try configuration.batchPlan(ranks: 1)
        self.microBatch = parts.microBatchSize
        microBatchesOfLeaf = parts.microBatchesPerRank / parts.leavesPerThread
        self.configuration = configuration
        self.probe = probe
        backend = try CPUBackend()
        let graph = DenoiserGraph.training(
            configuration.model, batch: self.microBatch, lossScale: 1 / Float(self.batch)
        ).graph
        let plan = ExecutionPlan(graph)
        operationsPerImage = plan.floatingPointOperations / self.microBatch
        activationBytes = plan.activationBytes
        state = try ModelState(plan.layout)
        sums = try PartialSums(state.gradients, leaves: parts.leavesPerThread)
        executor = try Executor(plan, on: backend, parameters: state.parameters, gradients: state.gradients)
        state.initialize(seed: 0)
        executor.fillInputs(batch: self.microBatch, timesteps: configuration.diffusion.timesteps)
        try executor.parametersChanged()
    }

    /// One step, with the machine measured on both sides of it.
    public func measure() throws -> Measurement {
        try Measurement.of(probe) {
            try computeGradients { try executor.run() }
            try update()
            try reloadWeights()
        }
    }

    /// Fraction of the multiply-add peak that a measurement stands for.
    public func fraction(_ measurement: Measurement) -> Double {
        Double(operationsPerImage * batch) / measurement.seconds / 1e9 / measurement.machine.peakGflops
    }

    var microBatches: Int { batch / microBatch }

    /// Calls `run` for each micro-batch, which adds to the gradients, and sums them up.
    ///
    /// - Parameter summed: called after each part of the work on sums.
    func computeGradients(summed: () -> Void = {}, _ run: () throws -> Void) rethrows {
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
        let team = ThreadTeam(size: 1)
        try state.update(
            step: step, gradientNorm: state.gradientNorm(on: backend, over: team),
            learningRate: configuration.learningRate, configuration.optimizer, configuration.ema, on: backend,
            over: team)
    }

    func reloadWeights() throws { try executor.parametersChanged() }

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
