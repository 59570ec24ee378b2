extension Graph {
    /// Rewrites chains of operations into fused ones, before differentiation. The results are the same numbers up to
    /// rounding; a test runs every network both ways.
    ///
    /// - A convolution of concatenated tensors becomes a sum of convolutions of the parts: nothing is copied.
    /// - GroupNorm, modulation and SiLU become one pass.
    /// - Linear attention takes in the 1×1 convolutions around it.
    /// - A residual becomes the addend of the operation before it.
    public func fuse() {
        splitConcatenations()
        fuseNormalization()
        fuseLinearAttention()
        fuseResiduals()
        removeUnread()
    }

    /// conv([a, b], w) = conv(a, w[:, ..<A]) + conv(b, w[:, A...]), where both parts are wide enough to run at speed.
    private func splitConcatenations() {
        var producers: [Int: Node] = [:]
        var rewritten: [Node] = []
        for node in nodes {
            for output in node.outputs { producers[output] = node }
            guard let x = node.inputs.first, let concatenation = producers[x],
                concatenation.operation == .concatenateChannels,
                concatenation.inputs.allSatisfy({ values[$0].shape.last! >= Self.narrowestPart }),
                let (first, second) = node.operation.split(at: values[concatenation.inputs[0]].shape.last!)
            else {
                rewritten.append(node)
                continue
            }
            let part = addValue(values[node.outputs[0]].shape)
            let (a, b) = (concatenation.inputs[0], concatenation.inputs[1])
            rewritten.append(Node(operation: first, inputs: [a] + node.inputs.dropFirst(), outputs: [part]))
            rewritten.append(Node(operation: second, inputs: [b, node.inputs[1], part], outputs: node.outputs))
        }
        nodes = rewritten
    }

    /// Narrower parts are copied together instead: a convolution of a few channels wastes the vector unit.
    private static var narrowestPart: Int { 8 }

    /// silu(modulate?(groupNorm(x))) → groupNormSiLU.
    private func fuseNormalization() {
        let readers = readerCounts()
        var producers: [Int: Node] = [:]
        var absorbed: Set<Int> = []
        var rewritten: [Node] = []
        for node in nodes {
            for output in node.outputs { producers[output] = node }
            guard node.operation == .silu, readers[node.inputs[0]] == 1, var inner = producers[node.inputs[0]] else {
                rewritten.append(node)
                continue
            }
            var scaleShift: [Int] = []
            var chain = [inner.outputs[0]]
            if inner.operation == .modulate, readers[inner.inputs[0]] == 1, let norm = producers[inner.inputs[0]] {
                scaleShift = [inner.inputs[1]]
                inner = norm
                chain.append(norm.outputs[0])
            }
            guard case .groupNorm(let groups, let epsilon) = inner.operation else {
                rewritten.append(node)
                continue
            }
            absorbed.formUnion(chain)
            rewritten.append(
                Node(
                    operation: .groupNormSiLU(
                        groups: groups, epsilon: epsilon, modulated: !scaleShift.isEmpty, residual: false),
                    inputs: inner.inputs + scaleShift, outputs: [node.outputs[0], inner.outputs[1]]))
        }
        nodes = rewritten.filter { !absorbed.contains($0.outputs[0]) }
    }

    /// linear(linearAttention(linear(x))) → linearAttentionBlock, which does less work where there are more positions than
    /// channels.
    private func fuseLinearAttention() {
        let readers = readerCounts()
        var producers: [Int: Node] = [:]
        var absorbed: Set<Int> = []
        var rewritten: [Node] = []
        for node in nodes {
            for output in node.outputs { producers[output] = node }
            guard isWholeLinear(node, bias: true), readers[node.inputs[0]] == 1,
                let attention = producers[node.inputs[0]],
                case .linearAttention(let heads, let headDim) = attention.operation,
                readers[attention.inputs[0]] == 1, let first = producers[attention.inputs[0]],
                isWholeLinear(first, bias: false)
            else {
                rewritten.append(node)
                continue
            }
            let x = values[first.inputs[0]].shape
            let (positions, channels) = (x.dropFirst().dropLast().reduce(1, *), x[x.count - 1])
            guard positions >= channels else {
                rewritten.append(node)
                continue
            }
            absorbed.formUnion([first.outputs[0], attention.outputs[0]])
            let softened = [x[0], heads, positions, headDim]
            let saved = [softened, softened, [x[0], heads * headDim, channels]].map { addValue($0) }
            rewritten.append(
                Node(
                    operation: .linearAttentionBlock(heads: heads, headDim: headDim),
                    inputs: [first.inputs[0], first.inputs[1], node.inputs[1], node.inputs[2]],
                    outputs: [node.outputs[0]] + saved))
        }
        nodes = rewritten.filter { !absorbed.contains($0.outputs[0]) }
    }

    /// Whether `node` is a product with a whole weight and nothing more.
    private func isWholeLinear(_ node: Node, bias: Bool) -> Bool {
        guard case .linear = node.operation else { return false }
        let channels = 0..<values[node.inputs[1]].shape[1]
        return node.operation == .linear(weightChannels: channels, bias: bias, addend: false)
    }

    /// add(f(x), r) → f with r as residual or addend, when nothing else reads f(x).
    private func fuseResiduals() {
        let readers = readerCounts()
        var producers: [Int: Node] = [:]
        var absorbed: Set<Int> = []
        var rewritten: [Node] = []
        for node in nodes {
            var node = node
            if node.operation == .add {
                for (index, other) in [(0, 1), (1, 0)] {
                    guard readers[node.inputs[index]] == 1, let inner = producers[node.inputs[index]],
                        let fused = inner.operation.withResidual()
                    else { continue }
                    absorbed.insert(inner.outputs[0])
                    node = Node(
                        operation: fused, inputs: inner.inputs + [node.inputs[other]],
                        outputs: [node.outputs[0]] + inner.outputs.dropFirst())
                    break
                }
            }
            for output in node.outputs { producers[output] = node }
            rewritten.append(node)
        }
        nodes = rewritten.filter { !absorbed.contains($0.outputs[0]) }
    }

    /// Drops operations whose outputs nobody reads.
    func removeUnread() {
        var readers = readerCounts()
        var kept: [Node] = []
        for node in nodes.reversed() {
            let accumulates = node.outputs.contains { values[$0].role != .intermediate }
            if accumulates || node.outputs.contains(where: { readers[$0] > 0 }) {
                kept.append(node)
            } else {
                for input in node.inputs { readers[input] -= 1 }
            }
        }
        nodes = kept.reversed()
    }
}

