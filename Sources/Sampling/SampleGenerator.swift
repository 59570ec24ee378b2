import CPUBackend
import Diffusion
import Files
import NeuralNetwork
import TensorGraph

/// Where the time of sampling went, in seconds.
public struct SamplingTimes: Equatable, Sendable {
    package init() {}

    /// Running the network.
    public var network = 0.0
    /// Drawing random numbers.
    public var random = 0.0
    /// All of it; the rest is arithmetic of the sampler, and copies.
    public var all = 0.0
}

/// What sampling consists of.
package enum SamplingPart {
    /// The operation of that number in the plan.
    case node(Int)
    case randomNumbers
    /// Arithmetic of the sampler, and copies.
    case arithmetic
}

/// Draws samples from a network: a forward graph for a fixed batch, on weights of its own or on those of a training state.
///
/// Every random number belongs to a sample, not to a batch or a rank: sample k of a seed is the same however the work
/// is divided.
public final class SampleGenerator {
    /// Sizes of the network.
    public let model: ModelConfiguration
    /// Samples the graph works on at a time.
    public let batch: Int
    /// Where the time of all calls of ``samples(_:seed:sampler:progress:)`` went.
    public private(set) var times = SamplingTimes()
    /// Where set, is told of each operation of the network as it ends, and of what is done beside them.
    package var ended: ((SamplingPart) -> Void)?
    /// What the forward process moves towards, where the network was trained so: then samples and estimates are those of the
    /// process without it, and belong to a class each.
    public var shift: Shift?
    private let weights: CPUMemory
    private let executor: Executor
    private let backend: CPUBackend

    /// Prepares the forward pass, with weights of its own.
    ///
    /// - Throws: when memory cannot be had or an operation cannot be prepared.
    public convenience init(_ model: ModelConfiguration, batch: Int, on backend: CPUBackend) throws {
        let plan = Self.plan(model, batch: batch, layout: nil, on: backend)
        try self.init(
            model, batch, plan, weights: CPUMemory(count: plan.layout.count), activations: nil, on: backend)
    }

    /// Prepares the forward pass on a training state's parameters: as they change, so does this, once
    /// ``parametersChanged()`` was called.
    ///
    /// - Parameter activations: memory of another graph of the same thread to work in, if it is large enough.
    package convenience init(
        _ model: ModelConfiguration, batch: Int, sharing state: (layout: ParameterLayout, arena: CPUMemory),
        activations: CPUMemory?, on backend: CPUBackend
    ) throws {
        let plan = Self.plan(model, batch: batch, layout: state.layout, on: backend)
        try self.init(model, batch, plan, weights: state.arena, activations: activations, on: backend)
    }

    private init(
        _ model: ModelConfiguration, _ batch: Int, _ plan: ExecutionPlan, weights: CPUMemory, activations: CPUMemory?,
        on backend: CPUBackend
    ) throws {
        self.model = model
        (self.weights, self.backend) = (weights, backend)
        self.batch = batch
        let shared = activations.flatMap { $0.count >= plan.activationCount ? $0 : nil }
        executor = try Executor(plan, on: backend, parameters: weights, activations: shared)
    }

    private static func plan(
        _ model: ModelConfiguration, batch: Int, layout: ParameterLayout?, on backend: CPUBackend
    ) -> ExecutionPlan {
        ExecutionPlan(Denoiser(model).inferenceGraph(batch: batch, precision: backend.precision), layout: layout)
    }

    /// The most even batches in which `count` samples can be drawn, none larger than `limit`: no batch is filled up with
    /// samples that nobody asked for, or by one less than there are batches.
    public static func batch(for count: Int, atMost limit: Int) -> Int {
        precondition(limit > 0, "batches of at most \(limit)")
        let batches = max(1, (count + limit - 1) / limit)
        return max(1, (count + batches - 1) / batches)
    }

    /// The list of operations and where their values lie.
    package var plan: ExecutionPlan { executor.plan }

    /// Prepares the slope of this network, on the weights as they are.
    ///
    /// - Throws: when memory cannot be had or an operation cannot be prepared.
    public func slope() throws -> InputSlope {
        try InputSlope(model, batch: batch, layout: plan.layout, weights: weights, on: backend)
    }

    /// To be called after the weights that are shared changed.
    package func parametersChanged() throws { try executor.parametersChanged() }

    /// Takes over tensors by name; `set` writes them into the arena it is given.
    public func load(_ set: (ParameterLayout, CPUMemory) throws -> Void) throws {
        try set(plan.layout, weights)
        try executor.parametersChanged()
    }

    /// Elements of one sample.
    public var sampleSize: Int { model.sampleElements }

