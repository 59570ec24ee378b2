extension Graph {
    /// Rewrites chains of operations into fused ones, before differentiation. The results are the same numbers up to
    /// rounding; a test runs every network both ways.
    ///
    /// - A convolution of concatenated tensors becomes a sum of convolutions of the parts: nothing is copied.
    /// - GroupNorm, modulation and SiLU become one pass.
    /// - Linear attention takes in the 1×1 convolutions around it.
    /// - A hypernetwork becomes one pass, where its products read float32.
    /// - A residual becomes the addend of the operation before it.
    ///
    /// - Parameter precision: what products over pixels are to read: in a hypernetwork that is one operation, float32.
    public func fuse(for precision: Precision = .fp32) {
        splitConcatenations()
        fuseNormalization()
        fuseLinearAttention()
        fuseHyperNetworks(precision)
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

    /// Replaces each node for which `fused` gives another, and drops those that the new one takes in.
    ///
    /// - Parameter fused: is given a node, and the way to the node before: that which computes a value for one reader.
    private func replace(_ fused: (_ node: Node, _ before: (Int) -> Node?) -> (node: Node, takenIn: [Node])?) {
        let readers = readerCounts()
        var producers: [Int: Node] = [:]
        var takenIn: Set<Int> = []
        var rewritten: [Node] = []
        for node in nodes {
            let new = fused(node) { readers[$0] == 1 ? producers[$0] : nil }
            for old in new?.takenIn ?? [] { takenIn.insert(old.outputs[0]) }
            let node = new?.node ?? node
            for output in node.outputs { producers[output] = node }
            rewritten.append(node)
        }
        nodes = rewritten.filter { !takenIn.contains($0.outputs[0]) }
    }

    /// silu(modulate?(groupNorm(x))) → groupNormSiLU.
    private func fuseNormalization() {
        replace { node, before in
            guard node.operation == .silu, var norm = before(node.inputs[0]) else { return nil }
            var takenIn = [norm]
            var scaleShift: [Int] = []
            if norm.operation == .modulate, let inner = before(norm.inputs[0]) {
                scaleShift = [norm.inputs[1]]
                norm = inner
                takenIn.append(norm)
            }
            guard case .groupNorm(let groups, let epsilon) = norm.operation else { return nil }
            let fused = Operation.groupNormSiLU(
                groups: groups, epsilon: epsilon, modulated: !scaleShift.isEmpty, residual: false)
            return (
                Node(
                    operation: fused, inputs: norm.inputs + scaleShift, outputs: [node.outputs[0], norm.outputs[1]]),
                takenIn
            )
        }
    }

    /// linear(linearAttention(linear(x))) → linearAttentionBlock, which does less work where there are more positions than
    /// channels.
    private func fuseLinearAttention() {
        replace { node, before in
            guard isWholeLinear(node, bias: true), let attention = before(node.inputs[0]),
                case .linearAttention(let heads, let headDim) = attention.operation,
                let first = before(attention.inputs[0]), isWholeLinear(first, bias: false)
            else { return nil }
            let x = values[first.inputs[0]].shape
            let (positions, channels) = (x.dropFirst().dropLast().reduce(1, *), x[x.count - 1])
            guard positions >= channels else { return nil }
            let softened = [x[0], heads, positions, headDim]
            let saved = [softened, softened, [x[0], heads * headDim, channels]].map { addValue($0) }
            return (
                Node(
                    operation: .linearAttentionBlock(heads: heads, headDim: headDim),
                    inputs: [first.inputs[0], first.inputs[1], node.inputs[1], node.inputs[2]],
                    outputs: [node.outputs[0]] + saved),
                [first, attention]
            )
        }
    }

    /// x + linear(rankOneUpdate(… rankOneUpdate(linear(x), linear(z)) …, linear(z))) → hyperNetwork, where the traffic that
    /// this saves is more than the products that the gradient computes again.
    private func fuseHyperNetworks(_ precision: Precision) {
        replace { node, before in
            guard node.operation == .add, let last = before(node.inputs[1]), isWholeLinear(last, bias: true) else {
                return nil
            }
            var takenIn = [last]
            var updates: [(layer: Node, projection: Node)] = []
            var r = before(last.inputs[0])
            while let layer = r, case .rankOneUpdate = layer.operation {
                guard let projection = before(layer.inputs[1]), isWholeLinear(projection, bias: true) else {
                    return nil
                }
                updates.insert((layer, projection), at: 0)
                takenIn += [layer, projection]
                r = before(layer.inputs[0])
            }
            guard let first = r, isWholeLinear(first, bias: true), first.inputs[0] == node.inputs[0],
                let (z, scales) = updates.first.map({ ($0.projection.inputs[0], $0.layer.inputs[2]) }),
                values[scales].shape == [updates.count],
                precision == .fp32
                    || ([first, last] + updates.map(\.projection)).allSatisfy({ linear in
                        linear.operation.factors(linear.inputs.map { values[$0].shape }) == nil
                    }),
                [node.inputs[0], z].allSatisfy({ values[$0].shape.last! <= Self.widestHyperNetwork }),
                updates.enumerated().allSatisfy({ index, update in
                    update.layer.operation == .rankOneUpdate(layer: index) && update.layer.inputs[2] == scales
                        && update.projection.inputs[0] == z
                })
            else { return nil }
            return (
                Node(
                    operation: .hyperNetwork(layers: updates.count),
                    inputs: [first.inputs[0], z] + first.inputs[1...2] + last.inputs[1...2] + [scales]
                        + updates.flatMap { $0.projection.inputs[1...2] },
                    outputs: node.outputs),
                takenIn + [first]
            )
        }
    }

    /// Most channels and latent numbers: at 256 one pass takes longer, as it computes 3 of 11 products twice.
    private static var widestHyperNetwork: Int { 128 }

    /// Whether `node` is a product with a whole weight and nothing more.
    private func isWholeLinear(_ node: Node, bias: Bool) -> Bool {
        guard case .linear = node.operation else { return false }
        let channels = 0..<values[node.inputs[1]].shape[1]
        return node.operation == .linear(weightChannels: channels, bias: bias, addend: false)
    }

    /// add(f(x), r) → f with r as residual or addend, when nothing else reads f(x).
    private func fuseResiduals() {
        replace { node, before in
            guard node.operation == .add else { return nil }
            for (index, other) in [(0, 1), (1, 0)] {
                guard let inner = before(node.inputs[index]), let fused = inner.operation.withResidual() else {
                    continue
                }
                return (
                    Node(
                        operation: fused, inputs: inner.inputs + [node.inputs[other]],
                        outputs: [node.outputs[0]] + inner.outputs.dropFirst()),
                    [inner]
                )
            }
            return nil
        }
    }

    /// Drops operations whose outputs nobody reads.
    func removeUnread() {
        var readers = readerCounts()
        var kept: [Node] = []
        for node in nodes.reversed() {
            let accumulates = node.outputs.contains { ![.intermediate, .unread].contains(values[$0].role) }
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
