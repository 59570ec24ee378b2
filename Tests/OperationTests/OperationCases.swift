import TensorGraph

/// Cases of every operation, with those of its derivative, in which a fast backend is compared with the reference.
let operationCases: [OperationCase] = {
    var known: Set<String> = []
    return forwardCases.flatMap { [$0] + $0.derivatives }.filter { known.insert($0.testDescription).inserted }
}()

/// Small enough for central differences: each element costs two forward runs.
let gradientCases = smallCases.filter { !$0.traits.gradient.isEmpty }

private let forwardCases: [OperationCase] =
    convolutionCases + linearCases + normCases + activationCases + attentionCases + hypernetworkCases
    + wholeHypernetworkCases + movementCases + lossCases + distributionCases
    + smallCases

private let smallCases = smallConvolutions + smallLinears + smallNorms + smallOthers

// MARK: Products

/// A convolution's sizes.
private struct ConvolutionSizes {
    let geometry: ConvolutionGeometry
    let images: Int
    let positions: [Int]
    let channels: Range<Int>
    let weightInputs: Int
    let outputs: Int

    init(
        _ geometry: ConvolutionGeometry, _ images: Int, _ positions: [Int], _ channels: Range<Int>,
        of weightInputs: Int,
        to outputs: Int
    ) {
        self.geometry = geometry
        self.images = images
        self.positions = positions
        self.channels = channels
        self.weightInputs = weightInputs
        self.outputs = outputs
    }
}

