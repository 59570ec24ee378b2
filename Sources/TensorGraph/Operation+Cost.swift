extension ExecutionPlan {
    /// Floating-point operations of one run: those of convolutions, matrix products and attention, a multiply-add
    /// counted as two. Element-wise work is not counted, as is usual.
    public var floatingPointOperations: Int { nodes.reduce(0) { $0 + floatingPointOperations(of: $1) } }

    /// Floating-point operations of one node.
    public func floatingPointOperations(of node: Node) -> Int {
        func count(_ id: Int) -> Int { values[id].count }
        func shape(_ id: Int) -> [Int] { values[id].shape }
        switch node.operation {
        case .convolution(let geometry, let channels, _, _):
            return 2 * count(node.outputs[0]) * channels.count * geometry.kernelHeight * geometry.kernelWidth
        case .convolutionInputGradient(let geometry, let channels, _):
            return 2 * count(node.inputs[0]) * channels.count * geometry.kernelHeight * geometry.kernelWidth
        case .convolutionParameterGradient(let geometry, let channels, _):
            return 2 * count(node.inputs[1]) * channels.count * geometry.kernelHeight * geometry.kernelWidth
        case .linear(let channels, _, _):
            return 2 * count(node.outputs[0]) * channels.count
        case .linearInputGradient(let channels, _):
            return 2 * count(node.inputs[0]) * channels.count
        case .linearParameterGradient(let channels, _):
            return 2 * count(node.inputs[1]) * channels.count
        case .linearAttention(_, let headDim):
            return 2 * 2 * count(node.outputs[0]) * headDim
        case .linearAttentionGradient(_, let headDim):
            return 4 * 2 * count(node.inputs[0]) * headDim
        case .linearAttentionBlock(_, let headDim), .linearAttentionBlockGradient(_, let headDim):
            // As the operations that it stands for count: q, k, v, two products of the heads, and the last convolution.
            let gradient = node.operation.name.hasSuffix("Gradient")
            let weights = gradient ? node.inputs[2...3] : node.inputs[1...2]
            let positions = count(node.inputs[0]) / shape(node.inputs[0]).last!
            let inner = shape(weights.last!)[1]
            let forward = 2 * positions * (weights.map(count).reduce(0, +) + 2 * inner * headDim)
            return gradient ? 2 * forward : forward
        case .hyperNetwork(let layers), .hyperNetworkGradient(let layers, _):
            // As the operations that it stands for count; what the gradient computes again is not counted.
            let gradient = node.operation.name.hasSuffix("Gradient")
            let x = gradient ? 1 : 0
            let (channels, latent) = (shape(node.inputs[x]).last!, shape(node.inputs[x + 1]).last!)
            let forward = 2 * count(node.inputs[x + 1]) * (2 * channels + layers * latent)
            return gradient ? 2 * forward : forward
        case .fullAttention:
            return 2 * 2 * count(node.outputs[0]) * shape(node.outputs[1])[2]
        case .fullAttentionGradient:
            return 5 * 2 * count(node.inputs[0]) * shape(node.inputs[3])[2]
        case .groupNorm, .groupNormGradient, .modulate, .modulateGradient, .silu, .siluGradient, .gelu, .geluGradient,
            .groupNormSiLU, .groupNormSiLUGradient, .rmsNorm, .rmsNormGradient, .rankOneUpdate, .rankOneUpdateGradient,
            .add, .concatenateChannels, .sliceChannels, .upsampleNearest, .upsampleNearestGradient,
            .sinusoidalEmbedding, .weightedSquaredError, .weightedSquaredErrorGradient:
            return 0
        }
    }
}