    /// The network's estimate for one batch: `xt`, `eta`, `selfCondition` are `[batch, H, W, C]`, `timesteps` `[batch]`.
    ///
    /// - Parameters:
    ///   - selfCondition: nil stands for zeros.
    ///   - labels: the class of each sample, `[batch]`, where the network takes it.
    ///   - conditions: y_t, `[batch, H, W, C']`, where the network takes it.
    public func predict(
        xt: [Float], timesteps: [Int], eta: [Float]?, selfCondition: [Float]?, labels: [Float]? = nil,
        conditions: [Float]? = nil
    ) throws -> [Float] {
        try outputs(
            xt: xt, timesteps: timesteps, eta: eta, selfCondition: selfCondition, labels: labels, conditions: conditions
        ).estimate
    }

    /// The same as samplers see it: guided where they ask for that, with v of the pass that is told the class.
    ///
    /// - Parameter passed: called after each pass through the network.
    private func guidedOutputs(
        xt: [Float], timestep: Int, eta: [Float]?, selfCondition: [Float]?, labels: [Float]?, conditions: [Float]?,
        weight: Double?, passed: () throws -> Void
    ) throws -> (estimate: [Float], v: [Float]) {
        let timesteps = [Int](repeating: timestep, count: batch)
        let told = try outputs(
            xt: xt, timesteps: timesteps, eta: eta, selfCondition: selfCondition, labels: labels, conditions: conditions
        )
        try passed()
        guard let weight else { return told }
        guard let nullClass = model.nullClass else { preconditionFailure("guidance without label dropout") }
        // With the same η: of a mixture both are the same draw.
        let untold = try outputs(
            xt: xt, timesteps: timesteps, eta: eta, selfCondition: selfCondition,
            labels: [Float](repeating: Float(nullClass), count: batch), conditions: conditions)
        try passed()
        return (Guidance.combined(told.estimate, untold.estimate, weight: weight), told.v)
    }

    /// The same, and v of a learned variance.
    private func outputs(
        xt: [Float], timesteps: [Int], eta: [Float]?, selfCondition: [Float]?, labels: [Float]?, conditions: [Float]?
    ) throws -> (estimate: [Float], v: [Float]) {
        precondition(model.takesLabels == (labels != nil), "labels are missing, or given to a network that takes none")
        precondition(
            (model.conditionChannels > 0) == (conditions != nil),
            "conditions are missing, or given to a network that takes none")
        let estimate = model.selfCondition ? selfCondition ?? [Float](repeating: 0, count: xt.count) : nil
        executor.write(
            model.inputs(
                xt: xt, timestep: timesteps.map(Float.init), eta: eta, selfCondition: estimate, labels: labels,
                conditions: conditions))
        ended?(.arithmetic)
        times.network += try seconds(of: {
            if let ended { try executor.run { ended(.node($0)) } } else { try executor.run() }
        })
        return model.parts(ofOutput: executor.read("output"))
    }

    /// Estimates of x_0 for up to ``batch`` samples, each with the `draw`-th latent of its place: what is compared with
    /// another distribution of x_0 given x_t. Not clamped.
    ///
    /// - Parameters:
    ///   - xt: `[places, H, W, C]`.
    ///   - timesteps: t of each, `[places]`.
    ///   - places: what the random numbers of a sample are keyed by.
    ///   - labels: the class of each, `[places]`, where the network takes it.
    /// - Returns: `[places, H, W, C]`.
    public func estimates(
        xt: [Float], timesteps: [Int], places: [Int], draw: Int, seed: UInt64, _ process: ForwardProcess,
        labels: [Float]? = nil
    ) throws -> [Float] {
        precondition(1...batch ~= places.count, "\(places.count) samples in a batch of \(batch)")
        precondition(timesteps.count == places.count, "\(timesteps.count) timesteps of \(places.count) samples")
        // What fills the batch up is dropped.
        let filled = (0..<batch).map { min($0, places.count - 1) }
        let at = filled.map { (epoch: draw, position: places[$0]) }
        let eta = model.etaDraw?.with(.samplingEta).values(seed: seed, at: at)
        let filledLabels = labels.map { labels in filled.map { labels[$0] } }
        let output = try shifting(
            filled.flatMap { xt[$0 * sampleSize..<($0 + 1) * sampleSize] }, filled.map { timesteps[$0] }, filledLabels
        ) { xt, timesteps in
            drawn(
                try predict(
                    xt: xt, timesteps: timesteps, eta: eta, selfCondition: nil,
                    labels: model.takesLabels ? filledLabels : nil),
                { $0.values(seed: seed, at: at) })
        }
        return process.x0Estimate(
            output: Array(output.prefix(xt.count)), xt: xt, timesteps: timesteps)
    }

