import ReferenceBackend
import TensorGraph

/// An operation that computes gradients of a forward operation, and how its operands come from those of the latter.
struct GradientRule {
    enum Source {
        /// The gradient of the loss with respect to the forward operation's first output.
        case cotangent
        case input(Int)
        case output(Int)
        /// A random gradient so far of the forward operation's given input, to be added to.
        case gradientSoFar(of: Int)
    }

    /// Nil where the gradient is the cotangent itself.
    let operation: Operation?
    let sources: [Source]
    /// Per output of `operation`: the forward input whose gradient it is, and whether it accumulates.
    let results: [(input: Int, accumulates: Bool)]

    /// The gradient of `input` is the cotangent itself.
    static func identity(_ input: Int) -> GradientRule {
        GradientRule(operation: nil, sources: [.cotangent], results: [(input, false)])
    }
}

/// How the gradients of `operation` are computed; empty where it has none, nil for what occurs only in backward passes.
func gradientRules(of operation: Operation, inputShapes: [[Int]]) -> [GradientRule]? {
    switch operation {
    case .convolution(let geometry, let channels, let bias, let addend):
        return productRules(bias: bias, addend: addend) {
            .convolutionInputGradient(geometry, weightChannels: channels, addend: $0)
        } parameterGradient: {
            .convolutionParameterGradient(geometry, weightChannels: channels, bias: bias)
        }
    case .linear(let channels, let bias, let addend):
        return productRules(bias: bias, addend: addend) {
            .linearInputGradient(weightChannels: channels, addend: $0)
        } parameterGradient: {
            .linearParameterGradient(weightChannels: channels, bias: bias)
        }
    case .groupNorm(let groups, _):
        return [
            GradientRule(
                operation: .groupNormGradient(groups: groups),
                sources: [.cotangent, .input(0), .input(1), .output(1)],
                results: [(0, false), (1, true), (2, true)])
        ]
    case .modulate:
        return [
            GradientRule(
                operation: .modulateGradient, sources: [.cotangent, .input(0), .input(1)],
                results: [(0, false), (1, false)])
        ]
    case .silu:
        return [GradientRule(operation: .siluGradient, sources: [.cotangent, .input(0)], results: [(0, false)])]
    case .gelu:
        return [GradientRule(operation: .geluGradient, sources: [.cotangent, .input(0)], results: [(0, false)])]
    case .groupNormSiLU(let groups, _, let modulated, let residual):
        let fused = GradientRule(
            operation: .groupNormSiLUGradient(groups: groups, modulated: modulated),
            sources: [.cotangent, .input(0), .input(1), .input(2)] + (modulated ? [.input(3)] : []) + [.output(1)],
            results: [(0, false), (1, true), (2, true)] + (modulated ? [(3, false)] : []))
        return [fused] + (residual ? [.identity(modulated ? 4 : 3)] : [])
    case .rmsNorm(let residual):
        let norm = GradientRule(
            operation: .rmsNormGradient, sources: [.cotangent, .input(0), .input(1)],
            results: [(0, false), (1, true)])
        return [norm] + (residual ? [.identity(2)] : [])
    case .linearAttention(let heads, let headDim):
        return [
            GradientRule(
                operation: .linearAttentionGradient(heads: heads, headDim: headDim),
                sources: [.cotangent, .output(1), .output(2)], results: [(0, false)])
        ]
    case .linearAttentionBlock(let heads, let headDim):
        return [
            GradientRule(
                operation: .linearAttentionBlockGradient(heads: heads, headDim: headDim),
                sources: [.cotangent, .input(0), .input(1), .input(2), .output(1), .output(2), .output(3)],
                results: [(0, false), (1, true), (2, true), (3, true)])
        ]
    case .fullAttention(let heads, let headDim):
        return [
            GradientRule(
                operation: .fullAttentionGradient(heads: heads, headDim: headDim),
                sources: [.cotangent, .input(0), .output(0), .output(1)], results: [(0, false)])
        ]
    case .rankOneUpdate(let layer):
        return [
            GradientRule(
                operation: .rankOneUpdateGradient(layer: layer),
                sources: [.cotangent, .input(0), .input(1), .input(2)],
                results: [(0, false), (1, false), (2, true)])
        ]
    case .hyperNetwork(let layers):
        let inputs = Array(0..<7 + 2 * layers)
        return [false, true].map { addend in
            GradientRule(
                operation: .hyperNetworkGradient(layers: layers, addend: addend),
                sources: [.cotangent] + inputs.map { .input($0) } + (addend ? [.gradientSoFar(of: 1)] : []),
                results: inputs.map { ($0, $0 > 1) })
        }
    case .add:
        return [.identity(0), .identity(1)]
    case .concatenateChannels:
        let (a, b) = (inputShapes[0][inputShapes[0].count - 1], inputShapes[1][inputShapes[1].count - 1])
        return [
            GradientRule(operation: .sliceChannels(0..<a), sources: [.cotangent], results: [(0, false)]),
            GradientRule(operation: .sliceChannels(a..<a + b), sources: [.cotangent], results: [(1, false)]),
        ]
    case .upsampleNearest:
        return [GradientRule(operation: .upsampleNearestGradient, sources: [.cotangent], results: [(0, false)])]
    case .weightedSquaredError:
        return [
            GradientRule(
                operation: .weightedSquaredErrorGradient,
                sources: [.cotangent, .input(0), .input(1), .input(2)], results: [(0, false)])
        ]
    case .sinusoidalEmbedding, .constant:
        return []
    case .sliceChannels, .convolutionInputGradient, .convolutionParameterGradient, .linearInputGradient,
        .linearParameterGradient, .groupNormGradient, .modulateGradient, .siluGradient, .geluGradient,
        .groupNormSiLUGradient, .rmsNormGradient, .linearAttentionGradient, .linearAttentionBlockGradient,
        .fullAttentionGradient,
        .rankOneUpdateGradient, .hyperNetworkGradient, .upsampleNearestGradient, .weightedSquaredErrorGradient:
        return nil
    }
}

/// Rules of `y = product(x, w) (+ bias) (+ addend)`; the gradient of x alone, and added to a gradient so far.
private func productRules(
    bias: Bool, addend: Bool, inputGradient: (_ addend: Bool) -> Operation, parameterGradient: () -> Operation
) -> [GradientRule] {
    let rules = [
        GradientRule(operation: inputGradient(false), sources: [.cotangent, .input(1)], results: [(0, false)]),
        GradientRule(
            operation: inputGradient(true), sources: [.cotangent, .input(1), .gradientSoFar(of: 0)],
            results: [(0, false)]),
        GradientRule(
            operation: parameterGradient(), sources: [.input(0), .cotangent],
            results: [(1, true)] + (bias ? [(2, true)] : [])),
    ]
    return rules + (addend ? [.identity(bias ? 3 : 2)] : [])
}
