import TensorGraph

/// Cases of every operation with a derivative; small, as each element costs two forward runs.
let gradientCases: [OperationCase] =
    convolutionGradientCases + linearGradientCases + normGradientCases + otherGradientCases

private func flags(_ index: Int) -> (Bool, Bool) { (index % 2 == 1, index / 2 % 2 == 1) }

private let convolutionGradientCases: [OperationCase] = {
    let shapes: [(ConvolutionGeometry, positions: [Int], channels: Range<Int>, weightInputs: Int, outputs: Int)] = [
        (ConvolutionGeometry(kernel: 3, padding: 1), [4, 5], 0..<4, 4, 3),
        (ConvolutionGeometry(kernel: 3, padding: 1), [1, 1], 2..<6, 8, 4),
        (ConvolutionGeometry(kernel: 3, stride: 2, padding: 1), [5, 4], 3..<4, 4, 2),
        (ConvolutionGeometry(kernel: 3), [4, 3], 0..<2, 5, 2),
        (ConvolutionGeometry(kernel: 1), [2, 3], 1..<4, 4, 5),
        (ConvolutionGeometry(kernel: 2, stride: 2), [4, 6], 0..<3, 3, 4),
        (ConvolutionGeometry(kernel: 2, stride: 2), [5, 3], 2..<4, 4, 2),
        (ConvolutionGeometry(kernel: 7, padding: 3), [3, 5], 1..<3, 3, 2),
        (ConvolutionGeometry(kernel: 7, padding: 3), [2, 1], 0..<1, 1, 3),
    ]
    return shapes.enumerated().flatMap { index, shape in
        [index, 3 - index % 4].map { number in
            let (bias, addend) = flags(number)
            return OperationCase(
                operation: .convolution(shape.0, weightChannels: shape.channels, bias: bias, addend: addend),
                positions: shape.positions, channels: shape.channels.count, outputChannels: shape.outputs,
                weightInputs: shape.weightInputs)
        }
    }
}()

private let linearGradientCases: [OperationCase] = (0..<8).map { index in
    let (bias, addend) = flags(index)
    let channels = [0..<5, 2..<5, 4..<8, 0..<3][index % 4]
    return OperationCase(
        operation: .linear(weightChannels: channels, bias: bias, addend: addend), images: 3,
        positions: index < 4 ? [] : [2, 3], channels: channels.count, outputChannels: 4,
        weightInputs: channels.upperBound + index % 3, pointwise: index % 2 == 0)
}

private let normGradientCases: [OperationCase] = [1, 2, 4].flatMap { groups in
    let positions = [[3, 2], [4, 1], [2, 5]][groups / 2]
    let fused: [OperationCase] = (0..<4).map { index in
        let (modulated, residual) = flags(index)
        return OperationCase(
            operation: .groupNormSiLU(groups: groups, epsilon: 1e-5, modulated: modulated, residual: residual),
            positions: positions)
    }
    return fused + [
        OperationCase(operation: .groupNorm(groups: groups, epsilon: 1e-5), positions: positions),
        OperationCase(operation: .groupNorm(groups: groups, epsilon: 0.5), positions: positions, channels: 12),
    ]
}

private let otherGradientCases: [OperationCase] =
    [
        OperationCase(operation: .rmsNorm(residual: false), channels: 5),
        OperationCase(operation: .rmsNorm(residual: true), images: 1, positions: [1, 2]),
        OperationCase(operation: .modulate, positions: [3, 2], channels: 5),
        OperationCase(operation: .silu),
        OperationCase(operation: .silu, positions: [], channels: 7),
        OperationCase(operation: .gelu, positions: [], channels: 24),
        OperationCase(operation: .rankOneUpdate(layer: 0), channels: 6),
        OperationCase(operation: .rankOneUpdate(layer: 1), positions: [3, 1], channels: 5, layers: 3),
        OperationCase(operation: .hyperNetwork(layers: 1), channels: 3, outputChannels: 5),
        OperationCase(operation: .hyperNetwork(layers: 2), positions: [3, 1], channels: 5, outputChannels: 4),
        OperationCase(operation: .hyperNetwork(layers: 3), positions: [2, 2], channels: 4, outputChannels: 3),
        OperationCase(operation: .add, channels: 3),
        OperationCase(operation: .concatenateChannels, channels: 3, outputChannels: 5),
        OperationCase(operation: .concatenateChannels, positions: [], channels: 4, outputChannels: 1),
        OperationCase(operation: .upsampleNearest, positions: [3, 2], channels: 3),
        OperationCase(operation: .weightedSquaredError, images: 3, channels: 3),
        OperationCase(operation: .weightedSquaredError, positions: [], channels: 2),
    ]
    + [(1, 8), (2, 4), (4, 3), (2, 2)].flatMap { heads, headDim in
        [[3, 3], [2, 1], [1, 5]].flatMap { positions in
            [
                OperationCase(operation: .linearAttention(heads: heads, headDim: headDim), positions: positions),
                OperationCase(
                    operation: .linearAttentionBlock(heads: heads, headDim: headDim), positions: positions, channels: 3,
                    outputChannels: 5),
                OperationCase(operation: .fullAttention(heads: heads, headDim: headDim), positions: positions),
            ]
        }
    }