private let convolutionCases: [OperationCase] = {
    let three = ConvolutionGeometry(kernel: 3, padding: 1)
    let one = ConvolutionGeometry(kernel: 1)
    let seven = ConvolutionGeometry(kernel: 7, padding: 3)
    let two = ConvolutionGeometry(kernel: 2, stride: 2)
    let sizes = [
        ConvolutionSizes(three, 2, [8, 8], 0..<32, of: 32, to: 32),
        ConvolutionSizes(three, 1, [16, 16], 0..<8, of: 8, to: 12),
        ConvolutionSizes(three, 3, [4, 4], 0..<12, of: 12, to: 4),
        ConvolutionSizes(three, 2, [16, 16], 0..<8, of: 8, to: 8),
        ConvolutionSizes(three, 1, [32, 32], 0..<16, of: 16, to: 8),
        ConvolutionSizes(three, 2, [9, 11], 8..<16, of: 16, to: 8),
        ConvolutionSizes(three, 2, [6, 9], 0..<8, of: 8, to: 16),
        ConvolutionSizes(three, 2, [6, 5], 0..<6, of: 6, to: 8),
        ConvolutionSizes(three, 1, [13, 7], 2..<12, of: 12, to: 8),
        ConvolutionSizes(three, 2, [7, 100], 0..<4, of: 4, to: 8),
        ConvolutionSizes(three, 1, [78, 3], 0..<14, of: 14, to: 8),
        ConvolutionSizes(three, 1, [1, 1], 0..<4, of: 4, to: 8),
        ConvolutionSizes(three, 2, [5, 7], 0..<8, of: 8, to: 12),
        ConvolutionSizes(three, 3, [2, 1], 0..<8, of: 8, to: 8),
        ConvolutionSizes(three, 1, [4, 4], 0..<100, of: 100, to: 32),
        ConvolutionSizes(three, 1, [4, 4], 0..<32, of: 32, to: 100),
        ConvolutionSizes(three, 2, [4, 4], 32..<64, of: 64, to: 32),
        ConvolutionSizes(three, 2, [4, 4], 0..<12, of: 20, to: 8),
        ConvolutionSizes(three, 1, [8, 8], 4..<12, of: 20, to: 4),
        ConvolutionSizes(ConvolutionGeometry(kernel: 3, stride: 2, padding: 1), 2, [7, 8], 0..<8, of: 8, to: 4),
        ConvolutionSizes(ConvolutionGeometry(kernel: 3, stride: 2, paddingAfter: 1), 2, [8, 6], 0..<8, of: 8, to: 4),
        ConvolutionSizes(
            ConvolutionGeometry(kernel: 3, stride: 2, paddingAfter: 1), 1, [16, 16], 0..<32, of: 32, to: 32),
        ConvolutionSizes(ConvolutionGeometry(kernel: 3), 1, [5, 6], 1..<5, of: 8, to: 8),
        ConvolutionSizes(ConvolutionGeometry(oddKernel: 1, 7), 2, [7, 9], 0..<16, of: 16, to: 24),
        ConvolutionSizes(ConvolutionGeometry(oddKernel: 7, 1), 1, [17, 5], 0..<32, of: 32, to: 16),
        ConvolutionSizes(ConvolutionGeometry(oddKernel: 1, 3), 2, [8, 8], 8..<16, of: 24, to: 8),
        ConvolutionSizes(ConvolutionGeometry(oddKernel: 3, 1), 1, [4, 6], 0..<12, of: 12, to: 20),
        ConvolutionSizes(ConvolutionGeometry(oddKernel: 3, 5), 1, [5, 6], 0..<8, of: 8, to: 8),
        ConvolutionSizes(one, 2, [8, 8], 0..<32, of: 32, to: 96),
        ConvolutionSizes(one, 3, [1, 1], 0..<12, of: 12, to: 100),
        ConvolutionSizes(one, 1, [4, 4], 8..<16, of: 24, to: 8),
        ConvolutionSizes(one, 2, [3, 5], 0..<4, of: 4, to: 1),
        ConvolutionSizes(two, 2, [8, 8], 0..<8, of: 8, to: 16),
        ConvolutionSizes(two, 1, [16, 16], 0..<4, of: 4, to: 12),
        ConvolutionSizes(two, 3, [4, 4], 0..<32, of: 32, to: 32),
        ConvolutionSizes(two, 2, [5, 7], 0..<12, of: 12, to: 4),
        ConvolutionSizes(seven, 2, [8, 8], 0..<1, of: 1, to: 32),
        ConvolutionSizes(seven, 1, [16, 16], 0..<2, of: 2, to: 8),
        ConvolutionSizes(seven, 3, [4, 4], 0..<3, of: 3, to: 8),
        ConvolutionSizes(seven, 2, [9, 13], 2..<4, of: 6, to: 8),
        ConvolutionSizes(seven, 1, [50, 6], 0..<6, of: 6, to: 8),
        ConvolutionSizes(seven, 2, [5, 9], 2..<10, of: 12, to: 4),
        ConvolutionSizes(seven, 2, [1, 1], 0..<4, of: 4, to: 8),
        ConvolutionSizes(seven, 2, [5, 3], 0..<5, of: 5, to: 12),
        ConvolutionSizes(seven, 1, [8, 8], 0..<6, of: 6, to: 32),
        ConvolutionSizes(seven, 2, [8, 8], 3..<6, of: 6, to: 8),
        ConvolutionSizes(seven, 2, [2, 1], 1..<2, of: 2, to: 4),
        // The sizes of real networks, where blocking and other algorithms set in.
        ConvolutionSizes(three, 1, [32, 32], 0..<32, of: 32, to: 32),
        ConvolutionSizes(three, 2, [16, 16], 0..<96, of: 96, to: 72),
        ConvolutionSizes(three, 1, [8, 8], 0..<128, of: 256, to: 128),
        ConvolutionSizes(three, 2, [4, 4], 128..<256, of: 256, to: 128),
        ConvolutionSizes(two, 1, [32, 32], 0..<32, of: 32, to: 32),
        ConvolutionSizes(seven, 1, [32, 32], 0..<3, of: 6, to: 32),
        // Enough channels for bfloat16, tiles of which are not filled.
        ConvolutionSizes(three, 3, [9, 11], 3..<37, of: 40, to: 17),
        ConvolutionSizes(three, 1, [1, 1], 0..<16, of: 16, to: 33),
        ConvolutionSizes(three, 5, [2, 3], 1..<50, of: 50, to: 47),
        ConvolutionSizes(ConvolutionGeometry(kernel: 3, stride: 2, padding: 1), 2, [7, 8], 0..<20, of: 20, to: 18),
        ConvolutionSizes(ConvolutionGeometry(kernel: 3), 1, [5, 6], 4..<24, of: 32, to: 16),
        ConvolutionSizes(seven, 2, [5, 3], 0..<17, of: 17, to: 21),
        ConvolutionSizes(two, 2, [6, 10], 0..<18, of: 18, to: 40),
        ConvolutionSizes(one, 2, [3, 5], 60..<160, of: 160, to: 97),
    ]
    return sizes.enumerated().flatMap { index, size -> [OperationCase] in
        let flags = [index % 4, 3 - index % 4].map { (bias: $0 % 2 == 1, addend: $0 / 2 == 1) }
        return flags.map { bias, addend in
            OperationCase(
                operation: .convolution(size.geometry, weightChannels: size.channels, bias: bias, addend: addend),
                images: size.images, positions: size.positions, channels: size.channels.count,
                outputChannels: size.outputs, weightInputs: size.weightInputs)
        }
    }
}()

