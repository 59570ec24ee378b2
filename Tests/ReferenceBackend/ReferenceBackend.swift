import TensorGraph

/// The operations in double precision and in the plainest code there is: the specification that every fast backend is
/// checked against, and slow.
///
/// An operation computes its results into new arrays and only then stores them, so operands may share memory in any way.
public final class ReferenceBackend: Backend {
    /// A backend; it has no state.
    public init() {}

    /// Room for `count` numbers, zeroed.
    public func allocate(count: Int) throws -> any Memory { ReferenceMemory(count: count) }

    /// Makes `operation` ready to run; each run allocates.
    public func prepare(_ operation: Operation, inputs: [Operand], outputs: [Operand]) throws -> PreparedOperation {
        let sources = inputs.map(Place.init)
        let destinations = outputs.map(Place.init)
        let accumulated = operation.traits(inputs.map(\.shape), outputs.map(\.shape)).accumulated
        return PreparedOperation(run: {
            let results = evaluate(operation, sources.map { $0.load() }, outputShapes: outputs.map(\.shape))
            for (index, (destination, result)) in zip(destinations, results).enumerated() {
                let accumulates = accumulated.contains(index)
                destination.store(accumulates ? destination.load().zip(result) { $0 + $1 } : result)
            }
        })
    }
}

/// An operand whose memory is known to be of the reference backend.
private struct Place {
    let memory: ReferenceMemory
    let range: Range<Int>
    let shape: [Int]

    init(_ operand: Operand) {
        guard let memory = operand.memory as? ReferenceMemory else {
            preconditionFailure("an operand in \(type(of: operand.memory)), not in memory of the reference backend")
        }
        self.memory = memory
        range = operand.offset..<operand.offset + operand.count
        shape = operand.shape
        precondition(operand.offset % 16 == 0, "offset \(operand.offset) is no multiple of 16")
        precondition(range.upperBound <= memory.count, "elements \(range) of a memory of \(memory.count)")
    }

    func load() -> ReferenceTensor { ReferenceTensor(shape, memory.readDouble(range)) }

    func store(_ tensor: ReferenceTensor) { memory.writeDouble(tensor.values, at: range.lowerBound) }
}
