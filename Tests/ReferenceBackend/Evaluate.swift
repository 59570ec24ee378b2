import TensorGraph

/// Takes the operands of an operation in the order in which ``Operation`` lists them.
private struct OperandReader {
    private let operands: [ReferenceTensor]
    private var position = 0

    init(_ operands: [ReferenceTensor]) { self.operands = operands }

    mutating func next() -> ReferenceTensor {
        precondition(position < operands.count, "only \(operands.count) operands")
        position += 1
        return operands[position - 1]
    }

    mutating func next(if present: Bool) -> ReferenceTensor? { present ? next() : nil }

    func finish(_ operation: Operation) {
        precondition(position == operands.count, "\(operands.count) operands for \(operation), which takes \(position)")
    }
}

/// The results of `operation`, in the order of its outputs; for an output that accumulates, what is to be added.
///
/// - Parameter outputShapes: the shapes of the outputs; the inputs alone do not tell those of parameters.
public func evaluate(
    _ operation: Operation, _ inputs: [ReferenceTensor], outputShapes: [[Int]]
) -> [ReferenceTensor] {
    var operand = OperandReader(inputs)
    let results: [ReferenceTensor]
    switch operation {
    case .convolution(let geometry, let channels, let bias, let addend):
        results = [
            convolution(
                x: operand.next(), w: operand.next(), bias: operand.next(if: bias), addend: operand.next(if: addend),
                geometry, weightChannels: channels)
        ]
    case .convolutionInputGradient(let geometry, let channels, let addend):
        results = [
            convolutionInputGradient(
                dy: operand.next(), w: operand.next(), addend: operand.next(if: addend), geometry,
                weightChannels: channels, shape: outputShapes[0])
        ]
    case .convolutionParameterGradient(let geometry, let channels, let bias):
        let (x, dy) = (operand.next(), operand.next())
        let dw = convolutionWeightGradient(x: x, dy: dy, geometry, weightChannels: channels, shape: outputShapes[0])
        results = bias ? [dw, biasGradient(dy: dy)] : [dw]
    case .linear(let channels, let bias, let addend):
        results = [
            linear(
                x: operand.next(), w: operand.next(), bias: operand.next(if: bias), addend: operand.next(if: addend),
                weightChannels: channels)
        ]
    case .linearInputGradient(let channels, let addend):
        results = [
            linearInputGradient(
                dy: operand.next(), w: operand.next(), addend: operand.next(if: addend), weightChannels: channels)
        ]
    case .linearParameterGradient(let channels, let bias):
        let (x, dy) = (operand.next(), operand.next())
        let dw = linearWeightGradient(x: x, dy: dy, weightChannels: channels, shape: outputShapes[0])
        results = bias ? [dw, biasGradient(dy: dy)] : [dw]

    case .groupNorm(let groups, let epsilon):
        results = groupNorm(
            x: operand.next(), gamma: operand.next(), beta: operand.next(), groups: groups, epsilon: Double(epsilon))
    case .groupNormGradient(let groups):
        results = groupNormGradient(
            dy: operand.next(), x: operand.next(), gamma: operand.next(), statistics: operand.next(), groups: groups)
    case .modulate:
        results = [modulate(x: operand.next(), scaleShift: operand.next())]
    case .modulateGradient:
        results = modulateGradient(dy: operand.next(), x: operand.next(), scaleShift: operand.next())
    case .silu:
        results = [silu(x: operand.next())]
    case .siluGradient:
        results = [siluGradient(dy: operand.next(), x: operand.next())]
    case .gelu:
        results = [gelu(x: operand.next())]
    case .geluGradient:
        results = [geluGradient(dy: operand.next(), x: operand.next())]
    case .relu:
        results = [operand.next().map { max($0, 0) }]
    case .groupNormSiLU(let groups, let epsilon, let modulated, let residual):
        results = groupNormSiLU(
            x: operand.next(), gamma: operand.next(), beta: operand.next(), scaleShift: operand.next(if: modulated),
            residual: operand.next(if: residual), groups: groups, epsilon: Double(epsilon))
    case .groupNormSiLUGradient(let groups, let modulated):
        results = groupNormSiLUGradient(
            dy: operand.next(), x: operand.next(), gamma: operand.next(), beta: operand.next(),
            scaleShift: operand.next(if: modulated), statistics: operand.next(), groups: groups)
    case .rmsNorm(let residual):
        results = [rmsNorm(x: operand.next(), g: operand.next(), residual: operand.next(if: residual))]
    case .rmsNormGradient:
        results = rmsNormGradient(dy: operand.next(), x: operand.next(), g: operand.next())

    case .linearAttention(let heads, let headDim):
        results = linearAttention(qkv: operand.next(), heads: heads, headDim: headDim)
    case .linearAttentionGradient(let heads, let headDim):
        results = [
            linearAttentionGradient(
                dout: operand.next(), softened: operand.next(), context: operand.next(), heads: heads,
                headDim: headDim)
        ]
    case .linearAttentionBlock(let heads, let headDim):
        results = linearAttentionBlock(
            x: operand.next(), wIn: operand.next(), wOut: operand.next(), bias: operand.next(), heads: heads,
            headDim: headDim)
    case .linearAttentionBlockGradient(let heads, let headDim):
        results = linearAttentionBlockGradient(
            dy: operand.next(), x: operand.next(), wIn: operand.next(), wOut: operand.next(), queries: operand.next(),
            keys: operand.next(), mean: operand.next(), heads: heads, headDim: headDim)
    case .fullAttention(let heads, let headDim, let headsFirst):
        results = fullAttention(qkv: operand.next(), heads: heads, headDim: headDim, headsFirst: headsFirst)
    case .fullAttentionGradient(let heads, let headDim, let headsFirst):
        results = [
            fullAttentionGradient(
                dout: operand.next(), qkv: operand.next(), out: operand.next(), logSumExp: operand.next(),
                heads: heads, headDim: headDim, headsFirst: headsFirst)
        ]

    case .rankOneUpdate(let layer):
        results = [rankOneUpdate(r: operand.next(), p: operand.next(), scales: operand.next(), layer: layer)]
    case .rankOneUpdateGradient(let layer):
        results = rankOneUpdateGradient(
            dy: operand.next(), r: operand.next(), p: operand.next(), scales: operand.next(), layer: layer)
    case .hyperNetwork(let layers):
        let (x, z) = (operand.next(), operand.next())
        results = [hyperNetwork(x: x, z: z, parameters: (0..<5 + 2 * layers).map { _ in operand.next() })]
    case .hyperNetworkGradient(let layers, let addend):
        let (dy, x, z) = (operand.next(), operand.next(), operand.next())
        let parameters = (0..<5 + 2 * layers).map { _ in operand.next() }
        results = hyperNetworkGradient(
            dy: dy, x: x, z: z, parameters: parameters, addend: operand.next(if: addend))

    case .add:
        results = [operand.next().zip(operand.next()) { $0 + $1 }]
    case .concatenateChannels:
        results = [concatenateChannels(a: operand.next(), b: operand.next())]
    case .sliceChannels(let channels):
        results = [sliceChannels(x: operand.next(), channels)]
    case .upsampleNearest:
        results = [upsampleNearest(x: operand.next())]
    case .upsampleNearestGradient:
        results = [upsampleNearestGradient(dy: operand.next())]
    case .reshape:
        results = [ReferenceTensor(outputShapes[0], operand.next().values)]
    case .repeatSamples(let count):
        results = [repeatSamples(x: operand.next(), count)]
    case .repeatSamplesGradient(let count):
        results = [repeatSamplesGradient(dy: operand.next(), count)]
    case .meanOverPositions:
        results = [meanOverPositions(x: operand.next())]
    case .meanOverPositionsGradient:
        results = [meanOverPositionsGradient(dy: operand.next(), outputShapes[0])]
    case .maxPool(let window):
        results = [maxPool(x: operand.next(), window)]
    case .averagePool(let window):
        results = [averagePool(x: operand.next(), window)]
    case .averagePoolGradient(let window):
        results = [averagePoolGradient(dy: operand.next(), outputShapes[0], window)]
    case .dropout(let rate, let layer), .dropoutGradient(let rate, let layer):
        results = [dropout(x: operand.next(), key: operand.next(), rate: rate, layer: layer)]
    case .embedding:
        results = [embedding(label: operand.next(), weight: operand.next())]
    case .embeddingGradient:
        results = [embeddingGradient(dy: operand.next(), label: operand.next(), outputShapes[0])]
    case .sinusoidalEmbedding(let dimension, let cosinesFirst):
        results = [
            cosinesFirst
                ? cosineEmbedding(timestep: operand.next(), dimension: dimension)
                : sinusoidalEmbedding(timestep: operand.next(), dimension: dimension)
        ]
    case .constant(let value):
        results = [ReferenceTensor(outputShapes[0], repeating: Double(value))]

    case .weightedSquaredError:
        results = [weightedSquaredError(prediction: operand.next(), target: operand.next(), weight: operand.next())]
    case .weightedSquaredErrorGradient:
        results = [
            weightedSquaredErrorGradient(
                dloss: operand.next(), prediction: operand.next(), target: operand.next(), weight: operand.next())
        ]
    case .weightedAbsoluteError:
        results = [weightedAbsoluteError(prediction: operand.next(), target: operand.next(), weight: operand.next())]
    case .weightedAbsoluteErrorGradient:
        results = [
            weightedAbsoluteErrorGradient(
                dloss: operand.next(), prediction: operand.next(), target: operand.next(), weight: operand.next())
        ]
    case .gaussianDraw:
        results = [gaussianDraw(moments: operand.next(), noise: operand.next())]
    case .gaussianDrawGradient:
        results = [gaussianDrawGradient(dz: operand.next(), moments: operand.next(), noise: operand.next())]
    case .gaussianDivergence:
        results = [gaussianDivergence(moments: operand.next(), weight: operand.next())]
    case .gaussianDivergenceGradient:
        results = [gaussianDivergenceGradient(dloss: operand.next(), moments: operand.next(), weight: operand.next())]
    case .energyScore(let score):
        results = [
            energyScore(
                x: operand.next(), y: operand.next(), energyWeight: operand.next(), errorWeight: operand.next(), score)
        ]
    case .energyScoreGradient(let score):
        results = [
            energyScoreGradient(
                dloss: operand.next(), x: operand.next(), y: operand.next(), energyWeight: operand.next(),
                errorWeight: operand.next(), score)
        ]
    case .mixtureLikelihood(let components):
        results = [
            mixtureLikelihood(
                prediction: operand.next(), target: operand.next(), weight: operand.next(), components: components)
        ]
    case .mixtureLikelihoodGradient(let components):
        results = [
            mixtureLikelihoodGradient(
                dloss: operand.next(), prediction: operand.next(), target: operand.next(), weight: operand.next(),
                components: components)
        ]
    case .variationalBound:
        results = [variationalBound(operand.next(), (0..<5).map { _ in operand.next() })]
    case .variationalBoundGradient(let held):
        results = [
            variationalBoundGradient(
                dloss: operand.next(), operand.next(), (0..<5).map { _ in operand.next() }, held: held)
        ]
    case .softmaxCrossEntropy:
        results = [softmaxCrossEntropy(logits: operand.next(), label: operand.next(), weight: operand.next())]
    case .softmaxCrossEntropyGradient:
        results = [
            softmaxCrossEntropyGradient(
                dloss: operand.next(), logits: operand.next(), label: operand.next(), weight: operand.next())
        ]
    }
    operand.finish(operation)
    for (result, shape) in zip(results, outputShapes) {
        precondition(result.shape == shape, "\(operation) gives \(result.shape), not \(shape)")
    }
    precondition(results.count == outputShapes.count, "\(operation) has \(results.count) outputs, not \(outputShapes)")
    return results
}