private let linearCases: [OperationCase] = {
    let sizes: [(images: Int, positions: [Int], channels: Range<Int>, weightInputs: Int, outputs: Int)] = [
        (1, [], 0..<32, 32, 128), (2, [], 0..<128, 128, 64), (3, [], 0..<8, 8, 4), (3, [], 4..<12, 12, 100),
        (1, [1, 1], 0..<12, 12, 12), (2, [8, 8], 0..<32, 32, 96), (1, [16, 16], 0..<4, 4, 8),
        (2, [3, 5], 0..<100, 100, 32), (3, [4, 4], 0..<32, 32, 100), (2, [4, 4], 32..<64, 64, 32),
        (2, [4, 4], 0..<12, 20, 8), (1, [8, 8], 4..<8, 12, 3), (2, [2, 1], 0..<1, 1, 1),
        (1, [16, 16], 0..<128, 128, 384),
        (1, [32, 32], 0..<32, 32, 100), (32, [], 0..<128, 128, 256),
        (2, [3, 5], 0..<100, 100, 130), (3, [1, 2], 30..<126, 126, 96),
        (1, [9, 15], 0..<8, 16, 8), (1, [9, 15], 8..<16, 16, 8), (2, [5, 7], 0..<16, 24, 16),
        (1, [7, 11], 0..<24, 24, 24), (1, [9, 15], 0..<8, 8, 16), (2, [5, 7], 0..<65, 65, 40),
        (1, [9, 15], 0..<64, 64, 65), (1, [1, 3], 0..<7, 7, 63),
    ]
    return sizes.enumerated().flatMap { index, size -> [OperationCase] in
        let flags = [index % 4, 3 - index % 4].map { (bias: $0 % 2 == 1, addend: $0 / 2 == 1) }
        return flags.map { bias, addend in
            OperationCase(
                operation: .linear(weightChannels: size.channels, bias: bias, addend: addend),
                images: size.images, positions: size.positions, channels: size.channels.count,
                outputChannels: size.outputs, weightInputs: size.weightInputs, pointwise: index % 2 == 1)
        }
    }
}()

// MARK: Normalisation and activation

