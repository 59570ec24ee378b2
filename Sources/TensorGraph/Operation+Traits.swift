/// What is known of an operation beside its numbers.
public struct OperationTraits {
    /// Floating-point operations of products, a multiply-add counted as two. Element-wise work is not counted, as is usual.
    public var floatingPointOperations: Int
    /// Pairs (input, output) whose memory may be one, when the input is not used afterwards.
    public var sharablePairs: [(input: Int, output: Int)]
    /// Inputs that are parameters.
    public var parameters: Range<Int>
    /// Outputs that are gradients of parameters: added to, not assigned.
    public var accumulated: Range<Int>
    /// The operations of the derivative, in their order; none for an operation without. Parameter gradients come first:
    /// after them the saved input is often no longer needed.
    package var gradient: [GradientRule]

    fileprivate init(
        _ operations: Int = 0, sharing: [(input: Int, output: Int)] = [], parameters: Range<Int> = 0..<0,
        accumulated: Range<Int> = 0..<0, gradient: [GradientRule] = []
    ) {
        floatingPointOperations = operations
        sharablePairs = sharing
        self.parameters = parameters
        self.accumulated = accumulated
        self.gradient = gradient
    }
}

extension Operation {
    /// The traits of the operation on operands of these shapes.
    public func traits(_ inputs: [[Int]], _ outputs: [[Int]]) -> OperationTraits {
        guard
            let traits = productTraits(inputs, outputs) ?? normTraits ?? attentionTraits(inputs, outputs)
                ?? hyperNetworkTraits(inputs) ?? otherTraits(inputs)
        else { preconditionFailure("\(self) has no traits") }
        return traits
    }

    private func productTraits(_ inputs: [[Int]], _ outputs: [[Int]]) -> OperationTraits? {
        /// Of `y = product(x, w) (+ bias) (+ addend)`.
        func forward(
            _ operations: Int, bias: Bool, addend: Bool, _ parameterGradient: Operation,
            inputGradient: @escaping (_ addend: Bool) -> Operation
        ) -> OperationTraits {
            let last = bias ? 3 : 2
            return OperationTraits(
                operations, sharing: addend ? [(last, 0)] : [], parameters: 1..<last,
                gradient: (addend ? [.identity(last)] : []) + [
                    GradientRule(parameterGradient, [.input(0), .dy], bias ? [1, 2] : [1]),
                    GradientRule([.dy, .input(1)], [0], addingTo: 0, inputGradient),
                ])
        }
        switch self {
        case .convolution(let geometry, let channels, let bias, let addend):
            return forward(
                2 * count(outputs[0]) * channels.count * geometry.taps, bias: bias, addend: addend,
                .convolutionParameterGradient(geometry, weightChannels: channels, bias: bias),
                inputGradient: { .convolutionInputGradient(geometry, weightChannels: channels, addend: $0) })
        case .convolutionInputGradient(let geometry, let channels, let addend):
            return OperationTraits(
                2 * count(inputs[0]) * channels.count * geometry.taps, sharing: addend ? [(2, 0)] : [],
                parameters: 1..<2)
        case .convolutionParameterGradient(let geometry, let channels, let bias):
            return OperationTraits(
                2 * count(inputs[1]) * channels.count * geometry.taps, accumulated: 0..<(bias ? 2 : 1))
        case .linear(let channels, let bias, let addend):
            return forward(
                2 * count(outputs[0]) * channels.count, bias: bias, addend: addend,
                .linearParameterGradient(weightChannels: channels, bias: bias),
                inputGradient: { .linearInputGradient(weightChannels: channels, addend: $0) })
        case .linearInputGradient(let channels, let addend):
            return OperationTraits(
                2 * count(inputs[0]) * channels.count, sharing: addend ? [(2, 0)] : [], parameters: 1..<2)
        case .linearParameterGradient(let channels, let bias):
            return OperationTraits(2 * count(inputs[1]) * channels.count, accumulated: 0..<(bias ? 2 : 1))
        default:
            return nil
        }
    }

