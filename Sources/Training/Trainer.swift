import CPUBackend
import Communication
import Configuration
import Diffusion
import Foundation
import ImageData
import NeuralNetwork
import Philox
import Storage
import TensorGraph

/// What a run starts from.
public enum Resume: Equatable, Sendable {
    /// New; an existing run in the same folder is an error.
    case none
    /// The newest checkpoint of the run folder that verifies, or the beginning when there is none.
    case auto
    /// The given checkpoint.
    case checkpoint(String)
}

/// What one step did, for progress lines.
public struct StepReport: Sendable {
    /// Number of the step that ended, from 1.
    public var step: Int
    /// Mean loss of the global batch.
    public var loss: Double
    /// Global gradient norm before clipping.
    public var gradientNorm: Double
    /// Images of all ranks a second.
    public var imagesPerSecond: Double
    /// Passes over the data set so far.
    public var epoch: Double
}

/// Is told what a run does; only on rank 0.
public protocol TrainingObserver: AnyObject {
    /// A line for a person: what was restored, saved, drawn.
    func say(_ line: String)
    /// A line about something that went wrong without ending the run.
    func warn(_ line: String)
    /// A step ended.
    func stepped(_ report: StepReport)
}

/// How a run ended.
public enum Outcome: Equatable, Sendable {
    /// All steps are done.
    case finished
    /// A signal asked to stop; a checkpoint was written and the run can be resumed.
    case interrupted
}

/// A training run on one rank: the loop of SMD, data-parallel over all ranks of `communicator`.
///
/// Every rank holds a replica, takes its slice of each global batch, sums gradients with the others while its backward
/// pass still runs, and makes the same update. Rank 0 writes the files.
public final class Trainer {
    let configuration: RunConfiguration
    let communicator: any Communicator
    let folder: RunFolder
    let data: DataSet
    let state: ModelState
    /// How the optimiser's state is divided among ranks; nil when each holds all of it.
    let shards: OptimizerShards?
    let executor: Executor
    let observer: any TrainingObserver
    let version: String
    private let backend: CPUBackend
    private let reduction: GradientReduction
    private let microBatchSize: Int
    private let microBatches: Int
    private var source: BatchSource
    private var metrics: MetricsLog?
    private var madeGenerator: SampleGenerator?

    /// Updates done so far.
    public internal(set) var step = 0
    /// Samples of the stream that were trained on so far.
    var samplesSeen = 0

    /// Opens the data, builds the network, restores what is to be restored. Collective: ranks that disagree, or fail at
    /// any part of it, all end with the same error.
    public init(
        _ configuration: RunConfiguration, output: String, resume: Resume, version: String,
        communicator: any Communicator, observer: any TrainingObserver
    ) throws {
        self.configuration = configuration
        self.communicator = communicator
        self.observer = observer
        self.version = version
        try communicator.together("checking the configuration") { try configuration.validate(ranks: communicator.size) }
        let data = try communicator.together("opening the data set") {
            let data = try DataSet(path: configuration.data)
            try configuration.model.check(data)
            return data
        }
        try communicator.requireEqual([
            ("version", version), ("configuration", try configuration.digest()), ("data set", data.fingerprint),
        ])
        self.data = data
        microBatchSize = try configuration.microBatchSize(ranks: communicator.size)
        microBatches = try configuration.microBatchesPerRank(ranks: communicator.size)
        let (micro, batch) = (microBatchSize, configuration.batchSize)
        (backend, state, shards, executor) = try communicator.together("building the network") {
            let backend = try CPUBackend()
            let graph = DenoiserGraph.training(configuration.model, batch: micro, lossScale: 1 / Float(batch)).graph
            let plan = ExecutionPlan(graph)
            let shards = OptimizerShards(
                count: plan.layout.count, sharded: configuration.optimizer.sharded, among: communicator)
            let state = try ModelState(plan.layout, own: shards?.own)
            let activations = try CPUMemory(count: plan.activationCount)
            let executor = try Executor(
                plan, on: backend, parameters: state.parameters, gradients: state.gradients, activations: activations)
            return (backend, state, shards, executor)
        }
        reduction = GradientReduction(executor.plan, gradients: state.gradients, communicator: communicator)
        source = BatchSource(data, configuration)
        folder = RunFolder(output)
        try restore(resume)
        metrics = try openMetrics(continued: step)
        try executor.parametersChanged()
    }

    /// Parameters of the network.
    public var parameterCount: Int { state.layout.parameters.reduce(0) { $0 + $1.count } }
    /// Samples of the data set.
    public var dataCount: Int { data.count }
    /// Images of a micro-batch, and how many of them each rank computes for a step.
    public var microBatchPlan: (size: Int, perRank: Int) { (microBatchSize, microBatches) }

    /// Trains until all steps are done or a signal asks to stop.
    public func run() throws -> Outcome {
        let signals = StopSignals()
        var stop = false
        while step < configuration.steps && !stop {
            stop = try trainStep(stopRequested: signals.requested)
            let last = step == configuration.steps
            if isDue(configuration.previewEvery) || (last && configuration.previewEvery > 0) { try drawPreviews() }
            if isDue(configuration.checkpointEvery) || last || stop { try saveCheckpoint(required: last || stop) }
        }
        try communicator.together("closing the metrics") { try metrics?.close() }
        return step < configuration.steps ? .interrupted : .finished
    }