private let normCases: [OperationCase] = {
    let sizes: [(images: Int, positions: [Int], channels: Int, groups: Int)] = [
        (2, [4, 4], 4, 1), (1, [8, 8], 4, 2), (3, [4, 4], 4, 4), (2, [16, 16], 8, 1), (2, [5, 7], 8, 2),
        (1, [3, 1], 8, 4), (2, [2, 1], 12, 2), (3, [8, 8], 12, 4), (1, [1, 1], 12, 1), (2, [1, 1], 32, 4),
        (40, [1, 1], 35, 1), (33, [1, 1], 48, 2),
        (2, [8, 8], 32, 1), (1, [4, 4], 32, 4), (1, [16, 16], 32, 2), (2, [4, 4], 100, 4), (1, [3, 5], 100, 1),
        (2, [8, 8], 100, 2), (1, [32, 32], 32, 4), (2, [16, 16], 128, 4), (1, [32, 32], 8, 1),
    ]
    let ordinary = sizes.enumerated().flatMap { index, size -> [OperationCase] in
        normOperations(groups: size.groups, index: index).map { operation in
            OperationCase(
                operation: operation, images: size.images, positions: size.positions, channels: size.channels)
        }
    }
    let offset = [(8, 1), (12, 4), (32, 2)].enumerated().flatMap { index, size -> [OperationCase] in
        normOperations(groups: size.1, index: index).map { operation in
            OperationCase(operation: operation, positions: [8, 8], channels: size.0, values: .offset)
        }
    }
    let offsetPoints = normOperations(groups: 2, index: 1).map {
        OperationCase(operation: $0, positions: [1, 1], channels: 40, values: .offset)
    }
    let saturated = (0..<4).flatMap { index -> [OperationCase] in
        normOperations(groups: 4, index: index).map { OperationCase(operation: $0, channels: 12, values: .saturated) }
    }
    let zeros = [false, true].map {
        OperationCase(operation: .rmsNorm(residual: $0), channels: 12, values: .zeroPositions)
    }
    // Numbers of channels that kernels are made for and others, and numbers of rows about their group of 16.
    let rows = [8, 16, 32, 64, 9, 24, 35].flatMap { channels in
        [[1, 1], [5, 3], [4, 4], [1, 17], [9, 15]].map { positions in
            OperationCase(
                operation: .rmsNorm(residual: channels % 3 == 0), images: 1, positions: positions, channels: channels)
        }
    }
    return ordinary + offset + offsetPoints + saturated + zeros + rows
}()

/// The operations of norms; modulation and residual alternate with `index`.
private func normOperations(groups: Int, index: Int) -> [Operation] {
    let (modulated, residual) = (index % 2 == 1, index / 2 % 2 == 1)
    return [
        .groupNorm(groups: groups, epsilon: 1e-5),
        .groupNormSiLU(groups: groups, epsilon: 1e-5, modulated: modulated, residual: residual),
        .groupNormSiLU(groups: groups, epsilon: 1e-5, modulated: !modulated, residual: residual),
        .rmsNorm(residual: residual),
    ]
}

private let activationCases: [OperationCase] = {
    let sizes: [(images: Int, positions: [Int], channels: Int)] = [
        (1, [1, 1], 1), (1, [], 128), (3, [], 100), (2, [16, 16], 4), (3, [5, 7], 12), (2, [8, 8], 32),
        (2, [32, 32], 32),
    ]
    let operations: [Operation] = [.silu, .gelu, .relu]
    let ordinary = sizes.flatMap { size in
        (operations + [.modulate]).map {
            OperationCase(operation: $0, images: size.images, positions: size.positions, channels: size.channels)
        }
    }
    return ordinary + operations.map { OperationCase(operation: $0, channels: 33, values: .saturated) }
}()

// MARK: Attention and hypernetwork

private let attentionCases: [OperationCase] = [(1, 8), (2, 4), (4, 32), (2, 2)].flatMap { heads, headDim in
    let operations: [Operation] = [
        .linearAttention(heads: heads, headDim: headDim), .linearAttentionBlock(heads: heads, headDim: headDim),
        .fullAttention(heads: heads, headDim: headDim),
        .fullAttention(heads: heads, headDim: headDim, headsFirst: true),
    ]
    let sizes = [(1, [1, 1]), (3, [2, 1]), (2, [4, 4]), (1, [3, 5]), (1, [17, 3]), (2, [8, 8]), (1, [16, 16])]
    let ordinary = sizes.flatMap { images, positions in
        operations.map { OperationCase(operation: $0, images: images, positions: positions) }
    }
    let wide = operations.prefix(2).map { OperationCase(operation: $0, images: 1, positions: [32, 32]) }
    let uneven = [(32, 20), (12, 32), (5, 3)].map { channels, outputs in
        OperationCase(operation: operations[1], positions: [9, 8], channels: channels, outputChannels: outputs)
    }
    let saturated = operations.map { OperationCase(operation: $0, positions: [4, 5], values: .saturated) }
    return ordinary + wide + uneven + saturated
}

