/// How a parameter starts out.
public enum Initializer: Hashable, Sendable {
    /// Uniform in ±bound; PyTorch's default for weights and biases has bound 1/√fan_in.
    case uniform(bound: Float)
    /// Normal with the given standard deviation around 0.
    case normal(deviation: Float)
    /// The same value everywhere.
    case constant(Float)
}

/// A learned tensor of a graph.
public struct Parameter: Hashable, Sendable {
    /// Name in checkpoints, unique in the graph, e.g. `model.downs.0.0.block1.proj.weight`.
    public let name: String
    /// Shape as in the published network (`O, I, H, W`; linear `O, I`).
    public let shape: [Int]
    /// Distribution of the first values.
    public let initializer: Initializer

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }
}

/// What a value of a graph is, which decides where it lives.
public enum Role: Hashable, Sendable {
    /// Written by the host before a run.
    case input(name: String)
    /// Lives in the parameter arena; the index is that of ``Graph/parameters``.
    case parameter(Int)
    /// Lives in the gradient arena, and accumulates.
    case parameterGradient(Int)
    /// Computed by a node, lives in the activation arena as long as it is needed.
    case intermediate
    /// The same, but never read and without meaning: where the gradient of a frozen parameter is added to.
    case unread
}

/// A value of a graph: its shape and what it is.
public struct Value: Hashable, Sendable {
    public let shape: [Int]
    public let role: Role

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }
}

/// One operation with its operands, indices into ``Graph/values``.
public struct Node: Hashable, Sendable {
    public var operation: Operation
    public var inputs: [Int]
    public var outputs: [Int]
}

/// A static computation: values and the operations between them, in the order of execution.
///
/// Written once by the layers through ``Tensor``, then fused (``fuse(for:)``), differentiated
/// (``differentiate(_:withRespectTo:freezing:)``)
/// and planned (``ExecutionPlan``). Shapes never change.
public final class Graph {
    /// All values; indices never change.
    public internal(set) var values: [Value] = []
    /// The operations in order of execution.
    public internal(set) var nodes: [Node] = []
    /// The learned tensors in order of declaration.
    public internal(set) var parameters: [Parameter] = []
    /// Named results that must outlive the run.
    public internal(set) var results: [String: Int] = [:]

    var parameterValues: [Int] = []
    /// Where the backward pass begins, once there is one.
    var firstBackwardNode: Int?
    var parameterGradientValues: [Int: Int] = [:]
    private var parameterIndex: [String: Int] = [:]

    public init() {}

    /// Number of learned scalars.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

    /// Declares an input the host writes before each run.
    public func input(_ name: String, _ shape: [Int]) -> Tensor {
        tensor(addValue(shape, .input(name: name)))
    }

    /// Declares a learned tensor. The same name gives the same tensor again and must have the same shape.
    public func parameter(_ name: String, _ shape: [Int], _ initializer: Initializer) -> Tensor {
        if let index = parameterIndex[name] {
            precondition(parameters[index].shape == shape, "\(name) is \(parameters[index].shape), not \(shape)")
            return tensor(parameterValues[index])
        }
        parameterIndex[name] = parameters.count
        parameterValues.append(addValue(shape, .parameter(parameters.count)))
        parameters.append(Parameter(name: name, shape: shape, initializer: initializer))
        return tensor(parameterValues[parameters.count - 1])
    }

    /// A tensor of which each element is `value`.
    public func constant(_ value: Float, _ shape: [Int]) -> Tensor { tensor(append(.constant(value), [], [shape])[0]) }

    /// Keeps `tensor` until the end of the run under `name`.
    public func keep(_ tensor: Tensor, as name: String) {
        results[name] = tensor.id
    }

    /// The tensor that is kept under `name`; one that is not there traps.
    public func kept(_ name: String) -> Tensor {
        guard let id = results[name] else {
            preconditionFailure("\(name) is not kept; there are \(results.keys.sorted())")
        }
        return tensor(id)
    }

    func tensor(_ id: Int) -> Tensor { Tensor(graph: self, id: id) }

    func addValue(_ shape: [Int], _ role: Role = .intermediate) -> Int {
        values.append(Value(shape: shape, role: role))
        return values.count - 1
    }

    /// Appends an operation on tensors as they are, for tests of operations.
    package func append(_ operation: Operation, _ inputs: [Tensor], outputs: [[Int]]) -> [Tensor] {
        append(operation, inputs.map(\.id), outputs).map(tensor)
    }

    /// Appends an operation and returns its outputs, whose shapes are given.
    @discardableResult
    func append(_ operation: Operation, _ inputs: [Int], _ outputShapes: [[Int]]) -> [Int] {
        let outputs = outputShapes.map { addValue($0) }
        nodes.append(Node(operation: operation, inputs: inputs, outputs: outputs))
        return outputs
    }

    func traits(of node: Node) -> OperationTraits {
        node.operation.traits(node.inputs.map { values[$0].shape }, node.outputs.map { values[$0].shape })
    }

    /// How many nodes read each value; a kept result counts as one more reader.
    func readerCounts() -> [Int] {
        var counts = [Int](repeating: 0, count: values.count)
        for node in nodes { for input in node.inputs { counts[input] += 1 } }
        for value in results.values { counts[value] += 1 }
        return counts
    }
}
