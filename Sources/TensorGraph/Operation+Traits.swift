/// What is known of an operation beside its numbers.
public struct OperationTraits {
    /// Floating-point operations of products, a multiply-add counted as two. Element-wise work is not counted, as is usual.
    public var floatingPointOperations = 0
    /// Pairs (input, output) whose memory may be one, when the input is not used afterwards.
    public var sharablePairs: [(input: Int, output: Int)] = []
    /// Inputs that are parameters.
    public var parameters: Range<Int> = 0..<0
    /// Outputs that are gradients of parameters: added to, not assigned.
    public var accumulated: Range<Int> = 0..<0

    init(
        _ operations: Int = 0, sharing: [(input: Int, output: Int)] = [], parameters: Range<Int> = 0..<0,
        accumulated: Range<Int> = 0..<0
    ) {
        floatingPointOperations = operations
        sharablePairs = sharing
        self.parameters = parameters
        self.accumulated = accumulated
    }
}

extension Operation {
    /// The traits of the operation on operands of these shapes.
    public func traits(_ inputs: [[Int]], _ outputs: [[Int]]) -> OperationTraits {
        func count(_ shape: [Int]) -> Int { shape.reduce(1, *) }
        switch self {
        case .convolution(let geometry, let channels, let bias, let addend):
            return OperationTraits(
                2 * count(outputs[0]) * channels.count * geometry.taps, sharing: addend ? [(bias ? 3 : 2, 0)] : [],
                parameters: 1..<(bias ? 3 : 2))
        case .convolutionInputGradient(let geometry, let channels, let addend):
            return OperationTraits(
                2 * count(inputs[0]) * channels.count * geometry.taps, sharing: addend ? [(2, 0)] : [],
                parameters: 1..<2)
        case .convolutionParameterGradient(let geometry, let channels, let bias):
            return OperationTraits(
                2 * count(inputs[1]) * channels.count * geometry.taps, accumulated: 0..<(bias ? 2 : 1))
        case .linear(let channels, let bias, let addend):
            return OperationTraits(
                2 * count(outputs[0]) * channels.count, sharing: addend ? [(bias ? 3 : 2, 0)] : [],
                parameters: 1..<(bias ? 3 : 2))
        case .linearInputGradient(let channels, let addend):
            return OperationTraits(
                2 * count(inputs[0]) * channels.count, sharing: addend ? [(2, 0)] : [], parameters: 1..<2)
        case .linearParameterGradient(let channels, let bias):
            return OperationTraits(2 * count(inputs[1]) * channels.count, accumulated: 0..<(bias ? 2 : 1))
        case .groupNorm:
            return OperationTraits(parameters: 1..<3)
        case .groupNormGradient:
            return OperationTraits(parameters: 2..<3, accumulated: 1..<3)
        case .groupNormSiLU(_, _, let modulated, let residual):
            return OperationTraits(
                sharing: residual ? [(modulated ? 4 : 3, 0), (0, 0)] : [(0, 0)], parameters: 1..<3)
        case .groupNormSiLUGradient:
            return OperationTraits(sharing: [(0, 0)], parameters: 2..<4, accumulated: 1..<3)
        case .rmsNorm(let residual):
            return OperationTraits(sharing: residual ? [(2, 0), (0, 0)] : [(0, 0)], parameters: 1..<2)
        case .rmsNormGradient:
            return OperationTraits(sharing: [(0, 0)], parameters: 2..<3, accumulated: 1..<2)
        case .linearAttention, .linearAttentionGradient, .linearAttentionBlock, .linearAttentionBlockGradient,
            .fullAttention, .fullAttentionGradient:
            return attentionTraits(inputs, outputs)
        case .rankOneUpdate:
            return OperationTraits(sharing: [(0, 0)], parameters: 2..<3)
        case .rankOneUpdateGradient:
            return OperationTraits(sharing: [(0, 0)], parameters: 3..<4, accumulated: 2..<3)
        case .hyperNetwork(let layers):
            // As the operations that it stands for count.
            let operations = 2 * count(inputs[1]) * (2 * inputs[0].last! + layers * inputs[1].last!)
            return OperationTraits(operations, sharing: [(0, 0)], parameters: 2..<7 + 2 * layers)
        case .hyperNetworkGradient(let layers, let addend):
            // What it computes again is not counted.
            let operations = 4 * count(inputs[2]) * (2 * inputs[1].last! + layers * inputs[2].last!)
            return OperationTraits(
                operations, sharing: [(0, 0)] + (addend ? [(8 + 2 * layers, 1)] : []), parameters: 3..<8 + 2 * layers,
                accumulated: 2..<7 + 2 * layers)
        case .silu, .gelu, .siluGradient, .geluGradient:
            return OperationTraits(sharing: [(0, 0)])
        case .add:
            return OperationTraits(sharing: [(0, 0), (1, 0)])
        case .modulate, .modulateGradient, .concatenateChannels, .sliceChannels, .upsampleNearest,
            .upsampleNearestGradient, .sinusoidalEmbedding, .constant, .weightedSquaredError,
            .weightedSquaredErrorGradient:
            return OperationTraits()
        }
    }

    private func attentionTraits(_ inputs: [[Int]], _ outputs: [[Int]]) -> OperationTraits {
        func count(_ shape: [Int]) -> Int { shape.reduce(1, *) }
        /// As the operations that it stands for count: q, k, v, two products of the heads, and the last convolution.
        func block(_ x: [Int], _ weights: ArraySlice<[Int]>, _ headDim: Int) -> Int {
            2 * count(x) / x.last! * (weights.map(count).reduce(0, +) + 2 * weights.last![1] * headDim)
        }
        switch self {
        case .linearAttention(_, let headDim):
            return OperationTraits(2 * 2 * count(outputs[0]) * headDim, sharing: [(0, 1)])
        case .linearAttentionGradient(_, let headDim):
            return OperationTraits(4 * 2 * count(inputs[0]) * headDim)
        case .linearAttentionBlock(_, let headDim):
            return OperationTraits(block(inputs[0], inputs[1...2], headDim), parameters: 1..<4)
        case .linearAttentionBlockGradient(_, let headDim):
            return OperationTraits(
                2 * block(inputs[1], inputs[2...3], headDim), parameters: 2..<4, accumulated: 1..<4)
        case .fullAttention:
            return OperationTraits(2 * 2 * count(outputs[0]) * outputs[1][2])
        case .fullAttentionGradient:
            return OperationTraits(5 * 2 * count(inputs[0]) * inputs[3][2])
        default:
            preconditionFailure("\(self) is no attention")
        }
    }
}

extension ExecutionPlan {
    /// Floating-point operations of one run: those of convolutions, matrix products and attention.
    public var floatingPointOperations: Int { nodes.reduce(0) { $0 + floatingPointOperations(of: $1) } }

    /// Floating-point operations of one node.
    public func floatingPointOperations(of node: Node) -> Int {
        node.operation.traits(node.inputs.map { values[$0].shape }, node.outputs.map { values[$0].shape })
            .floatingPointOperations
    }
}