    /// The output at y_t of a network that is shown x_t: `output` of (x_t, timesteps).
    private func shifting(
        _ y: [Float], _ timesteps: [Int], _ labels: [Float]?, output: ([Float], [Int]) throws -> [Float]
    ) rethrows -> [Float] {
        guard let shift else { return try output(y, timesteps) }
        guard let labels else { preconditionFailure("a shifted process without classes") }
        let xt = shift.shifted(y: y, timesteps: timesteps, labels: labels)
        return shift.unshifted(output: try output(xt, timesteps), timesteps: timesteps, labels: labels)
    }

    /// The output as one draw of the target: of a mixture, drawn with what `values` gives; else itself.
    private func drawn(_ output: [Float], _ values: (Draw) -> [Float]) -> [Float] {
        guard let head = model.mixtureHead else { return output }
        let pixels = sampleSize / model.channels
        return head.draw(
            output, choice: values(Draw("choice", .headChoice, .uniform, elements: pixels)),
            noise: values(Draw("head", .headNoise, .normal, elements: sampleSize)))
    }

    /// Samples number `positions` of `seed`, `[positions, H, W, C]`.
    ///
    /// - Parameters:
    ///   - classes: which class sample k is of, where the network takes it or a classifier guides.
    ///   - guide: what leads samples, to a class or to what is known of them.
    ///   - hooks: where the samples begin, and what is done to them between steps.
    ///   - firstRound: where the random numbers of a sample begin, of which each step takes a round, and the start one.
    ///   - progress: called with (passes through the network done, all) after each.
    public func samples(
        _ positions: Range<Int>, seed: UInt64, sampler: Sampler, classes: SampleClasses = .all,
        guide: (any SampleGuide)? = nil, hooks: SamplingHooks = SamplingHooks(), firstRound: Int = 0,
        progress: @escaping (Int, Int) throws -> Void = { _, _ in }
    ) throws -> [Float] {
        let noise = Draw("noise", .sampling, .normal, elements: sampleSize)
        let latent = model.etaDraw?.with(.samplingEta)
        let process = ForwardProcess(sampler.configuration, model)
        let ofConditions = process.conditionDraw(for: model).with(.samplingCondition)
        let batches = (positions.count + batch - 1) / batch
        let clock = ContinuousClock()
        let begin = clock.now
        defer {
            times.all += (clock.now - begin).seconds
            ended?(.arithmetic)
        }
        var done = 0
        var result: [Float] = []
        result.reserveCapacity(positions.count * sampleSize)
        for number in 0..<batches {
            var evaluation = 0
            let first = positions.lowerBound + number * batch
            /// Draw `round` of every sample of the batch; the last batch is filled up with samples that are dropped.
            func values(_ draw: Draw, round: Int) -> [Float] {
                let start = clock.now
                ended?(.arithmetic)
                defer {
                    times.random += (clock.now - start).seconds
                    ended?(.randomNumbers)
                }
                return draw.values(seed: seed, at: (first..<first + batch).map { (firstRound + round, $0) })
            }
            let places = first..<first + batch
            let known = [shift?.classes, guide?.classes, model.classes].compactMap { $0 }.first { $0 > 0 } ?? 0
            let labels = classes.labels(places, of: known)
            let start = values(noise, round: 0)
            let y = try hooks.conditions?(places)
            let batchSamples = try sampler.sample(
                from: hooks.start?(places, start) ?? start, usesEta: latent != nil, selfCondition: model.selfCondition,
                predict: { [self] xt, timestep, eta, selfCondition in
                    defer { evaluation += 1 }
                    var v: [Float] = []
                    let timesteps = [Int](repeating: timestep, count: batch)
                    let yt = y.map { y in
                        let noise = values(ofConditions, round: evaluation)
                        return process.noisedConditions(y, noise: noise, timesteps: timesteps).yt
                    }
                    let output = try shifting(xt, timesteps, labels) { xt, _ in
                        let told = try guidedOutputs(
                            xt: xt, timestep: timestep, eta: eta, selfCondition: selfCondition,
                            labels: model.takesLabels ? labels : nil, conditions: yt,
                            weight: sampler.guidanceWeight(at: timestep)
                        ) {
                            done += 1
                            try progress(done, batches * sampler.passes)
                        }
                        v = told.v
                        return drawn(told.estimate, { values($0, round: evaluation) })
                    }
                    return output + v
                },
                guide: guide.map { guide in
                    SamplerGuide(shiftsMeans: guide.shiftsMeans) {
                        try guide.gradient($0, samples: places, labels: labels)
                    }
                },
                draw: { number, which in
                    if let given = try hooks.draw?(places, number, which) { return given }
                    return switch which {
                    case .eta: latent.map { values($0, round: number) } ?? []
                    case .noise: values(noise, round: number + 1)
                    }
                },
                reached: { step, x in try hooks.reached?(places, step, &x) })
            result += batchSamples.prefix(min(batch, positions.upperBound - first) * sampleSize)
        }
        return result
    }
}