    private var normTraits: OperationTraits? {
        switch self {
        case .groupNorm(let groups, _):
            return OperationTraits(
                parameters: 1..<3,
                gradient: [
                    GradientRule(
                        .groupNormGradient(groups: groups), [.dy, .input(0), .input(1), .output(1)], [0, 1, 2])
                ])
        case .groupNormGradient:
            return OperationTraits(parameters: 2..<3, accumulated: 1..<3)
        case .groupNormSiLU(let groups, _, let modulated, let residual):
            let inputs = modulated ? [0, 1, 2, 3] : [0, 1, 2]
            return OperationTraits(
                sharing: residual ? [(inputs.count, 0), (0, 0)] : [(0, 0)], parameters: 1..<3,
                gradient: (residual ? [.identity(inputs.count)] : []) + [
                    GradientRule(
                        .groupNormSiLUGradient(groups: groups, modulated: modulated),
                        [.dy] + inputs.map { .input($0) } + [.output(1)], inputs)
                ])
        case .groupNormSiLUGradient:
            return OperationTraits(sharing: [(0, 0)], parameters: 2..<4, accumulated: 1..<3)
        case .rmsNorm(let residual):
            return OperationTraits(
                sharing: residual ? [(2, 0), (0, 0)] : [(0, 0)], parameters: 1..<2,
                gradient: (residual ? [.identity(2)] : []) + [
                    GradientRule(.rmsNormGradient, [.dy, .input(0), .input(1)], [0, 1])
                ])
        case .rmsNormGradient:
            return OperationTraits(sharing: [(0, 0)], parameters: 2..<3, accumulated: 1..<2)
        default:
            return nil
        }
    }

    private func attentionTraits(_ inputs: [[Int]], _ outputs: [[Int]]) -> OperationTraits? {
        /// As the operations that it stands for count: q, k, v, two products of the heads, and the last convolution.
        func block(_ x: [Int], _ weights: ArraySlice<[Int]>, _ headDim: Int) -> Int {
            2 * count(x) / x.last! * (weights.map(count).reduce(0, +) + 2 * weights.last![1] * headDim)
        }
        switch self {
        case .linearAttention(let heads, let headDim):
            return OperationTraits(
                2 * 2 * count(outputs[0]) * headDim, sharing: [(0, 1)],
                gradient: [
                    GradientRule(
                        .linearAttentionGradient(heads: heads, headDim: headDim), [.dy, .output(1), .output(2)], [0])
                ])
        case .linearAttentionGradient(_, let headDim):
            return OperationTraits(4 * 2 * count(inputs[0]) * headDim)
        case .linearAttentionBlock(let heads, let headDim):
            return OperationTraits(
                block(inputs[0], inputs[1...2], headDim), parameters: 1..<4,
                gradient: [
                    GradientRule(
                        .linearAttentionBlockGradient(heads: heads, headDim: headDim),
                        [.dy, .input(0), .input(1), .input(2), .output(1), .output(2), .output(3)], [0, 1, 2, 3])
                ])
        case .linearAttentionBlockGradient(_, let headDim):
            return OperationTraits(
                2 * block(inputs[1], inputs[2...3], headDim), parameters: 2..<4, accumulated: 1..<4)
        case .fullAttention(let heads, let headDim, let headsFirst):
            return OperationTraits(
                2 * 2 * count(outputs[0]) * outputs[1][2],
                gradient: [
                    GradientRule(
                        .fullAttentionGradient(heads: heads, headDim: headDim, headsFirst: headsFirst),
                        [.dy, .input(0), .output(0), .output(1)], [0])
                ])
        case .fullAttentionGradient:
            return OperationTraits(5 * 2 * count(inputs[0]) * inputs[3][2])
        default:
            return nil
        }
    }

    private func hyperNetworkTraits(_ inputs: [[Int]]) -> OperationTraits? {
        switch self {
        case .rankOneUpdate(let layer):
            return OperationTraits(
                sharing: [(0, 0)], parameters: 2..<3,
                gradient: [
                    GradientRule(
                        .rankOneUpdateGradient(layer: layer), [.dy, .input(0), .input(1), .input(2)], [0, 1, 2])
                ])
        case .rankOneUpdateGradient:
            return OperationTraits(sharing: [(0, 0)], parameters: 3..<4, accumulated: 2..<3)
        case .hyperNetwork(let layers):
            // As the operations that it stands for count.
            let operations = 2 * count(inputs[1]) * (2 * inputs[0].last! + layers * inputs[1].last!)
            let all = Array(0..<7 + 2 * layers)
            return OperationTraits(
                operations, sharing: [(0, 0)], parameters: 2..<7 + 2 * layers,
                gradient: [
                    GradientRule([.dy] + all.map { .input($0) }, all, addingTo: 1) {
                        .hyperNetworkGradient(layers: layers, addend: $0)
                    }
                ])
        case .hyperNetworkGradient(let layers, let addend):
            // What it computes again is not counted.
            let operations = 4 * count(inputs[2]) * (2 * inputs[1].last! + layers * inputs[2].last!)
            return OperationTraits(
                operations, sharing: [(0, 0)] + (addend ? [(8 + 2 * layers, 1)] : []), parameters: 3..<8 + 2 * layers,
                accumulated: 2..<7 + 2 * layers)
        default:
            return nil
        }
    }

