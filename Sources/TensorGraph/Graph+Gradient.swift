extension Graph {
    /// Appends the reverse-mode derivative of `scale · Σ_n loss[n]` with respect to every parameter it depends on.
    ///
    /// `loss` must come from ``Tensor/weightedSquaredError(target:weight:)``. Parameter gradients accumulate into the
    /// gradient arena, so that micro-batches add up; it is the caller who clears it.
    public func differentiate(loss: Tensor, scale: Float) {
        let forward = nodes
        var needed = dependsOnParameters(forward)
        guard let last = forward.last(where: { $0.outputs.contains(loss.id) }), last.operation == .weightedSquaredError
        else { preconditionFailure("the loss must be a weighted squared error") }
        needed.insert(loss.id)
        var reverse = ReverseMode(graph: self, needed: needed)
        for node in forward.reversed() {
            if node.outputs == last.outputs {
                let gradient = append(
                    .weightedSquaredErrorGradient(scale: scale), node.inputs, [values[node.inputs[0]].shape])
                reverse.contribute(gradient[0], to: node.inputs[0])
            } else if let dy = reverse.gradients[node.outputs[0]] {
                reverse.differentiate(node, dy)
            }
        }
    }

    private func dependsOnParameters(_ nodes: [Node]) -> Set<Int> {
        var dependent: Set<Int> = []
        for (id, value) in values.enumerated() { if case .parameter = value.role { dependent.insert(id) } }
        for node in nodes where node.inputs.contains(where: dependent.contains) { dependent.formUnion(node.outputs) }
        return dependent
    }

    /// The value that stands for the gradient of a parameter.
    func gradientValue(ofParameterValue value: Int) -> Int {
        guard case .parameter(let index) = values[value].role else {
            preconditionFailure("value \(value) is \(values[value].role), not a parameter")
        }
        if let known = parameterGradientValues[index] { return known }
        let gradient = addValue(values[value].shape, .parameterGradient(index))
        parameterGradientValues[index] = gradient
        return gradient
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

    /// Appends an operation that can take the gradient so far as its addend.
    private mutating func contribute(
        to value: Int, _ inputs: [Int], _ operation: (_ addend: Bool) -> Operation
    ) {
        guard needed.contains(value) else { return }
        let previous = gradients[value]
        gradients[value] =
            graph.append(
                operation(previous != nil), inputs + (previous.map { [$0] } ?? []), [shape(value)])[0]
    }

    private func accumulate(_ operation: Operation, _ inputs: [Int], into parameters: [Int]) {
        graph.nodes.append(
            Node(
                operation: operation, inputs: inputs,
                outputs: parameters.map { graph.gradientValue(ofParameterValue: $0) }))
    }

    /// Appends what `node` contributes to the gradients of its inputs; `dy` is the gradient of its first output.
    ///
    /// Parameter gradients come first: after them the saved input is often no longer needed.
    mutating func differentiate(_ node: Node, _ dy: Int) {
        let inputs = node.inputs
        switch node.operation {
        case .convolution(let geometry, let channels, let bias, let addend):
            if addend { contribute(dy, to: inputs[inputs.count - 1]) }
            accumulate(
                .convolutionParameterGradient(geometry, weightChannels: channels, bias: bias), [inputs[0], dy],
                into: Array(inputs[1..<(bias ? 3 : 2)]))
            contribute(to: inputs[0], [dy, inputs[1]]) {
                .convolutionInputGradient(geometry, weightChannels: channels, addend: $0)
            }
        case .linear(let channels, let bias, let addend):
            if addend { contribute(dy, to: inputs[inputs.count - 1]) }
            accumulate(
                .linearParameterGradient(weightChannels: channels, bias: bias), [inputs[0], dy],
                into: Array(inputs[1..<(bias ? 3 : 2)]))
            contribute(to: inputs[0], [dy, inputs[1]]) { .linearInputGradient(weightChannels: channels, addend: $0) }
        case .groupNorm(let groups, _):
            let dx = graph.addValue(shape(inputs[0]))
            graph.nodes.append(
                Node(
                    operation: .groupNormGradient(groups: groups),
                    inputs: [dy, inputs[0], inputs[1], node.outputs[1]],
                    outputs: [dx] + inputs[1...2].map { graph.gradientValue(ofParameterValue: $0) }))
            contribute(dx, to: inputs[0])
        case .modulate:
            let results = graph.append(.modulateGradient, [dy] + inputs, inputs.map(shape))
            contribute(results[0], to: inputs[0])
            contribute(results[1], to: inputs[1])
        case .silu:
            contribute(graph.append(.siluGradient, [dy, inputs[0]], [shape(inputs[0])])[0], to: inputs[0])
        case .gelu:
            contribute(graph.append(.geluGradient, [dy, inputs[0]], [shape(inputs[0])])[0], to: inputs[0])
        case .groupNormSiLU(let groups, _, let modulated, let residual):
            if residual { contribute(dy, to: inputs[inputs.count - 1]) }
            let dx = graph.addValue(shape(inputs[0]))
            let scaleShift = modulated ? [inputs[3]] : []
            let dScaleShift = scaleShift.map { graph.addValue(shape($0)) }
            graph.nodes.append(
                Node(
                    operation: .groupNormSiLUGradient(groups: groups, modulated: modulated),
                    inputs: [dy] + inputs[0...2] + scaleShift + [node.outputs[1]],
                    outputs: [dx] + inputs[1...2].map { graph.gradientValue(ofParameterValue: $0) } + dScaleShift))
            contribute(dx, to: inputs[0])
            for (gradient, value) in zip(dScaleShift, scaleShift) { contribute(gradient, to: value) }
        case .rmsNorm(let residual):
            if residual { contribute(dy, to: inputs[2]) }
            let dx = graph.addValue(shape(inputs[0]))
            graph.nodes.append(
                Node(
                    operation: .rmsNormGradient, inputs: [dy, inputs[0], inputs[1]],
                    outputs: [dx, graph.gradientValue(ofParameterValue: inputs[1])]))
            contribute(dx, to: inputs[0])
        case .linearAttention(let heads, let headDim):
            let dqkv = graph.append(
                .linearAttentionGradient(heads: heads, headDim: headDim), [dy, node.outputs[1], node.outputs[2]],
                [shape(inputs[0])])
            contribute(dqkv[0], to: inputs[0])
        case .linearAttentionBlock(let heads, let headDim):
            let dx = graph.addValue(shape(inputs[0]))
            graph.nodes.append(
                Node(
                    operation: .linearAttentionBlockGradient(heads: heads, headDim: headDim),
                    inputs: [dy] + inputs[0...2] + node.outputs[1...3],
                    outputs: [dx] + inputs[1...3].map { graph.gradientValue(ofParameterValue: $0) }))
            contribute(dx, to: inputs[0])
        case .fullAttention(let heads, let headDim):
            let dqkv = graph.append(
                .fullAttentionGradient(heads: heads, headDim: headDim), [dy, inputs[0]] + node.outputs,
                [shape(inputs[0])])
            contribute(dqkv[0], to: inputs[0])
        case .rankOneUpdate(let layer):
            let (dr, dp) = (graph.addValue(shape(inputs[0])), graph.addValue(shape(inputs[1])))
            graph.nodes.append(
                Node(
                    operation: .rankOneUpdateGradient(layer: layer), inputs: [dy] + inputs,
                    outputs: [dr, dp, graph.gradientValue(ofParameterValue: inputs[2])]))
            contribute(dr, to: inputs[0])
            contribute(dp, to: inputs[1])
        case .hyperNetwork(let layers):
            let (dx, dz) = (graph.addValue(shape(inputs[0])), graph.addValue(shape(inputs[1])))
            let previous = gradients[inputs[1]]
            graph.nodes.append(
                Node(
                    operation: .hyperNetworkGradient(layers: layers, addend: previous != nil),
                    inputs: [dy] + inputs + (previous.map { [$0] } ?? []),
                    outputs: [dx, dz] + inputs[2...].map { graph.gradientValue(ofParameterValue: $0) }))
            contribute(dx, to: inputs[0])
            if needed.contains(inputs[1]) { gradients[inputs[1]] = dz }
        case .add:
            contribute(dy, to: inputs[0])
            contribute(dy, to: inputs[1])
        case .concatenateChannels:
            let boundary = shape(inputs[0]).last!
            let total = shape(node.outputs[0]).last!
            for (value, part) in zip(inputs, [0..<boundary, boundary..<total]) where needed.contains(value) {
                contribute(graph.append(.sliceChannels(part), [dy], [shape(value)])[0], to: value)
            }
        case .upsampleNearest:
            contribute(graph.append(.upsampleNearestGradient, [dy], [shape(inputs[0])])[0], to: inputs[0])
        case .sinusoidalEmbedding, .weightedSquaredError:
            break  // of a timestep; and the loss itself is where the walk starts
        case .sliceChannels, .convolutionInputGradient, .convolutionParameterGradient, .linearInputGradient,
            .linearParameterGradient, .groupNormGradient, .modulateGradient, .siluGradient, .geluGradient,
            .groupNormSiLUGradient, .rmsNormGradient, .linearAttentionGradient, .linearAttentionBlockGradient,
            .fullAttentionGradient, .rankOneUpdateGradient, .hyperNetworkGradient, .upsampleNearestGradient,
            .weightedSquaredErrorGradient:
            preconditionFailure("\(node.operation) occurs only in a backward pass and has no derivative of its own")
        }
    }
}
