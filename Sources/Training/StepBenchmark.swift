import CPUBackend
import Configuration
import Foundation
import NeuralNetwork
import Philox
import TensorGraph

/// One repetition of a measured training step.
public struct StepMeasurement: Codable, Sendable {
    /// Duration of the step.
    public var seconds: Double
    /// FMA peak of the core in the moments before and after it.
    public var peakGflops: Double

    enum CodingKeys: String, CodingKey {
        case seconds
        case peakGflops = "peak_gflops"
    }
}

/// The training step alone: forward, backward, clip, Adam and average of one micro-batch of made-up images, without
/// data set, ranks or files.
public final class StepBenchmark {
    /// Images a step.
    public let batch: Int
    /// Floating-point operations of convolutions and products an image, forward and backward.
    public let operationsPerImage: Int
    private let configuration: RunConfiguration
    private let backend: CPUBackend
    private let state: ModelState
    private let executor: Executor
    private var step = 0

    /// Builds the network of `configuration`.
    public init(_ configuration: RunConfiguration, batch: Int) throws {
        self.batch = batch
        self.configuration = configuration
        backend = try CPUBackend()
        let graph = DenoiserGraph.training(configuration.model, batch: batch, lossScale: 1 / Float(batch)).graph
        let plan = ExecutionPlan(graph)
        operationsPerImage = plan.floatingPointOperations / batch
        state = try ModelState(plan.layout)
        executor = try Executor(plan, on: backend, parameters: state.parameters, gradients: state.gradients)
        state.initialize(seed: 0)
        let stream = RandomStream(seed: 0, purpose: .data)
        for (position, name) in ["x", "eta", "target", "self_condition"].enumerated() {
            guard let range = executor.inputRange(name) else { continue }
            executor.write(name, stream.normals(count: range.count, epoch: 0, position: position))
        }
        executor.write("weight", [Float](repeating: 1, count: batch))
        executor.write("timestep", (0..<batch).map { Float($0 * configuration.diffusion.timesteps / batch) })
        try executor.parametersChanged()
    }

    /// One step, with the peak measured on both sides of it.
    public func measure() throws -> StepMeasurement {
        let before = backend.measurePeak()
        let clock = ContinuousClock()
        let start = clock.now
        try runStep()
        let seconds = (clock.now - start).seconds
        return StepMeasurement(seconds: seconds, peakGflops: (before + backend.measurePeak()) / 2)
    }

    /// Fraction of the peak that a measurement stands for.
    public func fraction(_ measurement: StepMeasurement) -> Double {
        Double(operationsPerImage * batch) / measurement.seconds / 1e9 / measurement.peakGflops
    }

    private func runStep() throws {
        step += 1
        state.gradients.clear(state.all)
        try executor.run()
        _ = try state.update(
            step: step, learningRate: configuration.learningRate, configuration.optimizer, configuration.ema,
            on: backend)
        try executor.parametersChanged()
    }

    /// Seconds by kind of operation in one step, most expensive first: where the time goes.
    public func profile() throws -> [(operation: String, seconds: Double, count: Int, gflops: Double)] {
        let clock = ContinuousClock()
        var seconds: [String: (Double, Int, Int)] = [:]
        var since = clock.now
        try executor.run { index in
            let now = clock.now
            let node = executor.plan.nodes[index]
            let known = seconds[node.operation.name] ?? (0, 0, 0)
            seconds[node.operation.name] = (
                known.0 + (now - since).seconds, known.1 + 1,
                known.2 + executor.plan.floatingPointOperations(of: node)
            )
            since = clock.now
        }
        return seconds.map { ($0.key, $0.value.0, $0.value.1, Double($0.value.2) / $0.value.0 / 1e9) }
            .sorted { $0.1 > $1.1 }
    }
}
