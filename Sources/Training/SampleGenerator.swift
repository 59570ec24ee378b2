import CPUBackend
import Diffusion
import NeuralNetwork
import Philox
import TensorGraph

/// Where the time of sampling went, in seconds.
public struct SamplingTimes: Equatable, Sendable {
    /// Running the network.
    public var network = 0.0
    /// Drawing random numbers.
    public var random = 0.0
    /// All of it; the rest is arithmetic of the sampler, and copies.
    public var all = 0.0
}

/// Draws samples from a network: a forward graph for a fixed batch, with weights of its own.
///
/// Every random number belongs to a sample, not to a batch or a rank: sample k of a seed is the same however the work
/// is divided.
public final class SampleGenerator {
    /// Sizes of the network.
    public let model: ModelConfiguration
    /// Samples the graph works on at a time.
    public let batch: Int
    /// Where the weights lie.
    public let layout: ParameterLayout
    /// Where the time of all calls of ``samples(_:seed:sampler:progress:)`` went.
    public private(set) var times = SamplingTimes()
    /// Where set, the operations of the network are timed one by one, and what is done besides.
    var laps: LapTimes?
    private let weights: CPUMemory
    private let executor: Executor

    /// Prepares the forward pass.
    ///
    /// - Parameters:
    ///   - layout: that of the arena weights will be copied from; nil makes one.
    ///   - activations: memory of another graph of the same thread to work in, if it is large enough.
    /// - Throws: when memory cannot be had or an operation cannot be prepared.
    public init(
        _ model: ModelConfiguration, batch: Int, layout: ParameterLayout? = nil, on backend: CPUBackend,
        activations: CPUMemory? = nil
    ) throws {
        let graph = DenoiserGraph.inference(model, batch: batch, precision: backend.precision).graph
        let plan = ExecutionPlan(graph, layout: layout)
        self.model = model
        self.batch = batch
        self.layout = plan.layout
        weights = try CPUMemory(count: plan.layout.count)
        let shared = activations.flatMap { $0.count >= plan.activationCount ? $0 : nil }
        executor = try Executor(plan, on: backend, parameters: weights, activations: shared)
    }

    /// The most even batches in which `count` samples can be drawn, none larger than `limit`: no batch is filled up with
    /// samples that nobody asked for, or by one less than there are batches.
    public static func batch(for count: Int, atMost limit: Int) -> Int {
        precondition(limit > 0, "batches of at most \(limit)")
        let batches = max(1, (count + limit - 1) / limit)
        return max(1, (count + batches - 1) / batches)
    }

    /// Laps of `steps` evaluations of the network a repetition, with nothing in them yet.
    func makeLaps(steps: Int) -> LapTimes {
        LapTimes(executor.plan, runs: steps, besides: [("random numbers", 0), ("sampler and copies", 0)])
    }

    private static let (random, arithmetic) = (0, 1)

    /// The list of operations and where their values lie.
    var plan: ExecutionPlan { executor.plan }

    /// Takes over the parameters, or their average, of a training state.
    func load(_ arena: CPUMemory) throws {
        _ = weights.elements.update(fromContentsOf: arena.elements)
        try executor.parametersChanged()
    }

    /// Takes over tensors by name; `set` writes them into the arena it is given.
    public func load(_ set: (ParameterLayout, CPUMemory) throws -> Void) throws {
        try set(layout, weights)
        try executor.parametersChanged()
    }

    /// Elements of one sample.
    public var sampleSize: Int { model.sampleElements }

    /// The network's output for one batch: `xt`, `eta`, `selfCondition` are `[batch, H, W, C]`, `timesteps` `[batch]`.
    public func predict(xt: [Float], timesteps: [Float], eta: [Float]?, selfCondition: [Float]?) throws -> [Float] {
        executor.write("x", xt)
        executor.write("timestep", timesteps)
        if model.usesEta {
            executor.write("eta", model.eta == .zero ? [Float](repeating: 0, count: xt.count) : eta ?? [])
        }
        if model.selfCondition {
            executor.write("self_condition", selfCondition ?? [Float](repeating: 0, count: xt.count))
        }
        laps?.lap(besides: Self.arithmetic)
        times.network += try seconds(of: {
            if laps == nil { try executor.run() } else { try executor.run { laps?.lap(node: $0) } }
        })
        return executor.read("output")
    }

    /// Samples number `positions` of `seed`, `[positions, H, W, C]`.
    ///
    /// - Parameter progress: called with (network evaluations done, all) after each.
    public func samples(
        _ positions: Range<Int>, seed: UInt64, sampler: Sampler, progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> [Float] {
        let noise = RandomStream(seed: seed, purpose: .sampling)
        let latent = RandomStream(seed: seed, purpose: .samplingEta)
        let batches = (positions.count + batch - 1) / batch
        let clock = ContinuousClock()
        let begin = clock.now
        defer {
            times.all += (clock.now - begin).seconds
            laps?.lap(besides: Self.arithmetic)
        }
        var result: [Float] = []
        result.reserveCapacity(positions.count * sampleSize)
        for number in 0..<batches {
            let first = positions.lowerBound + number * batch
            /// Draw `round` of every sample of the batch; the last batch is filled up with samples that are dropped.
            func draw(_ stream: RandomStream, round: Int) -> [Float] {
                let start = clock.now
                laps?.lap(besides: Self.arithmetic)
                defer {
                    times.random += (clock.now - start).seconds
                    laps?.lap(besides: Self.random)
                }
                return [Float](unsafeUninitializedCapacity: batch * sampleSize) { buffer, filled in
                    for slot in 0..<batch {
                        let sample = buffer[slot * sampleSize..<(slot + 1) * sampleSize]
                        stream.fillNormals(
                            UnsafeMutableBufferPointer(rebasing: sample), epoch: round, position: first + slot)
                    }
                    filled = batch * sampleSize
                }
            }
            let batchSamples = try sampler.sample(
                from: draw(noise, round: 0), usesEta: model.drawsEta,
                selfCondition: model.selfCondition,
                predict: { xt, timestep, eta, selfCondition in
                    let timesteps = [Float](repeating: Float(timestep), count: batch)
                    return try predict(xt: xt, timesteps: timesteps, eta: eta, selfCondition: selfCondition)
                },
                draw: { step, which in
                    switch which {
                    case .eta: draw(latent, round: step)
                    case .noise: draw(noise, round: step + 1)
                    }
                },
                onStep: { step, _ in try progress(number * sampler.steps + step + 1, batches * sampler.steps) })
            result += batchSamples.prefix(min(batch, positions.upperBound - first) * sampleSize)
        }
        return result
    }
}

/// Images as bytes: [−1, 1] to 0 … 255, rounded.
public func pixels(_ images: [Float]) -> [UInt8] {
    images.map { value in
        let scaled = ((value + 1) * 127.5).rounded()
        return scaled > 0 ? UInt8(min(scaled, 255)) : 0  // not-a-number becomes black
    }
}

/// The part of `count` pieces of work that belongs to `rank`: as even as can be, in order.
public func share(of count: Int, rank: Int, size: Int) -> Range<Int> {
    count * rank / size..<count * (rank + 1) / size
}
