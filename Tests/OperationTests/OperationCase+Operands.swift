import ReferenceBackend
import TensorGraph
import TestSupport

extension OperationCase {
    /// Operands as ``Operation`` describes them, the same for the same case.
    func operands() -> CaseOperands {
        var random = SplitMix64(seed: 1)
        let x = activation(channels)
        switch operation {
        case .convolution(let geometry, _, let bias, let addend):
            let y = activation(outputChannels, positions: positions.map(geometry.outputSize))
            let optional = (bias ? [vector(outputChannels, &random)] : []) + (addend ? [random.normals(y)] : [])
            return CaseOperands(
                inputs: [fill(x, &random), kernel(geometry, &random)] + optional, outputs: [.assigned(y)])
        case .convolutionInputGradient(let geometry, _, let addend):
            let dy = random.normals(activation(outputChannels, positions: positions.map(geometry.outputSize)))
            return CaseOperands(
                inputs: [dy, kernel(geometry, &random)] + (addend ? [random.normals(x)] : []), outputs: [.assigned(x)])
        case .convolutionParameterGradient(let geometry, _, let bias):
            let dy = random.normals(activation(outputChannels, positions: positions.map(geometry.outputSize)))
            return CaseOperands(
                inputs: [fill(x, &random), dy],
                outputs: [.accumulated(kernel(geometry, &random).shape)]
                    + (bias ? [.accumulated([outputChannels])] : []))
        case .linear(_, let bias, let addend):
            let y = activation(outputChannels)
            let optional = (bias ? [vector(outputChannels, &random)] : []) + (addend ? [random.normals(y)] : [])
            return CaseOperands(inputs: [fill(x, &random), matrix(&random)] + optional, outputs: [.assigned(y)])
        case .linearInputGradient(_, let addend):
            return CaseOperands(
                inputs: [random.normals(activation(outputChannels)), matrix(&random)]
                    + (addend ? [random.normals(x)] : []),
                outputs: [.assigned(x)])
        case .linearParameterGradient(_, let bias):
            return CaseOperands(
                inputs: [fill(x, &random), random.normals(activation(outputChannels))],
                outputs: [.accumulated(matrix(&random).shape)] + (bias ? [.accumulated([outputChannels])] : []))

        case .groupNorm(let groups, _):
            return CaseOperands(
                inputs: [fill(x, &random), gain(&random), vector(channels, &random)],
                outputs: [.assigned(x), .assigned([images, groups, 2], parts: 2)])
        case .groupNormGradient(let groups):
            let input = fill(x, &random)
            return CaseOperands(
                inputs: [random.normals(x), input, gain(&random), statistics(of: input, groups: groups)],
                outputs: [.assigned(x), .accumulated([channels]), .accumulated([channels])])
        case .modulate:
            return CaseOperands(inputs: [fill(x, &random), scaleShift(&random)], outputs: [.assigned(x)])
        case .modulateGradient:
            return CaseOperands(
                inputs: [random.normals(x), fill(x, &random), scaleShift(&random)],
                outputs: [.assigned(x), .assigned([images, 2 * channels], parts: 2)])
        case .silu, .gelu:
            return CaseOperands(inputs: [fill(x, &random)], outputs: [.assigned(x)])
        case .siluGradient, .geluGradient:
            return CaseOperands(inputs: [random.normals(x), fill(x, &random)], outputs: [.assigned(x)])
        case .groupNormSiLU(let groups, _, let modulated, let residual):
            return CaseOperands(
                inputs: [fill(x, &random), gain(&random), vector(channels, &random)]
                    + (modulated ? [scaleShift(&random)] : []) + (residual ? [random.normals(x)] : []),
                outputs: [.assigned(x), .assigned([images, groups, 2], parts: 2)])
        case .groupNormSiLUGradient(let groups, let modulated):
            let input = fill(x, &random)
            return CaseOperands(
                inputs: [random.normals(x), input, gain(&random), vector(channels, &random)]
                    + (modulated ? [scaleShift(&random)] : []) + [statistics(of: input, groups: groups)],
                outputs: [.assigned(x), .accumulated([channels]), .accumulated([channels])]
                    + (modulated ? [.assigned([images, 2 * channels], parts: 2)] : []))
        case .rmsNorm(let residual):
            return CaseOperands(
                inputs: [fill(x, &random), gain(&random).reshaped([1, channels, 1, 1])]
                    + (residual ? [random.normals(x)] : []),
                outputs: [.assigned(x)])
        case .rmsNormGradient:
            let g = gain(&random).reshaped([1, channels, 1, 1])
            return CaseOperands(
                inputs: [random.normals(x), fill(x, &random), g], outputs: [.assigned(x), .accumulated(g.shape)])

        case .linearAttention(let heads, let headDim):
            let qkv = queriesKeysValues(deviation: 40, heads, headDim, &random)
            return CaseOperands(
                inputs: [qkv],
                outputs: [
                    .assigned(activation(heads * headDim)), .assigned(qkv.shape, parts: 3),
                    .assigned([images, heads, headDim, headDim]),
                ])
        case .linearAttentionGradient(let heads, let headDim):
            let forward = OperationCase(
                operation: .linearAttention(heads: heads, headDim: headDim), images: images, positions: positions,
                values: values)
            let saved = forward.results()
            return CaseOperands(
                inputs: [random.normals(saved[0].shape)] + saved[1...],
                outputs: [.assigned(saved[1].shape, parts: 3)])
        case .linearAttentionBlock(let heads, let headDim):
            let inner = heads * headDim
            let softened = [images, heads, positions.reduce(1, *), headDim]
            return CaseOperands(
                inputs: [random.normals(x)] + blockWeights(inner, &random) + [vector(outputChannels, &random)],
                outputs: [
                    .assigned(activation(outputChannels)), .assigned(softened), .assigned(softened),
                    .assigned([images, inner, channels]),
                ])
        case .linearAttentionBlockGradient(let heads, let headDim):
            let forward = OperationCase(
                operation: .linearAttentionBlock(heads: heads, headDim: headDim), images: images, positions: positions,
                channels: channels, outputChannels: outputChannels, values: values)
            let inputs = forward.operands().inputs
            let saved = forward.results()
            return CaseOperands(
                inputs: [random.normals(saved[0].shape)] + inputs[0...2] + saved[1...],
                outputs: [.assigned(x)] + inputs[1...3].map { .accumulated($0.shape) })
        case .fullAttention(let heads, let headDim):
            let qkv = queriesKeysValues(deviation: 5, heads, headDim, &random)
            return CaseOperands(
                inputs: [qkv],
                outputs: [
                    .assigned(activation(heads * headDim)),
                    .assigned([images, heads, positions.reduce(1, *)]),
                ])
        case .fullAttentionGradient(let heads, let headDim):
            let forward = OperationCase(
                operation: .fullAttention(heads: heads, headDim: headDim), images: images, positions: positions,
                values: values)
            let saved = forward.results()
            return CaseOperands(
                inputs: [random.normals(saved[0].shape), forward.operands().inputs[0]] + saved,
                outputs: [.assigned(activation(3 * heads * headDim), parts: 3)])

        case .rankOneUpdate:
            return CaseOperands(
                inputs: [fill(x, &random), random.normals(x), scales(&random)], outputs: [.assigned(x)])
        case .rankOneUpdateGradient:
            return CaseOperands(
                inputs: [random.normals(x), fill(x, &random), random.normals(x), scales(&random)],
                outputs: [.assigned(x), .assigned(x), .accumulated([layers])])

        case .hyperNetwork(let layers):
            return CaseOperands(
                inputs: [fill(x, &random), random.normals(activation(outputChannels))]
                    + hyperNetworkParameters(layers, &random),
                outputs: [.assigned(x)])
        case .hyperNetworkGradient(let layers, let addend):
            let z = activation(outputChannels)
            let (dy, input, latent) = (random.normals(x), fill(x, &random), random.normals(z))
            let parameters = hyperNetworkParameters(layers, &random)
            return CaseOperands(
                inputs: [dy, input, latent] + parameters + (addend ? [random.normals(z)] : []),
                outputs: [.assigned(x), .assigned(z)] + parameters.map { .accumulated($0.shape) })

        case .add:
            return CaseOperands(inputs: [random.normals(x), random.normals(x)], outputs: [.assigned(x)])
        case .concatenateChannels:
            return CaseOperands(
                inputs: [random.normals(x), random.normals(activation(outputChannels))],
                outputs: [.assigned(activation(channels + outputChannels))])
        case .sliceChannels(let range):
            return CaseOperands(inputs: [random.normals(x)], outputs: [.assigned(activation(range.count))])
        case .upsampleNearest:
            return CaseOperands(
                inputs: [random.normals(x)],
                outputs: [.assigned(activation(channels, positions: positions.map { 2 * $0 }))])
        case .upsampleNearestGradient:
            let dy = random.normals(activation(channels, positions: positions.map { 2 * $0 }))
            return CaseOperands(inputs: [dy], outputs: [.assigned(x)])
        case .sinusoidalEmbedding(let dimension):
            let timesteps = [999, 0, 1, 500, 37, 998].map(Double.init).prefix(images)
            return CaseOperands(
                inputs: [ReferenceTensor([images], Array(timesteps))], outputs: [.assigned([images, dimension])])

        case .weightedSquaredError:
            return CaseOperands(
                inputs: [random.normals(x), random.normals(x), random.normals([images], mean: 2, deviation: 0.5)],
                outputs: [.assigned([images])])
        case .constant:
            return CaseOperands(inputs: [], outputs: [.assigned(x)])
        case .weightedSquaredErrorGradient:
            return CaseOperands(
                inputs: [
                    random.normals([images]), random.normals(x), random.normals(x),
                    random.normals([images], mean: 2, deviation: 0.5),
                ],
                outputs: [.assigned(x)])
        }
    }