extension Operation {
    /// The two operations that stand for a product with concatenated channels, parted at channel `boundary`.
    fileprivate func split(at boundary: Int) -> (first: Operation, second: Operation)? {
        switch self {
        case .convolution(let geometry, let channels, let bias, addend: false):
            return (
                .convolution(geometry, weightChannels: channels.lowerBound..<boundary, bias: bias, addend: false),
                .convolution(geometry, weightChannels: boundary..<channels.upperBound, bias: false, addend: true)
            )
        case .linear(let channels, let bias, addend: false):
            return (
                .linear(weightChannels: channels.lowerBound..<boundary, bias: bias, addend: false),
                .linear(weightChannels: boundary..<channels.upperBound, bias: false, addend: true)
            )
        default:
            return nil
        }
    }

    /// The same operation with a residual added to its result, given as one more input; nil where there is none.
    fileprivate func withResidual() -> Operation? {
        switch self {
        case .groupNormSiLU(let groups, let epsilon, let modulated, residual: false):
            return .groupNormSiLU(groups: groups, epsilon: epsilon, modulated: modulated, residual: true)
        case .rmsNorm(residual: false):
            return .rmsNorm(residual: true)
        case .linear(let channels, let bias, addend: false):
            return .linear(weightChannels: channels, bias: bias, addend: true)
        case .convolution(let geometry, let channels, let bias, addend: false):
            return .convolution(geometry, weightChannels: channels, bias: bias, addend: true)
        default:
            return nil
        }
    }
}
