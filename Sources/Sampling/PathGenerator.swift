import CPUBackend
import Configuration
import Diffusion
import NeuralNetwork
import Philox
import Storage
import TensorGraph

/// Runs paths with a network as their drift, on weights of its own or on those of a training state.
///
/// Every random number belongs to a path, and the network works on a fixed number of them: path k of a seed is the same
/// whichever others are run.
public final class PathGenerator {
    public let sampler: PathSampler
    /// Paths that the network works on at a time.
    public let batch: Int
    private let weights: CPUMemory
    private let executor: Executor

    /// Prepares the forward pass, with weights of its own.
    ///
    /// - Throws: when memory cannot be had or an operation cannot be prepared.
    init(_ network: DriftNetwork, _ sampler: PathSampler, batch: Int, on backend: CPUBackend) throws {
        let plan = ExecutionPlan(network.inferenceGraph(batch: batch, precision: backend.precision))
        (self.sampler, self.batch) = (sampler, batch)
        weights = try CPUMemory(count: plan.layout.count)
        executor = try Executor(plan, on: backend, parameters: weights)
    }

    /// Prepares it on a training state's parameters: as they change, so does this, once ``parametersChanged()`` was called.
    ///
    /// - Parameter activations: memory of another graph of the same thread to work in.
    package init(
        _ network: DriftNetwork, _ sampler: PathSampler, batch: Int,
        sharing state: (layout: ParameterLayout, arena: CPUMemory),
        activations: CPUMemory?, on backend: CPUBackend
    ) throws {
        let graph = network.inferenceGraph(batch: batch, precision: backend.precision)
        let plan = ExecutionPlan(graph, layout: state.layout)
        (self.sampler, self.batch, weights) = (sampler, batch, state.arena)
        let shared = activations.flatMap { $0.count >= plan.activationCount ? $0 : nil }
        executor = try Executor(plan, on: backend, parameters: weights, activations: shared)
    }

    /// Floating-point operations of the network for one path's step.
    package var operationsPerStep: Int { executor.plan.floatingPointOperations / batch }

    /// To be called after the weights that are shared changed.
    package func parametersChanged() throws { try executor.parametersChanged() }

    /// Takes over tensors by name; `set` writes them into the arena it is given.
    func load(_ set: (ParameterLayout, CPUMemory) throws -> Void) throws {
        try set(executor.plan.layout, weights)
        try executor.parametersChanged()
    }

    /// The inputs of the network at step k of ``batch`` paths, x and score `[batch, D]`.
    package static func inputs(time: Float, x: [Float], score: [Float]) -> [String: [Float]] {
        [NetworkInput.xt.rawValue: x, DriftNetwork.scoreInput: score, NetworkInput.timestep.rawValue: [time]]
    }

    /// Runs the paths that belong to `places`, ``batch`` of them.
    ///
    /// - Parameters:
    ///   - purpose: which of the seed's streams they come from.
    ///   - keeping: whether every step is kept.
    /// - Throws: what an operation throws.
    package func paths(
        at places: [(epoch: Int, position: Int)], seed: UInt64, _ purpose: Purpose, keeping: Bool = false
    ) throws -> Paths {
        precondition(places.count == batch, "\(places.count) paths in a batch of \(batch)")
        let noise = sampler.draw(purpose).values(seed: seed, at: places)
        return try sampler.paths(noise, keeping: keeping) { k, x, score in
            executor.write(Self.inputs(time: sampler.steps.time(k), x: x, score: score))
            try executor.run()
            return executor.read("output")
        }
    }

    /// Paths `positions` of a seed, at most ``batch``: the end of each, `[positions, D]`, and its ln w.
    ///
    /// - Throws: what an operation throws.
    public func paths(
        _ positions: Range<Int>, seed: UInt64, _ purpose: Purpose
    ) throws -> (ends: [Float], logWeights: [Double]) {
        // What fills the batch up is dropped.
        let places = (0..<batch).map { (epoch: 0, position: min(positions.lowerBound + $0, positions.upperBound - 1)) }
        let paths = try paths(at: places, seed: seed, purpose)
        return (
            Array(paths.ends.prefix(positions.count * paths.dimension)),
            Array(paths.logWeights.prefix(positions.count))
        )
    }
}

/// A checkpoint that paths are to be run with.
public struct PathJob {
    private let network: TrainedNetwork
    /// The density that it draws from.
    public let target: any TargetDensity

    /// The run's configuration.
    public var configuration: RunConfiguration { network.configuration }
    /// The same as stored.
    public var json: String { network.json }
    /// Step of the checkpoint.
    public var step: Int { network.step }
    /// Which of its weights.
    public var weights: SampleWeights { network.weights }

    /// Paths that a network works on at a time: no result depends on how many ranks share the work.
    public static let batch = 256

    /// Reads and verifies the checkpoint at `path`.
    ///
    /// - Throws: `HDF5Error`, `StorageError` or ``RunError`` where it cannot be used or was left by another method.
    public init(_ path: String, _ weights: SampleWeights) throws {
        network = try TrainedNetwork(path, weights)
        guard network.configuration.method == .dds else {
            throw RunError(
                "\(path) is no checkpoint of a diffusion sampler; one that method: dds left is wanted",
                status: .badInput)
        }
        target = try network.configuration.openTarget(kept: network.targetAttributes)
    }

    /// Whether the checkpoint at `path` is one of `method: dds`.
    ///
    /// - Throws: as ``init(_:_:)``, where it cannot be read.
    public static func isLeft(at path: String) throws -> Bool {
        try RunConfiguration(json: CheckpointFile(path, isVerified: false).header.config, name: path).method == .dds
    }

    /// How paths run.
    public var sampler: PathSampler { PathSampler(PathSteps(configuration.paths), target) }

    /// The network with the checkpoint's weights, computing in `precision`.
    ///
    /// - Throws: when memory cannot be had or an operation cannot be prepared; ``RunError`` when tensors do not fit.
    public func generator(precision: JobPrecision) throws -> PathGenerator {
        let generator = try PathGenerator(
            configuration.driftNetwork, sampler, batch: Self.batch, on: CPUBackend(precision: precision.precision))
        try generator.load { try network.load($0, into: $1) }
        return generator
    }
}