private let hypernetworkCases: [OperationCase] = [
    (1, [1, 1], 12, 1, 0), (2, [8, 8], 12, 2, 1), (3, [4, 4], 32, 2, 0), (1, [16, 16], 32, 3, 1),
    (2, [5, 7], 100, 2, 1), (1, [32, 32], 100, 2, 1), (2, [2, 1], 4, 3, 2), (1, [3, 3], 5, 1, 0),
].flatMap { images, positions, latent, layers, layer -> [OperationCase] in
    [.ordinary, .saturated].map { values in
        OperationCase(
            operation: .rankOneUpdate(layer: layer), images: images, positions: positions, channels: latent,
            layers: layers, values: values)
    }
}

/// Rows that are less than a tile, whole tiles, and neither.
private let wholeHypernetworkCases: [OperationCase] = [
    (1, [1, 1], 5, 7, 1), (2, [5, 7], 5, 7, 3), (2, [8, 8], 32, 32, 2), (1, [9, 7], 32, 32, 1),
    (3, [16, 16], 16, 12, 2),
    (1, [13, 15], 128, 100, 2), (1, [32, 32], 128, 100, 2), (1, [11, 12], 20, 100, 3), (3, [2, 1], 64, 33, 2),
    (2, [], 8, 4, 2),
].map { images, positions, channels, latent, layers in
    OperationCase(
        operation: .hyperNetwork(layers: layers), images: images, positions: positions, channels: channels,
        outputChannels: latent)
}

// MARK: Moving, combining, loss

private let movementCases: [OperationCase] = {
    let sizes: [(images: Int, positions: [Int], channels: Int, others: Int)] = [
        (1, [1, 1], 1, 3), (2, [4, 4], 4, 8), (3, [5, 7], 12, 4), (2, [8, 8], 32, 100), (1, [16, 16], 3, 3),
        (1, [16, 16], 64, 32),
        (2, [2, 1], 100, 12),
    ]
    let spatial = sizes.flatMap { size -> [OperationCase] in
        let operations: [Operation] = [
            .add, .concatenateChannels, .sliceChannels(0..<size.channels),
            .sliceChannels(size.channels / 2..<size.channels),
            .sliceChannels(size.channels / 4..<(size.channels + 1) / 2),
            .upsampleNearest, .meanOverPositions,
        ]
        return operations.map {
            OperationCase(
                operation: $0, images: size.images, positions: size.positions, channels: size.channels,
                outputChannels: size.others)
        }
    }
    let flat: [OperationCase] = [.add, .concatenateChannels, .sliceChannels(5..<17)].map {
        OperationCase(operation: $0, images: 3, positions: [], channels: 33, outputChannels: 7)
    }
    let embeddings = [(1, 4), (2, 8), (3, 32), (6, 128)].map { images, dimension in
        OperationCase(operation: .sinusoidalEmbedding(dimension: dimension), images: images)
    }
    let cosines = [(1, 2), (2, 8), (3, 15), (6, 128)].map { images, dimension in
        OperationCase(operation: .sinusoidalEmbedding(dimension: dimension, cosinesFirst: true), images: images)
    }
    let labels = [(1, 1, 1), (6, 24, 4), (5, 7, 11)].map { images, channels, rows in
        OperationCase(
            operation: .embedding, images: images, positions: [], channels: channels, outputChannels: rows)
    }
    let windows = [
        ConvolutionGeometry(kernel: 3, stride: 2), ConvolutionGeometry(kernel: 3, padding: 1),
        ConvolutionGeometry(oddKernel: 5, 3), ConvolutionGeometry(kernel: 2, stride: 2),
    ]
    let pools = windows.flatMap { window -> [OperationCase] in
        [([9, 7], 37), ([4, 6], 64), ([5, 3], 1)].flatMap { positions, channels in
            [.maxPool(window), .averagePool(window)].map {
                OperationCase(operation: $0, positions: positions, channels: channels)
            }
        }
    }
    let largeMean = OperationCase(operation: .meanOverPositions, positions: [33, 31], channels: 37, values: .offset)
    return spatial + flat + embeddings + cosines + labels + pools + [largeMean] + [
        OperationCase(operation: .constant(0.375))
    ]
}()

