import CPUBackend
import Communication
import Configuration
import Foundation
import ImageData
import Philox
import TensorGraph

/// What one compute thread of a rank works with: an engine of its own with the graph prepared on it, memory for
/// activations and gradients, and a source of batches. The parameters are the rank's, shared by all its workers.
final class Worker {
    let backend: CPUBackend
    let executor: Executor
    /// The gradients of this worker's micro-batches, leaf by leaf.
    let sums: PartialSums
    /// Loss of each of this worker's micro-batches of the last step.
    private(set) var losses: [Double] = []
    /// The variance over η that the last step was asked to measure.
    private(set) var etaVariance: Double?
    /// Seconds of the last step that went into making batches.
    private(set) var secondsData = 0.0
    private let configuration: RunConfiguration
    private let parameters: CPUMemory
    private let layout: ParameterLayout
    private let batchPlan: BatchPlan
    private var source: BatchSource
    private var madeGenerator: SampleGenerator?

    /// Prepares `plan`, to be called on the thread that the worker is for.
    ///
    /// - Parameter gradients: the arena to add gradients to; nil makes one.
    /// - Throws: when memory cannot be had or an operation cannot be prepared.
    init(
        _ plan: ExecutionPlan, _ configuration: RunConfiguration, _ precision: Precision, _ batch: BatchPlan,
        source: BatchSource, parameters: CPUMemory, gradients: CPUMemory?
    ) throws {
        self.configuration = configuration
        batchPlan = batch
        self.source = source
        self.parameters = parameters
        layout = plan.layout
        backend = try CPUBackend(precision: precision)
        sums = try PartialSums(gradients ?? CPUMemory(count: plan.layout.count), leaves: batch.leavesPerThread)
        executor = try Executor(
            plan, on: backend, parameters: parameters, gradients: sums.gradients,
            activations: CPUMemory(count: plan.activationCount))
    }

    /// The workers of a rank, one a thread of `team`; the first adds gradients to the arena of `state`.
    ///
    /// - Throws: as `init`.
    static func make(
        _ team: ThreadTeam, _ plan: ExecutionPlan, _ configuration: RunConfiguration, _ precision: Precision,
        _ batch: BatchPlan, _ data: DataSet, _ state: ModelState
    ) throws -> [Worker] {
        let source = BatchSource(data, configuration)
        return try team.map { thread in
            try Worker(
                plan, configuration, precision, batch, source: source, parameters: state.parameters,
                gradients: thread == 0 ? state.gradients : nil)
        }
    }

    /// Adds the gradients of the micro-batches that begin at `starts` of the stream.
    ///
    /// - Parameters:
    ///   - step: number of steps done before this one.
    ///   - probing: whether the variance over η is to be measured, on the first micro-batch.
    ///   - after: called after each node of the last micro-batch with its index.
    func computeGradients(_ starts: [Int], step: Int, probing: Bool, after: (Int) throws -> Void) throws {
        losses.removeAll(keepingCapacity: true)
        etaVariance = nil
        secondsData = 0
        sums.begin()
        let leaf = starts.count / batchPlan.leavesPerThread
        let clock = ContinuousClock()
        for (number, start) in starts.enumerated() {
            if number > 0, number.isMultiple(of: leaf) { sums.carry() }
            let began = clock.now
            Watchdog.enter(.data, step: step + 1)
            let batch = try source.microBatch(start..<start + batchPlan.microBatchSize)
            secondsData += (clock.now - began).seconds
            Watchdog.enter(.forward, step: step + 1)
            if number == 0, probing { etaVariance = try variance(batch, step: step) }
            let selfCondition = try estimateForSelfConditioning(batch, step: step)
            write(batch, selfCondition: selfCondition)
            if number == starts.count - 1 {
                try executor.run(after: after)
            } else {
                try executor.run()
            }
            losses.append(executor.read("loss").reduce(0) { $0 + Double($1) })
        }
    }

    private func write(_ batch: MicroBatch, selfCondition: [Float]) {
        executor.write("x", batch.task.xt)
        executor.write("timestep", batch.task.timestep)
        executor.write("target", batch.task.target)
        executor.write("weight", batch.task.weight)
        executor.write("eta", batch.eta)
        executor.write("self_condition", selfCondition)
    }

    /// Computes the micro-batches of a step again and looks for the first value that is not finite: where it comes up and
    /// in which samples' micro-batch. Leaves gradients that mean nothing.
    ///
    /// - Parameters: as of `computeGradients`.
    /// - Returns: nil when all values are finite.
    func firstNonFinite(_ starts: [Int], step: Int) throws -> String? {
        for start in starts {
            Watchdog.enter(.forward, step: step + 1)
            sums.begin()
            let batch = try source.microBatch(start..<start + batchPlan.microBatchSize)
            write(batch, selfCondition: try estimateForSelfConditioning(batch, step: step))
            if let found = try executor.firstNonFinite() {
                return "samples \(Self.list(batch.indices)): not finite from \(found) on"
            }
        }
        return nil
    }

    /// Numbers in the data set of the samples of the micro-batch that begins at `start` of the stream.
    func samples(from start: Int) throws -> String {
        Self.list(try source.microBatch(start..<start + batchPlan.microBatchSize).indices)
    }

    private static func list(_ samples: [Int]) -> String {
        samples.sorted().map { String($0) }.joined(separator: ", ")
    }

    /// Mean variance over η of the network's output at the same x_t and t, from two draws. Zero means that the mixture
    /// has collapsed to one Gaussian.
    private func variance(_ batch: MicroBatch, step: Int) throws -> Double {
        let generator = try generator()
        try generator.load(parameters)
        let stream = RandomStream(seed: configuration.seed, purpose: .probe)
        let outputs = try (0..<2).map { draw in
            try generator.predict(
                xt: batch.task.xt, timesteps: batch.task.timestep,
                eta: stream.normals(count: batch.task.xt.count, epoch: step, position: draw),
                selfCondition: nil)
        }
        let squares = zip(outputs[0], outputs[1]).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        return squares / 2 / Double(batch.task.xt.count)
    }

    /// In half of the steps the network's own estimate of x_0, else zeros; empty without self-conditioning.
    private func estimateForSelfConditioning(_ batch: MicroBatch, step: Int) throws -> [Float] {
        guard configuration.model.selfCondition else { return [] }
        let coin = RandomStream(seed: configuration.seed, purpose: .selfCondition)
        guard coin.integer(below: 2, epoch: 0, position: step) == 1 else {
            return [Float](repeating: 0, count: batch.task.xt.count)
        }
        let generator = try generator()
        try generator.load(parameters)
        // Epoch 0 of the stream belongs to the coin.
        let size = batch.task.xt.count / batch.timesteps.count
        let eta =
            configuration.model.usesEta
            ? batch.places.flatMap { coin.normals(count: size, epoch: $0.epoch + 1, position: $0.place) } : nil
        let output = try generator.predict(
            xt: batch.task.xt, timesteps: batch.task.timestep, eta: eta, selfCondition: nil)
        return source.x0Estimate(output: output, batch)
    }

    /// The forward pass for probes, self-conditioning and previews; it works in the training graph's memory.
    func generator() throws -> SampleGenerator {
        if let madeGenerator { return madeGenerator }
        let generator = try SampleGenerator(
            configuration.model, batch: batchPlan.microBatchSize, layout: layout, on: backend,
            activations: executor.activations as? CPUMemory)
        madeGenerator = generator
        return generator
    }
}
