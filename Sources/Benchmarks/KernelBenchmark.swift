import CPUBackend
import Configuration
import Diffusion
import Files
import Foundation
import Philox
import Sampling
import TensorGraph

/// Every operation of a training graph alone, on memory of its own, over and over: what each could give without the
/// others, with its operands as near as the caches can hold them.
public final class KernelBenchmark {
    /// An operation to measure.
    public struct Kernel {
        /// Kind and options, and sizes.
        public var operation: String { label.operation }
        public var shape: String { label.shape }
        let label: OperationLabel
        let node: Node
        /// How often it occurs in one run of the graph.
        public let count: Int
    }

    /// The distinct operations of the graph, in the order of their first appearance.
    public let kernels: [Kernel]
    /// Images the graph works on.
    public let batch: Int
    /// What it computes in.
    public let precision: JobPrecision
    private let plan: ExecutionPlan
    private let backend: any Backend
    private let probe: MachineProbe
    /// Values that operands are filled with, in ±1.
    private let noise: [Float]

    /// The training graph of `configuration` for `batch` images; nil takes what the trainer takes on one rank.
    ///
    /// - Throws: `ConfigurationError` when the configuration has no such micro-batch; when the backend cannot start.
    public init(_ configuration: RunConfiguration, batch: Int?, probe: MachineProbe) throws {
        self.batch = try batch ?? configuration.microBatchSize(ranks: 1)
        self.probe = probe
        precision = JobPrecision(configuration.precision)
        backend = try CPUBackend(precision: precision.precision)
        plan = try ExecutionPlan(
            configuration.withClasses().trainingLoss.graph(
                batch: self.batch, scale: 1 / Float(self.batch), precision: precision.precision))
        var order: [OperationLabel] = []
        var found: [OperationLabel: (node: Node, count: Int)] = [:]
        for node in plan.nodes {
            let label = plan.label(of: node)
            if found[label] == nil { order.append(label) }
            found[label] = (found[label]?.node ?? node, (found[label]?.count ?? 0) + 1)
        }
        kernels = order.compactMap { label in
            found[label].map { Kernel(label: label, node: $0.node, count: $0.count) }
        }
        noise = RandomStream(seed: 0, purpose: .data).uniforms(count: 4096, epoch: 0, position: 0).map { 2 * $0 - 1 }
    }

    /// Runs `kernel` for about `milliseconds` in each of `repetitions`, with the machine measured beside each.
    ///
    /// - Returns: medians; `seconds` and `cost` are those of one run, `share` is 0.
    public func measure(_ kernel: Kernel, repetitions: Int, milliseconds: Double) throws -> OperationRow {
        precondition(repetitions > 0, "no repetition of \(kernel.operation)")
        let node = kernel.node
        let prepared = try backend.prepare(
            node.operation, inputs: node.inputs.map(operand), outputs: node.outputs.map(operand))
        for derived in prepared.derived { try derived.rebuild() }
        try prepared.run()
        let once = try seconds(of: prepared.run)
        let runs = max(1, min(1_000_000, Int(milliseconds * 1e-3 / max(once, 1e-9))))
        var times: [Double] = []
        var machine: [MachineRates] = []
        for _ in 0..<repetitions {
            machine.append(probe.measure(milliseconds: 5))
            try prepared.run()  // the probe has emptied the caches
            times.append(try seconds(of: { for _ in 0..<runs { try prepared.run() } }) / Double(runs))
        }
        return OperationRow(
            operation: kernel.operation, shape: kernel.shape, count: kernel.count, seconds: median(times), share: 0,
            cost: plan.cost(of: node), machine: .median(machine))
    }

    /// Fresh memory for a value, filled.
    private func operand(_ id: Int) throws -> Operand {
        let value = plan.values[id]
        let memory = try backend.allocate(count: value.count)
        for start in stride(from: 0, to: value.count, by: noise.count) {
            memory.write(Array(noise.prefix(value.count - start)), at: start)
        }
        return Operand(memory: memory, offset: 0, shape: value.shape)
    }
}