private let lossCases: [OperationCase] =
    [(1, [1, 1], 1), (2, [2, 1], 1), (3, [5, 7], 3), (2, [32, 32], 3)].map {
        images, positions, channels in
        OperationCase(operation: .weightedSquaredError, images: images, positions: positions, channels: channels)
    }
    + [(1, [1, 1], 1), (3, [5, 7], 3), (2, [32, 32], 3)].flatMap { images, positions, channels in
        [Operation.weightedAbsoluteError, .gaussianDraw, .gaussianDivergence].map {
            OperationCase(operation: $0, images: images, positions: positions, channels: channels)
        }
    }
    + [Operation.gaussianDraw, .gaussianDivergence].map {
        OperationCase(operation: $0, images: 2, positions: [4, 4], channels: 4, values: .saturated)
    }
    + [false, true].map { OperationCase(operation: .variationalBound(held: $0), images: 4, channels: 3) }
    + [(1, 1), (2, 10), (5, 3), (32, 1000)].flatMap { images, classes in
        [OperationCase.Values.ordinary, .saturated, .offset].map { values in
            OperationCase(
                operation: .softmaxCrossEntropy, images: images, positions: [], channels: classes, values: values)
        }
    }

private let distributionCases: [OperationCase] =
    [
        (1, [1, 1], 2, EnergyScore(draws: 8)), (2, [2, 4], 1, EnergyScore(draws: 2, windows: [1], exponent: 0.5)),
        (3, [6, 9], 3, EnergyScore(draws: 3, windows: [0, 3])),
        (1, [32, 32], 3, EnergyScore(draws: 4, windows: [0, 8])),
        (2, [8, 8], 1, EnergyScore(draws: 1, windows: [0, 1, 2, 8])),
        (2, [4, 4], 2, EnergyScore(draws: 4, exponent: 1.7, repulsion: 0.9, softening: 0.1)),
    ].map { images, positions, channels, score in
        OperationCase(operation: .energyScore(score), images: images, positions: positions, channels: channels)
    }
    + [(1, [1, 1], 2, 64), (3, [1, 1], 3, 7), (2, [5, 7], 1, 8), (1, [16, 16], 3, 4)].flatMap {
        images, positions, channels, components in
        [OperationCase.Values.ordinary, .saturated].map {
            OperationCase(
                operation: .mixtureLikelihood(components: components), images: images, positions: positions,
                channels: channels, values: $0)
        }
    }
    + [(1, [1, 1], 3, 4), (3, [5, 7], 6, 2), (2, [], 33, 3)].map { images, positions, channels, count in
        OperationCase(operation: .repeatSamples(count), images: images, positions: positions, channels: channels)
    }
    + [(1, [1, 1], 1), (3, [5, 7], 6)].map { images, positions, channels in
        OperationCase(operation: .reshape, images: images, positions: positions, channels: channels)
    }

// MARK: Small

private func flags(_ index: Int) -> (Bool, Bool) { (index % 2 == 1, index / 2 % 2 == 1) }