    private func isDue(_ every: Int) -> Bool { every > 0 && step % every == 0 }

    /// One update of the parameters from one global batch.
    ///
    /// - Returns: whether any rank was asked to stop.
    private func trainStep(stopRequested: Bool) throws -> Bool {
        let first = samplesSeen + communicator.rank * microBatches * microBatchSize
        var clock = StepClock(.data)
        var loss = 0.0
        var probe: Double?
        state.gradients.clear(state.all)
        for number in 0..<microBatches {
            clock.begin(.data)
            let start = first + number * microBatchSize
            let batch = try source.microBatch(start..<start + microBatchSize)
            clock.begin(.compute)
            if number == 0, isProbeDue { probe = try etaVariance(batch) }
            let selfCondition = try estimateForSelfConditioning(batch)
            executor.write("x", batch.task.xt)
            executor.write("timestep", batch.task.timestep)
            executor.write("target", batch.task.target)
            executor.write("weight", batch.task.weight)
            executor.write("eta", batch.eta)
            executor.write("self_condition", selfCondition)
            if number == microBatches - 1 {
                try executor.run(after: reduction.after)
            } else {
                try executor.run()
            }
            loss += executor.read("loss").reduce(0) { $0 + Double($1) }
        }
        clock.begin(.communication)
        try reduction.finish()
        let sums = try communicator.sum([loss, stopRequested ? 1 : 0, probe ?? 0])
        clock.begin(.optimizer)
        let update = try state.update(
            step: step + 1, learningRate: configuration.learningRate, configuration.optimizer, configuration.ema,
            on: backend)
        if let shards {
            clock.begin(.communication)
            try shards.gather(parameters: state.parameters)
            clock.begin(.optimizer)
        }
        try executor.parametersChanged()
        let seconds = clock.end()

        step += 1
        samplesSeen += configuration.batchSize
        let report = StepReport(
            step: step, loss: sums[0] / Double(configuration.batchSize), gradientNorm: update.gradientNorm,
            imagesPerSecond: Double(configuration.batchSize) / seconds, epoch: source.epoch(at: samplesSeen))
        if communicator.rank == 0 {
            let variance = probe == nil ? nil : sums[2] / Double(communicator.size)
            try metrics?.append(report, clock, etaVariance: variance, learningRate: configuration.learningRate)
            observer.stepped(report)
        }
        return sums[1] > 0
    }

    // MARK: η and self-conditioning

    private var isProbeDue: Bool {
        configuration.model.smd && configuration.model.eta == .normal && configuration.etaVarianceEvery > 0
            && (step + 1) % configuration.etaVarianceEvery == 0
    }

    /// Mean variance over η of the network's output at the same x_t and t, from two draws. Zero means that the mixture
    /// has collapsed to one Gaussian.
    private func etaVariance(_ batch: MicroBatch) throws -> Double {
        let generator = try generator()
        try generator.load(state.parameters)
        let stream = RandomStream(seed: configuration.seed, purpose: .probe)
        let outputs = try (0..<2).map { draw in
            let position = communicator.rank * 2 + draw
            return try generator.predict(
                xt: batch.task.xt, timesteps: batch.task.timestep,
                eta: stream.normals(count: batch.task.xt.count, epoch: step, position: position), selfCondition: nil)
        }
        let squares = zip(outputs[0], outputs[1]).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        return squares / 2 / Double(batch.task.xt.count)
    }

    /// In half of the steps the network's own estimate of x_0, else zeros; empty without self-conditioning.
    private func estimateForSelfConditioning(_ batch: MicroBatch) throws -> [Float] {
        guard configuration.model.selfCondition else { return [] }
        let coin = RandomStream(seed: configuration.seed, purpose: .selfCondition)
        guard coin.integer(below: 2, epoch: 0, position: step) == 1 else {
            return [Float](repeating: 0, count: batch.task.xt.count)
        }
        let generator = try generator()
        try generator.load(state.parameters)
        let eta =
            configuration.model.smd
            ? coin.normals(count: batch.task.xt.count, epoch: step + 1, position: communicator.rank) : nil
        let output = try generator.predict(
            xt: batch.task.xt, timesteps: batch.task.timestep, eta: eta, selfCondition: nil)
        return source.x0Estimate(output: output, batch)
    }

    /// The forward pass for probes, self-conditioning and previews; it works in the training graph's memory.
    func generator() throws -> SampleGenerator {
        if let madeGenerator { return madeGenerator }
        let generator = try SampleGenerator(
            configuration.model, batch: microBatchSize, layout: state.layout, on: backend,
            activations: executor.activations as? CPUMemory)
        madeGenerator = generator
        return generator
    }

    /// Brings the metrics to the disk: rows a checkpoint builds on are there before it is.
    func synchronizeMetrics() throws { try metrics?.synchronize() }
}