    /// The reference's results, rounded to float32: what a backward pass is given of a forward pass.
    private func results() -> [ReferenceTensor] {
        let operands = operands()
        return evaluate(operation, operands.inputs, outputShapes: operands.outputs.map(\.shape))
            .map { $0.map { Double(Float($0)) } }
    }
}

// MARK: Fillings

extension OperationCase {
    /// The activation that `values` speaks of; of a mean that is not zero, so that means are relatively accurate.
    private func fill(_ shape: [Int], _ random: inout SplitMix64) -> ReferenceTensor {
        switch values {
        case .ordinary:
            return random.normals(shape, mean: 0.5, deviation: 1.5)
        case .offset:
            return random.normals(shape, mean: 1000)
        case .saturated:
            return random.normals(shape, deviation: 80)
        case .zeroPositions:
            var x = random.normals(shape)
            for row in stride(from: 0, to: x.rows, by: 3) {
                for c in 0..<x.columns { x[row, c] = 0 }
            }
            return x
        }
    }

    /// A weight `[O,I,kh,kw]` that keeps sums near 1.
    private func kernel(_ geometry: ConvolutionGeometry, _ random: inout SplitMix64) -> ReferenceTensor {
        let taps = geometry.kernelHeight * geometry.kernelWidth
        return random.normals(
            [outputChannels, weightInputs, geometry.kernelHeight, geometry.kernelWidth],
            deviation: 1 / Double(taps * channels).squareRoot())
    }