/// Odd strides, paddings and parts of weights.
private let smallConvolutions: [OperationCase] = {
    let shapes: [(ConvolutionGeometry, positions: [Int], channels: Range<Int>, weightInputs: Int, outputs: Int)] = [
        (ConvolutionGeometry(kernel: 3, padding: 1), [4, 5], 0..<4, 4, 3),
        (ConvolutionGeometry(kernel: 3, padding: 1), [1, 1], 2..<6, 8, 4),
        (ConvolutionGeometry(kernel: 3, stride: 2, padding: 1), [5, 4], 3..<4, 4, 2),
        (ConvolutionGeometry(kernel: 3, stride: 2, paddingAfter: 1), [4, 6], 0..<2, 2, 3),
        (ConvolutionGeometry(kernel: 3), [4, 3], 0..<2, 5, 2),
        (ConvolutionGeometry(kernel: 1), [2, 3], 1..<4, 4, 5),
        (ConvolutionGeometry(kernel: 2, stride: 2), [4, 6], 0..<3, 3, 4),
        (ConvolutionGeometry(kernel: 2, stride: 2), [5, 3], 2..<4, 4, 2),
        (ConvolutionGeometry(kernel: 7, padding: 3), [3, 5], 1..<3, 3, 2),
        (ConvolutionGeometry(kernel: 7, padding: 3), [2, 1], 0..<1, 1, 3),
        (ConvolutionGeometry(oddKernel: 1, 7), [3, 4], 1..<3, 3, 2),
        (ConvolutionGeometry(oddKernel: 3, 1), [4, 2], 0..<2, 2, 3),
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

private let smallLinears: [OperationCase] = (0..<8).map { index in
    let (bias, addend) = flags(index)
    let channels = [0..<5, 2..<5, 4..<8, 0..<3][index % 4]
    return OperationCase(
        operation: .linear(weightChannels: channels, bias: bias, addend: addend), images: 3,
        positions: index < 4 ? [] : [2, 3], channels: channels.count, outputChannels: 4,
        weightInputs: channels.upperBound + index % 3, pointwise: index % 2 == 0)
}

private let smallNorms: [OperationCase] = [1, 2, 4].flatMap { groups in
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

private let smallOthers: [OperationCase] =
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
        OperationCase(operation: .weightedAbsoluteError, images: 3, channels: 3),
        OperationCase(operation: .gaussianDraw, positions: [3, 2], channels: 2),
        OperationCase(operation: .gaussianDivergence, images: 2, positions: [3, 2], channels: 2),
        OperationCase(operation: .repeatSamples(3), positions: [3, 2], channels: 2),
        OperationCase(operation: .reshape, images: 2, positions: [3, 2], channels: 2),
        OperationCase(operation: .energyScore(EnergyScore(draws: 4, windows: [0, 2])), channels: 2),
        OperationCase(operation: .energyScore(EnergyScore(draws: 2, windows: [1], exponent: 0.5)), positions: [1, 1]),
        OperationCase(
            operation: .energyScore(EnergyScore(draws: 3, exponent: 1.5, repulsion: 0.8, softening: 0.3)), images: 1),
        OperationCase(operation: .mixtureLikelihood(components: 5), positions: [2, 3], channels: 3),
        OperationCase(operation: .mixtureLikelihood(components: 1), positions: [1, 1], channels: 2),
        OperationCase(operation: .variationalBound(held: false), images: 3, channels: 3),
        OperationCase(operation: .dropout(rate: 0.3, layer: 5), images: 3, positions: [3, 2], channels: 3),
        OperationCase(operation: .dropout(rate: 0.5, layer: .max), positions: [4, 4], channels: 16),
        OperationCase(operation: .dropout(rate: 0.2, layer: 1), images: 2, positions: [5, 3], channels: 3),
        OperationCase(operation: .meanOverPositions, positions: [3, 2], channels: 3),
        OperationCase(operation: .averagePool(ConvolutionGeometry(kernel: 2, stride: 2)), channels: 3),
        OperationCase(
            operation: .averagePool(ConvolutionGeometry(kernel: 3, padding: 1)), positions: [3, 2], channels: 17),
        OperationCase(
            operation: .averagePool(ConvolutionGeometry(kernel: 3, stride: 2)), positions: [5, 4], channels: 2),
        OperationCase(operation: .embedding, images: 5, positions: [], channels: 3, outputChannels: 4),
        OperationCase(operation: .softmaxCrossEntropy, images: 3, positions: [], channels: 5),
    ]
    + [(1, 8), (2, 4), (4, 3), (2, 2)].flatMap { heads, headDim in
        [[3, 3], [2, 1], [1, 5]].flatMap { positions in
            [
                OperationCase(operation: .linearAttention(heads: heads, headDim: headDim), positions: positions),
                OperationCase(
                    operation: .linearAttentionBlock(heads: heads, headDim: headDim), positions: positions, channels: 3,
                    outputChannels: 5),
                OperationCase(operation: .fullAttention(heads: heads, headDim: headDim), positions: positions),
                OperationCase(
                    operation: .fullAttention(heads: heads, headDim: headDim, headsFirst: true), positions: positions),
            ]
        }
    }
