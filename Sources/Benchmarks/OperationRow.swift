import CPUBackend
import Foundation
import TensorGraph

/// Time and rate of an operation, or of several alike taken together: a row of a table.
public struct OperationRow: Encodable, Sendable {
    /// Kind of operation, with the options that are on, for instance `convolution+bias`.
    public var operation: String
    /// Sizes, for instance `32×16×16×64 * 64×64×3×3 → 32×16×16×64`; empty for a whole kind.
    public var shape: String
    /// How often it runs in a step.
    public var count: Int
    /// Time of all of them in a step.
    public var seconds: Double
    /// `seconds` as a share of the sum over all rows.
    public var share: Double
    /// Work and traffic of all of them in a step.
    public var cost: OperationCost
    /// What the machine gave meanwhile.
    public var machine: MachineRates

    /// GFLOP/s, for products.
    public var gflops: Double? { cost.operations > 0 ? Double(cost.operations) / seconds / 1e9 : nil }
    /// GB/s of operands, for what is not a product: can be above the memory's where operands come from a cache.
    public var gigabytesPerSecond: Double? {
        cost.operations == 0 && cost.bytes > 0 ? Double(cost.bytes) / seconds / 1e9 : nil
    }
    /// GFLOP/s as a fraction of the multiply-add peak, or GB/s as a fraction of the memory bandwidth.
    public var fraction: Double? {
        gflops.map { $0 / machine.peakGflops } ?? gigabytesPerSecond.map { $0 / machine.bandwidth }
    }

    enum CodingKeys: CodingKey {
        case operation, shape, count, seconds, share, gflops, gigabytesPerSecond, fractionOfPeak, fractionOfBandwidth
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(operation, forKey: .operation)
        try container.encode(shape, forKey: .shape)
        try container.encode(count, forKey: .count)
        try container.encode(seconds, forKey: .seconds)
        try container.encode(share, forKey: .share)
        try container.encodeIfPresent(gflops, forKey: .gflops)
        try container.encodeIfPresent(gigabytesPerSecond, forKey: .gigabytesPerSecond)
        try container.encodeIfPresent(fraction, forKey: gflops == nil ? .fractionOfBandwidth : .fractionOfPeak)
    }
}

/// Work and traffic of an operation.
public struct OperationCost: Equatable, Sendable {
    /// Floating-point operations of convolutions, products and attention; 0 for element-wise work.
    public var operations = 0
    /// Bytes of inputs and outputs, each once; 0 where it is not known.
    public var bytes = 0

    static func += (a: inout OperationCost, b: OperationCost) {
        a.operations += b.operations
        a.bytes += b.bytes
    }

    static func * (a: OperationCost, count: Int) -> OperationCost {
        OperationCost(operations: a.operations * count, bytes: a.bytes * count)
    }
}

/// Operations that a table does not tell apart: the same kind, options and sizes.
struct OperationLabel: Hashable {
    var operation: String
    var shape: String
}

extension ExecutionPlan {
    /// The row of a table that `node` belongs to.
    func label(of node: Node) -> OperationLabel {
        // Options are the attributes that print as "name: true".
        let options = String(describing: node.operation).split(whereSeparator: { "(),".contains($0) })
            .compactMap { $0.hasSuffix(": true") ? "+" + $0.dropLast(6).trimmingCharacters(in: .whitespaces) : nil }
        func text(_ id: Int) -> String { values[id].shape.map(String.init).joined(separator: "×") }
        func largest(_ ids: [Int]) -> Int? { ids.max { values[$0].count < values[$1].count } }
        func isParameter(_ id: Int) -> Bool {
            switch values[id].role {
            case .parameter, .parameterGradient: true
            case .input, .intermediate, .unread: false
            }
        }
        let from = largest(node.inputs.filter { !isParameter($0) }) ?? node.inputs.first
        // A product has a weight, or the gradient of one, beside what it reads.
        let weight =
            floatingPointOperations(of: node) > 0
            ? (node.inputs + node.outputs).first { isParameter($0) && values[$0].shape.count > 1 } : nil
        let to = largest(node.outputs.filter { !isParameter($0) })
        var shape = from.map(text) ?? ""
        if let weight { shape += " * " + text(weight) }
        if let to, shape != text(to) { shape += " → " + text(to) }
        return OperationLabel(operation: ([node.operation.name] + options).joined(), shape: shape)
    }

    /// Work and traffic of `node` in one run.
    func cost(of node: Node) -> OperationCost {
        OperationCost(
            operations: floatingPointOperations(of: node),
            bytes: (node.inputs + node.outputs).reduce(0) { $0 + values[$1].count } * MemoryLayout<Float>.stride)
    }
}