    /// A weight `[O,I]` or `[O,I,1,1]` that keeps sums near 1.
    private func matrix(_ random: inout SplitMix64) -> ReferenceTensor {
        random.normals(
            [outputChannels, weightInputs] + (pointwise ? [1, 1] : []),
            deviation: 1 / Double(channels).squareRoot())
    }

    /// The weights `[3·inner,C,1,1]` and `[O,inner,1,1]` around attention. Logits are of about 1, or ±80 when saturated.
    private func blockWeights(_ inner: Int, _ random: inout SplitMix64) -> [ReferenceTensor] {
        var wIn = random.normals([3 * inner, channels, 1, 1], deviation: 1 / Double(channels).squareRoot())
        if values == .saturated {
            for index in 0..<2 * inner * channels { wIn.values[index] = Double(Float(wIn.values[index] * 40)) }
        }
        return [wIn, random.normals([outputChannels, inner, 1, 1], deviation: 1 / Double(inner).squareRoot())]
    }

    private func vector(_ count: Int, _ random: inout SplitMix64) -> ReferenceTensor {
        random.normals([count], deviation: 0.5)
    }

    /// Gains of a norm; 40 times as large when saturated, as what follows the norm is to be saturated too.
    private func gain(_ random: inout SplitMix64) -> ReferenceTensor {
        random.normals([channels], mean: 1, deviation: values == .saturated ? 40 : 0.3)
    }

    private func scaleShift(_ random: inout SplitMix64) -> ReferenceTensor {
        random.normals([images, 2 * channels], deviation: 0.5)
    }

    /// Scales of hypernetwork layers: −80, 80, −80, … when saturated.
    private func scales(_ random: inout SplitMix64) -> ReferenceTensor {
        guard values == .saturated else { return random.normals([layers]) }
        return ReferenceTensor([layers], (0..<layers).map { $0 % 2 == 0 ? -80 : 80 })
    }

    /// wIn, bIn, wOut, bOut, scales, and w and b of each layer, so that p and r stay near 1 where scales are near 0.
    private func hyperNetworkParameters(_ layers: Int, _ random: inout SplitMix64) -> [ReferenceTensor] {
        let latent = outputChannels
        func weight(_ outputs: Int, _ inputs: Int) -> ReferenceTensor {
            random.normals([outputs, inputs], deviation: 1 / Double(inputs).squareRoot())
        }
        let ends = [weight(latent, channels), vector(latent, &random), weight(channels, latent)]
        // |p|² is near 1, as a layer adds p (p·r).
        let around = ends + [vector(channels, &random), random.normals([layers])]
        return around
            + (0..<layers).flatMap { _ -> [ReferenceTensor] in
                let scale = 1 / Double(latent).squareRoot()
                return [weight(latent, latent), vector(latent, &random)].map { $0.map { Double(Float($0 * scale)) } }
            }
    }

    /// q and k have the given deviation when saturated, and 1 otherwise, as v always.
    private func queriesKeysValues(
        deviation: Double, _ heads: Int, _ headDim: Int, _ random: inout SplitMix64
    ) -> ReferenceTensor {
        var qkv = random.normals(activation(3 * heads * headDim))
        guard values == .saturated else { return qkv }
        for row in 0..<qkv.rows {
            for c in 0..<2 * heads * headDim { qkv[row, c] *= deviation }
        }
        return qkv.map { Double(Float($0)) }
    }

    /// Mean and 1/√(variance + 1e-5) of each group of `x`, in float32.
    private func statistics(of x: ReferenceTensor, groups: Int) -> ReferenceTensor {
        let ones = ReferenceTensor([channels], repeating: 1)
        let shapes = [x.shape, [images, groups, 2]]
        return evaluate(.groupNorm(groups: groups, epsilon: 1e-5), [x, ones, ones], outputShapes: shapes)[1]
            .map { Double(Float($0)) }
    }
}