    private func otherTraits(_ inputs: [[Int]]) -> OperationTraits? {
        switch self {
        case .silu:
            return OperationTraits(sharing: [(0, 0)], gradient: [GradientRule(.siluGradient, [.dy, .input(0)], [0])])
        case .gelu:
            return OperationTraits(sharing: [(0, 0)], gradient: [GradientRule(.geluGradient, [.dy, .input(0)], [0])])
        case .siluGradient, .geluGradient, .relu, .dropoutGradient:
            return OperationTraits(sharing: [(0, 0)])
        case .modulate:
            return OperationTraits(
                gradient: [GradientRule(.modulateGradient, [.dy, .input(0), .input(1)], [0, 1])])
        case .dropout(let rate, let layer):
            return OperationTraits(
                sharing: [(0, 0)],
                gradient: [GradientRule(.dropoutGradient(rate: rate, layer: layer), [.dy, .input(1)], [0])])
        case .add:
            return OperationTraits(sharing: [(0, 0), (1, 0)], gradient: [.identity(0), .identity(1)])
        case .concatenateChannels:
            let boundary = inputs[0].last!
            let parts = [0..<boundary, boundary..<boundary + inputs[1].last!]
            return OperationTraits(
                gradient: parts.enumerated().map { GradientRule(.sliceChannels($1), [.dy], [$0]) })
        case .upsampleNearest:
            return OperationTraits(gradient: [GradientRule(.upsampleNearestGradient, [.dy], [0])])
        case .averagePool(let window):
            return OperationTraits(gradient: [GradientRule(.averagePoolGradient(window), [.dy], [0])])
        case .embedding:
            return OperationTraits(
                parameters: 1..<2, gradient: [GradientRule(.embeddingGradient, [.dy, .input(0)], [1])])
        case .embeddingGradient:
            return OperationTraits(accumulated: 0..<1)
        case .meanOverPositions:
            return OperationTraits(gradient: [GradientRule(.meanOverPositionsGradient, [.dy], [0])])
        case .softmaxCrossEntropy:
            return OperationTraits(
                gradient: [
                    GradientRule(.softmaxCrossEntropyGradient, [.dy, .input(0), .input(1), .input(2)], [0])
                ])
        case .weightedSquaredError:
            return OperationTraits(
                gradient: [
                    GradientRule(.weightedSquaredErrorGradient, [.dy, .input(0), .input(1), .input(2)], [0])
                ])
        case .weightedAbsoluteError:
            return OperationTraits(
                gradient: [
                    GradientRule(.weightedAbsoluteErrorGradient, [.dy, .input(0), .input(1), .input(2)], [0])
                ])
        case .gaussianDraw:
            return OperationTraits(gradient: [GradientRule(.gaussianDrawGradient, [.dy, .input(0), .input(1)], [0])])
        case .gaussianDivergence:
            return OperationTraits(
                gradient: [GradientRule(.gaussianDivergenceGradient, [.dy, .input(0), .input(1)], [0])])
        case .reshape:
            return OperationTraits(gradient: [GradientRule(.reshape, [.dy], [0])])
        case .repeatSamples(let count):
            return OperationTraits(gradient: [GradientRule(.repeatSamplesGradient(count), [.dy], [0])])
        case .energyScore(let score):
            return OperationTraits(
                gradient: [GradientRule(.energyScoreGradient(score), [.dy] + (0..<4).map { .input($0) }, [0])])
        case .mixtureLikelihood(let components):
            return OperationTraits(
                gradient: [
                    GradientRule(
                        .mixtureLikelihoodGradient(components: components), [.dy, .input(0), .input(1), .input(2)], [0])
                ])
        case .variationalBound(let held):
            return OperationTraits(
                gradient: [
                    GradientRule(.variationalBoundGradient(held: held), [.dy] + (0..<6).map { .input($0) }, [0])
                ])
        case .modulateGradient, .sliceChannels, .upsampleNearestGradient, .repeatSamplesGradient, .sinusoidalEmbedding,
            .constant, .weightedSquaredErrorGradient, .energyScoreGradient, .mixtureLikelihoodGradient,
            .meanOverPositionsGradient, .variationalBoundGradient, .softmaxCrossEntropyGradient, .maxPool,
            .averagePoolGradient, .weightedAbsoluteErrorGradient, .gaussianDrawGradient, .gaussianDivergenceGradient:
            return OperationTraits()
        default:
            return nil
        }
    }
}

private func count(_ shape: [Int]) -> Int { shape.reduce(1, *) }

extension ExecutionPlan {
    /// Floating-point operations of one run: those of convolutions, matrix products and attention.
    public var floatingPointOperations: Int { nodes.reduce(0) { $0 + floatingPointOperations(of: $1) } }

    /// Floating-point operations of one node.
    public func floatingPointOperations(of node: Node) -> Int {
        node.operation.traits(node.inputs.map { values[$0].shape }, node.outputs.map { values[$0].shape })
            .floatingPointOperations
    }
}
