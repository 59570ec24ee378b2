import CPUBackend
import Communication
import Configuration
import Diffusion
import Files
import Foundation
import NeuralNetwork
import Philox
import Sampling
import TensorGraph

/// What one compute thread of a rank works with: an engine of its own with the graph prepared on it, memory for
/// activations and gradients, and a source of micro-batches. The parameters are the rank's, shared by all its workers.
package final class Worker {
    package let backend: CPUBackend
    package let executor: Executor
    /// The gradients of this worker's micro-batches, leaf by leaf.
    package let sums: PartialSums
    /// Loss of each of this worker's micro-batches of the last step.
    var losses: [Double] = []
    /// ln Σ w of the paths of each of them, of `method: dds`.
    var pathSums: [Double] = []
    /// Of each sample of the last step its t and its loss, one after the other, where t is drawn by losses.
    private(set) var timestepLosses: [Double] = []
    /// The sums of the losses' parts over each of these micro-batches, one after the other.
    private(set) var parts: [Double] = []
    /// The variance over η that the last step was asked to measure.
    private(set) var etaVariance: Double?
    /// Seconds of the last step that went into making batches.
    private(set) var secondsData = 0.0
    let step: StepPlan
    private let microBatches: MicroBatches
    private let parameters: CPUMemory
    private var madeGenerator: SampleGenerator?
    private var madePathGenerator: PathGenerator?
    /// Whether the parameters changed since the generator was used.
    private var isGeneratorStale = true

    var configuration: RunConfiguration { step.configuration }

    /// Prepares the step, to be called on the thread that the worker is for.
    ///
    /// - Parameters:
    ///   - parameters: the rank's.
    ///   - gradients: the arena to add gradients to; nil makes one.
    /// - Throws: when memory cannot be had or an operation cannot be prepared.
    package init(
        _ step: StepPlan, parameters: CPUMemory, gradients: CPUMemory? = nil, _ microBatches: @escaping MicroBatches
    ) throws {
        self.step = step
        self.microBatches = microBatches
        self.parameters = parameters
        backend = try CPUBackend(precision: step.precision)
        sums = try PartialSums(
            gradients ?? CPUMemory(count: step.plan.layout.count), leaves: step.batch.leavesPerThread)
        executor = try Executor(
            step.plan, on: backend, parameters: parameters, gradients: sums.gradients,
            activations: CPUMemory(count: step.plan.activationCount))
    }

    /// What a step does beside its graph: summing gradients, and making micro-batches.
    package enum Part { case sums, inputs }

    /// Adds the gradients of the micro-batches that begin at `starts` of the stream.
    ///
    /// - Parameters:
    ///   - step: number of steps done before this one.
    ///   - probing: whether the variance over η is to be measured, on the first micro-batch.
    ///   - ended: called after each part of the work that is not the graph's.
    ///   - run: runs the graph on a micro-batch that is in place; told whether it is the last.
    package func computeGradients(
        _ starts: [Int], step: Int, probing: Bool, ended: (Part) -> Void = { _ in }, run: (_ last: Bool) throws -> Void
    ) throws {
        losses.removeAll(keepingCapacity: true)
        timestepLosses.removeAll(keepingCapacity: true)
        parts.removeAll(keepingCapacity: true)
        pathSums.removeAll(keepingCapacity: true)
        etaVariance = nil
        secondsData = 0
        sums.begin()
        ended(.sums)
        let leaf = starts.count / self.step.batch.leavesPerThread
        let clock = ContinuousClock()
        for (number, start) in starts.enumerated() {
            if number > 0, number.isMultiple(of: leaf) {
                sums.carry()
                ended(.sums)
            }
            let began = clock.now
            Watchdog.enter(.data, step: step + 1)
            let batch = try microBatch(at: start)
            secondsData += (clock.now - began).seconds
            Watchdog.enter(.forward, step: step + 1)
            let isLast = number == starts.count - 1
            if self.step.paths != nil {
                try addGradients(ofPaths: batch, isLast: isLast, ended: ended, run: run)
                continue
            }
            if number == 0, probing { etaVariance = try variance(batch, step: step) }
            try write(batch, step: step)
            ended(.inputs)
            try run(isLast)
            let each = executor.read("loss")
            losses.append(Self.sum(each))
            for name in self.step.loss.parts { parts.append(Self.sum(executor.read(name))) }
            if let importance = batch.importance {
                for (n, t) in batch.timesteps.enumerated() {
                    timestepLosses += [Double(t), Double(Float(Double(each[n]) / importance[n]))]
                }
            }
        }
    }

    private static func sum(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) } }

    private func microBatch(at start: Int) throws -> MicroBatch {
        try microBatches(start..<start + step.batch.microBatchSize)
    }

    private func write(_ batch: MicroBatch, step: Int) throws {
        var inputs = batch.inputs
        if configuration.model.selfCondition {
            inputs[NetworkInput.selfCondition.rawValue] = try estimateForSelfConditioning(batch, step: step)
        }
        executor.write(inputs)
    }

    /// Rebuilds what is derived from the parameters.
    package func parametersChanged() throws {
        try executor.parametersChanged()
        isGeneratorStale = true
    }

    /// Computes the micro-batches of a step again and looks for the first value that is not finite: where it comes up and
    /// in which samples' micro-batch. Leaves gradients that mean nothing.
    ///
    /// - Parameters: as of `computeGradients`.
    /// - Returns: nil when all values are finite.
    package func firstNonFinite(_ starts: [Int], step: Int) throws -> String? {
        for start in starts {
            Watchdog.enter(.forward, step: step + 1)
            sums.begin()
            let batch = try microBatch(at: start)
            if self.step.paths != nil {
                guard let found = try firstNonFinite(ofPaths: batch) else { continue }
                let last = batch.indices[0] + batch.indices.count - 1
                return "paths \(batch.indices[0]) to \(last): not finite from \(found) on"
            }
            try write(batch, step: step)
            if let found = try executor.firstNonFinite() {
                return "samples \(Self.list(batch.indices)): not finite from \(found) on"
            }
        }
        return nil
    }

    /// Numbers in the data set of the samples of the micro-batch that begins at `start` of the stream.
    package func samples(from start: Int) throws -> String { Self.list(try microBatch(at: start).indices) }

    private static func list(_ samples: [Int]) -> String {
        samples.sorted().map { String($0) }.joined(separator: ", ")
    }

    /// Mean variance over η of the network's output at the same x_t and t, from two draws. Zero means that the mixture
    /// has collapsed to one Gaussian.
    private func variance(_ batch: MicroBatch, step: Int) throws -> Double {
        let stream = RandomStream(seed: configuration.seed, purpose: .probe)
        let count = batch.timesteps.count * configuration.model.etaElements
        let outputs = try (0..<2).map { draw in
            try generator().predict(
                xt: batch.xt, timesteps: batch.timesteps,
                eta: stream.normals(count: count, epoch: step, position: draw), selfCondition: nil,
                labels: batch.labels, conditions: batch.conditions)
        }
        let squares = zip(outputs[0], outputs[1]).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        return squares / 2 / Double(outputs[0].count)
    }

    /// In half of the steps the network's own estimate of x_0, else zeros.
    private func estimateForSelfConditioning(_ batch: MicroBatch, step: Int) throws -> [Float] {
        let coin = RandomStream(seed: configuration.seed, purpose: .selfCondition)
        guard coin.integer(below: 2, epoch: 0, position: step) == 1 else {
            return [Float](repeating: 0, count: batch.xt.count)
        }
        // Epoch 0 of the stream belongs to the coin.
        let places = batch.places.map { (epoch: $0.epoch + 1, position: $0.position) }
        let eta = configuration.model.etaDraw?.with(.selfCondition).values(seed: configuration.seed, at: places)
        let output = try generator().predict(
            xt: batch.xt, timesteps: batch.timesteps, eta: eta, selfCondition: nil, labels: batch.labels,
            conditions: batch.conditions)
        return self.step.loss.process.x0Estimate(output: output, xt: batch.xt, timesteps: batch.timesteps)
    }

    /// The forward pass for probes, self-conditioning and previews, with the rank's parameters; it works in the training
    /// graph's memory.
    package func generator() throws -> SampleGenerator {
        let generator = try madeGenerator ?? makeGenerator()
        if isGeneratorStale { try generator.parametersChanged() }
        (madeGenerator, isGeneratorStale) = (generator, false)
        return generator
    }

    /// The forward pass that paths run by, likewise.
    package func pathGenerator() throws -> PathGenerator {
        let generator = try madePathGenerator ?? makePathGenerator()
        if isGeneratorStale { try generator.parametersChanged() }
        (madePathGenerator, isGeneratorStale) = (generator, false)
        return generator
    }

    /// The same, only prepared.
    package func makePathGenerator() throws -> PathGenerator {
        guard let paths = step.paths else { preconditionFailure("paths without a density") }
        return try PathGenerator(
            configuration.driftNetwork, paths, batch: step.batch.microBatchSize,
            sharing: (step.plan.layout, parameters), activations: executor.activations as? CPUMemory, on: backend)
    }

    /// The forward pass of samples, only prepared.
    package func makeGenerator() throws -> SampleGenerator {
        try SampleGenerator(
            configuration.model, batch: step.batch.microBatchSize, sharing: (step.plan.layout, parameters),
            activations: executor.activations as? CPUMemory, on: backend)
    }
}
