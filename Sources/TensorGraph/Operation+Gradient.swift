extension Operation {
    /// The operations of the derivative, in their order; none for an operation without.
    ///
    /// Parameter gradients come first: after them the saved input is often no longer needed.
    ///
    /// - Parameter shapes: of the inputs.
    func gradientRules(_ shapes: [[Int]]) -> [GradientRule] {
        switch self {
        case .convolution(let geometry, let channels, let bias, let addend):
            let parameters = Self.convolutionParameterGradient(geometry, weightChannels: channels, bias: bias)
            return productRules(parameters, bias: bias, addend: addend) {
                .convolutionInputGradient(geometry, weightChannels: channels, addend: $0)
            }
        case .linear(let channels, let bias, let addend):
            let parameters = Self.linearParameterGradient(weightChannels: channels, bias: bias)
            return productRules(parameters, bias: bias, addend: addend) {
                .linearInputGradient(weightChannels: channels, addend: $0)
            }
        case .groupNorm(let groups, _):
            return [
                GradientRule(
                    .groupNormGradient(groups: groups), [.dy, .input(0), .input(1), .output(1)], [0, 1, 2])
            ]
        case .groupNormSiLU(let groups, _, let modulated, let residual):
            let scaleShift = modulated ? [3] : []
            return residualRule(residual, modulated ? 4 : 3) + [
                GradientRule(
                    .groupNormSiLUGradient(groups: groups, modulated: modulated),
                    [.dy] + ([0, 1, 2] + scaleShift).map { .input($0) } + [.output(1)], [0, 1, 2] + scaleShift)
            ]
        case .rmsNorm(let residual):
            return residualRule(residual, 2) + [GradientRule(.rmsNormGradient, [.dy, .input(0), .input(1)], [0, 1])]
        case .modulate:
            return [GradientRule(.modulateGradient, [.dy, .input(0), .input(1)], [0, 1])]
        case .silu:
            return [GradientRule(.siluGradient, [.dy, .input(0)], [0])]
        case .gelu:
            return [GradientRule(.geluGradient, [.dy, .input(0)], [0])]
        case .linearAttention(let heads, let headDim):
            return [
                GradientRule(
                    .linearAttentionGradient(heads: heads, headDim: headDim), [.dy, .output(1), .output(2)], [0])
            ]
        case .linearAttentionBlock(let heads, let headDim):
            return [
                GradientRule(
                    .linearAttentionBlockGradient(heads: heads, headDim: headDim),
                    [.dy, .input(0), .input(1), .input(2), .output(1), .output(2), .output(3)], [0, 1, 2, 3])
            ]
        case .fullAttention(let heads, let headDim):
            return [
                GradientRule(
                    .fullAttentionGradient(heads: heads, headDim: headDim),
                    [.dy, .input(0), .output(0), .output(1)], [0])
            ]
        case .rankOneUpdate(let layer):
            return [
                GradientRule(
                    .rankOneUpdateGradient(layer: layer), [.dy, .input(0), .input(1), .input(2)], [0, 1, 2])
            ]
        case .hyperNetwork(let layers):
            let inputs = Array(0..<7 + 2 * layers)
            return [
                GradientRule([.dy] + inputs.map { .input($0) }, inputs, addingTo: 1) {
                    .hyperNetworkGradient(layers: layers, addend: $0)
                }
            ]
        case .add:
            return [.identity(0), .identity(1)]
        case .concatenateChannels:
            let boundary = shapes[0][shapes[0].count - 1]
            let end = boundary + shapes[1][shapes[1].count - 1]
            return [0..<boundary, boundary..<end].enumerated().map { GradientRule(.sliceChannels($1), [.dy], [$0]) }
        case .upsampleNearest:
            return [GradientRule(.upsampleNearestGradient, [.dy], [0])]
        case .weightedSquaredError:
            return [GradientRule(.weightedSquaredErrorGradient, [.dy, .input(0), .input(1), .input(2)], [0])]
        default:
            return []  // of constants and timesteps, and what occurs only in a backward pass
        }
    }

    private func residualRule(_ present: Bool, _ input: Int) -> [GradientRule] { present ? [.identity(input)] : [] }

    /// Of `y = product(x, w) (+ bias) (+ addend)`.
    private func productRules(
        _ parameterGradient: Operation, bias: Bool, addend: Bool, inputGradient: @escaping (_ addend: Bool) -> Operation
    ) -> [GradientRule] {
        residualRule(addend, bias ? 3 : 2) + [
            GradientRule(parameterGradient, [.input(0), .dy], bias ? [1, 2] : [1]),
            GradientRule([.dy, .input(1)], [0], addingTo: 0, inputGradient),
        ]
    }
}
