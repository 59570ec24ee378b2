extension Graph {
    /// Appends the reverse-mode derivative of `Σ seed · output`, summed over all elements of all `outputs`: with respect to
    /// every parameter that they depend on, and to `inputs`.
    ///
    /// Parameter gradients accumulate into the gradient arena, so that micro-batches add up; it is the caller who clears it.
    ///
    /// - Parameters:
    ///   - outputs: what is differentiated, each with a seed of its shape: for a loss `[N]` the factor of each sample's.
    ///   - inputs: any tensors of the graph whose gradients are wanted, too.
    ///   - frozen: parameters that are constants here.
    /// - Returns: the gradients of `inputs`; nil for one that the outputs do not depend on.
    @discardableResult
    public func differentiate(
        _ outputs: [(output: Tensor, seed: Tensor)], withRespectTo inputs: [Tensor] = [],
        freezing frozen: (Parameter) -> Bool = { _ in false }
    ) -> [Tensor?] {
        let forward = nodes
        firstBackwardNode = firstBackwardNode ?? forward.count
        var variable = Set(inputs.map(\.id))
        for (id, value) in values.enumerated() {
            if case .parameter(let index) = value.role, !frozen(parameters[index]) { variable.insert(id) }
        }
        for node in forward where node.inputs.contains(where: variable.contains) {
            variable.formUnion(node.outputs)
        }
        var reverse = ReverseMode(graph: self, needed: variable)
        for (output, seed) in outputs {
            precondition(seed.shape == output.shape, "a seed \(seed.shape) for an output \(output.shape)")
            reverse.contribute(seed.id, to: output.id)
        }
        for node in forward.reversed() {
            if let dy = reverse.gradients[node.outputs[0]] { reverse.differentiate(node, dy) }
        }
        return inputs.map { reverse.gradients[$0.id].map(tensor) }
    }

    /// The value that stands for the gradient of a parameter.
    fileprivate func gradientValue(ofParameter index: Int, shape: [Int]) -> Int {
        if let known = parameterGradientValues[index] { return known }
        let gradient = addValue(shape, .parameterGradient(index))
        parameterGradientValues[index] = gradient
        return gradient
    }
}

/// One operation of a derivative: what it reads, and of which inputs of the forward operation it gives the gradients.
package struct GradientRule {
    package enum Source: Equatable {
        /// The gradient of the forward operation's first output.
        case dy
        case input(Int)
        case output(Int)
    }

    /// Nil where the gradient is `dy` itself. Told whether the gradient so far of ``addend`` is its last input.
    package let operation: ((_ addend: Bool) -> Operation)?
    package let sources: [Source]
    /// Inputs of the forward operation, one for each output.
    package let results: [Int]
    /// The result that the operation can add to what there is already of it.
    package let addend: Int?

    /// An operation that reads `sources` and gives the gradients of `results`.
    init(_ operation: Operation, _ sources: [Source], _ results: [Int]) {
        self.operation = { _ in operation }
        self.sources = sources
        self.results = results
        addend = nil
    }

    /// The same, where the gradient so far of the result `addend` may be added.
    init(_ sources: [Source], _ results: [Int], addingTo addend: Int, _ operation: @escaping (Bool) -> Operation) {
        self.operation = operation
        self.sources = sources
        self.results = results
        self.addend = addend
    }

    /// The gradient of `input` is that of the output.
    static func identity(_ input: Int) -> GradientRule { GradientRule(passingTo: input) }

    private init(passingTo input: Int) {
        (operation, sources, results, addend) = (nil, [.dy], [input], nil)
    }
}

/// The state of one backward walk: which value has which gradient so far.
private struct ReverseMode {
    let graph: Graph
    /// Values whose gradient matters.
    let needed: Set<Int>
    /// Gradient of each value, as far as its readers have been walked.
    var gradients: [Int: Int] = [:]

    init(graph: Graph, needed: Set<Int>) {
        self.graph = graph
        self.needed = needed
    }

    private func shape(_ value: Int) -> [Int] { graph.values[value].shape }

    /// Adds a finished gradient to what `value` has.
    mutating func contribute(_ gradient: Int, to value: Int) {
        guard needed.contains(value) else { return }
        if let previous = gradients[value] {
            gradients[value] = graph.append(.add, [previous, gradient], [shape(value)])[0]
        } else {
            gradients[value] = gradient
        }
    }

    /// Appends what `node` contributes to the gradients of its inputs; `dy` is the gradient of its first output.
    mutating func differentiate(_ node: Node, _ dy: Int) {
        let rules = graph.traits(of: node).gradient
        let known = Set(rules.flatMap(\.results))
        if let index = node.inputs.indices.first(where: { needed.contains(node.inputs[$0]) && !known.contains($0) }) {
            preconditionFailure("\(node.operation) has no derivative with respect to its input \(index)")
        }
        for rule in rules where rule.results.contains(where: { needed.contains(node.inputs[$0]) }) {
            apply(rule, of: node, dy)
        }
    }

    private mutating func apply(_ rule: GradientRule, of node: Node, _ dy: Int) {
        guard let operation = rule.operation else { return contribute(dy, to: node.inputs[rule.results[0]]) }
        let previous = rule.addend.flatMap { gradients[node.inputs[$0]] }
        let sources = rule.sources.map { source in
            switch source {
            case .dy: dy
            case .input(let index): node.inputs[index]
            case .output(let index): node.outputs[index]
            }
        }
        let outputs = rule.results.map { place(ofGradientOf: node.inputs[$0]) }
        graph.nodes.append(
            Node(
                operation: operation(previous != nil), inputs: sources + (previous.map { [$0] } ?? []),
                outputs: outputs))
        for (result, gradient) in zip(rule.results, outputs) where graph.values[gradient].role == .intermediate {
            if result == rule.addend, previous != nil {
                gradients[node.inputs[result]] = gradient
            } else {
                contribute(gradient, to: node.inputs[result])
            }
        }
    }

    /// Where the gradient of `value` goes: to the arena for a parameter, unless it is frozen.
    private func place(ofGradientOf value: Int) -> Int {
        guard case .parameter(let index) = graph.values[value].role else { return graph.addValue(shape(value)) }
        return needed.contains(value)
            ? graph.gradientValue(ofParameter: index, shape: shape(value)) : graph.addValue(shape(value), .unread)
    }
}
