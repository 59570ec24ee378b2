extension Graph {
    /// Lets the backward pass compute the results of norms again instead of keeping them (Chen et al. 2016), to be called
    /// after ``differentiate(_:withRespectTo:freezing:)``. The values are the same bits, the activation arena is smaller.
    ///
    /// Only results whose own operands are kept anyway, for the norm's gradient, and which cost one pass over memory.
    public func recomputeNorms() {
        guard let firstBackward = firstBackwardNode else { return }
        let kept = Set(results.values)
        /// Results that may be computed again → the node that does.
        var cheap: [Int: Node] = [:]
        for node in nodes[..<firstBackward] where node.operation.isCheapToRepeat && !kept.contains(node.outputs[0]) {
            cheap[node.outputs[0]] = node
        }
        // A chain of them would keep nothing alive that its beginning could be computed from.
        cheap = cheap.filter { cheap[$0.value.inputs[0]] == nil }

        var repeated: [Int: Int] = [:]
        var rewritten = Array(nodes[..<firstBackward])
        for var node in nodes[firstBackward...] {
            for (position, input) in node.inputs.enumerated() {
                guard let original = cheap[input] else { continue }
                if repeated[input] == nil {
                    let outputs = original.outputs.map { addValue(values[$0].shape) }
                    rewritten.append(Node(operation: original.operation, inputs: original.inputs, outputs: outputs))
                    repeated[input] = outputs[0]
                }
                node.inputs[position] = repeated[input] ?? input
            }
            rewritten.append(node)
        }
        nodes = rewritten
    }
}

extension Operation {
    /// A norm without residual: its gradient needs its operands, so they are still there when its result is wanted again.
    fileprivate var isCheapToRepeat: Bool {
        switch self {
        case .groupNormSiLU(_, _, _, residual: false), .groupNorm, .rmsNorm(residual: false): true
        default: false
        }
    }
}
