import ReferenceBackend
import TensorGraph
import TestSupport

/// The operands of a case: inputs with their values, outputs with their shapes.
struct CaseOperands {
    struct Output {
        let shape: [Int]
        /// Added to (a parameter gradient) rather than assigned.
        var accumulates = false
        /// The last axis consists of so many unlike parts, whose errors are measured apart.
        var parts = 1
    }

    /// Largest allowed error of a float32 backend, relative to the largest element of an output (or of a part of it).
    ///
    /// A few units of float32 rounding, 6e-8, times what the operation adds up; not to be widened so that a test passes.
    let tolerance: Double
    /// That of the operations of the derivative.
    let gradientTolerance: Double
    let inputs: [ReferenceTensor]
    let outputs: [Output]
    /// Unlike parts of the last axis of inputs.
    let inputParts: [Int: Int]

    init(
        _ tolerance: Double, gradient: Double? = nil, _ inputs: [ReferenceTensor], _ outputs: [Output],
        inputParts: [Int: Int] = [:]
    ) {
        self.tolerance = tolerance
        gradientTolerance = gradient ?? tolerance
        self.inputs = inputs
        self.outputs = outputs
        self.inputParts = inputParts
    }

    /// The traits of an operation on these operands.
    func traits(of operation: Operation) -> OperationTraits {
        operation.traits(inputs.map(\.shape), outputs.map(\.shape))
    }
}

extension OperationCase {
    /// Operands as ``Operation`` describes them, the same for the same case.
    func operands() -> CaseOperands { derivative == nil ? forwardOperands() : derivativeOperands() }

    private func forwardOperands() -> CaseOperands {
        var random = SplitMix64(seed: 1)
        typealias Output = CaseOperands.Output
        let x = activation(channels)
        switch operation {
        case .convolution(let geometry, _, let bias, let addend):
            let size = geometry.outputSize(positions[0], positions[1])
            let y = activation(outputChannels, positions: [size.height, size.width])
            let optional = (bias ? [vector(outputChannels, &random)] : []) + (addend ? [random.normals(y)] : [])
            return CaseOperands(2e-6, [fill(x, &random), kernel(geometry, &random)] + optional, [Output(shape: y)])
        case .linear(_, let bias, let addend):
            let y = activation(outputChannels)
            let optional = (bias ? [vector(outputChannels, &random)] : []) + (addend ? [random.normals(y)] : [])
            return CaseOperands(1e-6, [fill(x, &random), matrix(&random)] + optional, [Output(shape: y)])

        case .groupNorm(let groups, _):
            // At a mean of 1000 an element carries its own rounding of 6e-5, against results of about 2 before gains.
            return CaseOperands(
                values == .offset ? 2e-6 : 1e-6, gradient: 2e-6,
                [fill(x, &random), gain(&random), vector(channels, &random)],
                [Output(shape: x), Output(shape: [images, groups, 2], parts: 2)])
        case .modulate:
            return CaseOperands(
                5e-7, [fill(x, &random), scaleShift(&random)], [Output(shape: x)], inputParts: [1: 2])
        case .relu:
            return CaseOperands(0, [fill(x, &random)], [Output(shape: x)])
        case .silu, .gelu:
            return CaseOperands(1e-6, [fill(x, &random)], [Output(shape: x)])
        case .groupNormSiLU(let groups, _, let modulated, let residual):
            return CaseOperands(
                values == .offset ? 2e-6 : 1e-6, gradient: 2e-6,
                [fill(x, &random), gain(&random), vector(channels, &random)]
                    + (modulated ? [scaleShift(&random)] : []) + (residual ? [random.normals(x)] : []),
                [Output(shape: x), Output(shape: [images, groups, 2], parts: 2)],
                inputParts: modulated ? [3: 2] : [:])
        case .rmsNorm(let residual):
            return CaseOperands(
                1e-6,
                [fill(x, &random), gain(&random).reshaped([1, channels, 1, 1])]
                    + (residual ? [random.normals(x)] : []), [Output(shape: x)])

        case .linearAttention(let heads, let headDim):
            let qkv = queriesKeysValues(deviation: 40, heads, headDim, &random)
            return CaseOperands(
                3e-6, [qkv],
                [
                    Output(shape: activation(heads * headDim)), Output(shape: qkv.shape, parts: 3),
                    Output(shape: [images, heads, headDim, headDim]),
                ], inputParts: [0: 3])
        case .linearAttentionBlock(let heads, let headDim):
            let inner = heads * headDim
            let softened = [images, heads, positions.reduce(1, *), headDim]
            // A logit of 80 is a sum that is rounded by 8e-6 or more, and its exponential is off by as much.
            return CaseOperands(
                values == .saturated ? 3e-5 : 3e-6,
                [random.normals(x)] + blockWeights(inner, &random) + [vector(outputChannels, &random)],
                [activation(outputChannels), softened, softened, [images, inner, channels]].map { Output(shape: $0) })
        case .fullAttention(let heads, let headDim, let headsFirst):
            let qkv = queriesKeysValues(deviation: 5, heads, headDim, &random)
            // A logit of 80 is rounded by 4e-6, and its exponential is off by as much.
            return CaseOperands(
                values == .saturated ? 1e-5 : 3e-6, [qkv],
                [
                    Output(shape: activation(heads * headDim)), Output(shape: [images, heads, positions.reduce(1, *)]),
                ], inputParts: headsFirst ? [:] : [0: 3])

        case .rankOneUpdate:
            return CaseOperands(1e-6, [fill(x, &random), random.normals(x), scales(&random)], [Output(shape: x)])

        case .hyperNetwork(let layers):
            return CaseOperands(
                3e-6,
                [fill(x, &random), random.normals(activation(outputChannels))]
                    + hyperNetworkParameters(layers, &random), [Output(shape: x)])

        case .add:
            return CaseOperands(1e-7, [random.normals(x), random.normals(x)], [Output(shape: x)])
        case .concatenateChannels:
            return CaseOperands(
                0, [random.normals(x), random.normals(activation(outputChannels))],
                [Output(shape: activation(channels + outputChannels))])
        case .sliceChannels(let range):
            return CaseOperands(0, [random.normals(x)], [Output(shape: activation(range.count))])
        case .upsampleNearest:
            return CaseOperands(
                0, gradient: 3e-7, [random.normals(x)],
                [Output(shape: activation(channels, positions: positions.map { 2 * $0 }))])
        case .maxPool(let window), .averagePool(let window):
            let size = window.outputSize(positions[0], positions[1])
            return CaseOperands(
                operation.name == "maxPool" ? 0 : 3e-7, [random.normals(x)],
                [Output(shape: activation(channels, positions: [size.height, size.width]))])
        case .reshape:
            return CaseOperands(
                0, gradient: 0, [random.normals(x)], [Output(shape: [images, x.dropFirst().reduce(1, *)])])
        case .repeatSamples(let count):
            return CaseOperands(
                0, gradient: 3e-7, [random.normals(x)], [Output(shape: [images * count] + x.dropFirst())])
        case .dropout:
            let keys = (0..<4 * images).map { Double(UInt32(($0 * 7_654_321) % (1 << 24))) * 0x1p-24 }
            return CaseOperands(
                1e-7, [random.normals(x), ReferenceTensor([images, 4], keys)], [Output(shape: x)])
        case .embedding:
            let labels = (0..<images).map { Double((3 * $0 + 1) % outputChannels) }
            return CaseOperands(
                0, gradient: 3e-7, [ReferenceTensor([images], labels), random.normals([outputChannels, channels])],
                [Output(shape: [images, channels])])
        case .sinusoidalEmbedding(let dimension, _):
            let timesteps = [999, 0, 1, 500, 37, 998].map(Double.init).prefix(images)
            return CaseOperands(
                5e-7, [ReferenceTensor([images], Array(timesteps))], [Output(shape: [images, dimension])])

        case .weightedSquaredError:
            return CaseOperands(
                1e-6, gradient: 5e-7,
                [random.normals(x), random.normals(x), random.normals([images], mean: 2, deviation: 0.5)],
                [Output(shape: [images])])
        case .weightedAbsoluteError:
            return CaseOperands(
                1e-6, gradient: 5e-7,
                [random.normals(x), random.normals(x), random.normals([images], mean: 2, deviation: 0.5)],
                [Output(shape: [images])])
        case .gaussianDraw:
            // Some logarithms of variances outside of what counts, some deviations large.
            let deviation = values == .saturated ? 20.0 : 1
            return CaseOperands(
                1e-6, [random.normals(activation(2 * channels), deviation: deviation), random.normals(x)],
                [Output(shape: x)])
        case .gaussianDivergence:
            return CaseOperands(
                1e-6,
                [
                    random.normals(activation(2 * channels), deviation: values == .saturated ? 20 : 1),
                    random.normals([images], mean: 2, deviation: 0.5),
                ], [Output(shape: [images])])
        case .energyScore(let score):
            let draws = [images * score.draws] + x.dropFirst()
            let weights = (0..<2).map { _ in random.normals([images], mean: 2, deviation: 0.5) }
            return CaseOperands(
                1e-6, [random.normals(draws), random.normals(x)] + weights, [Output(shape: [images])])
        case .mixtureLikelihood(let components):
            let prediction = activation(components * (channels + 1) + 1)
            return CaseOperands(
                2e-6, gradient: 5e-6,
                [
                    random.normals(prediction, deviation: values == .saturated ? 20 : 1), random.normals(x),
                    random.normals([images], mean: 2, deviation: 0.5),
                ], [Output(shape: [images])])
        case .variationalBound:
            // k, ln of the true step's variance, the width of the range, and whether it is the last step.
            let terms = (0..<images).flatMap { [0.1 + 0.02 * Double($0), -4.0, 0.7, Double($0 % 2)] }
            let x0 = random.normals(x).map { max(-1, min(1, $0)) }
            return CaseOperands(
                1e-6,
                [
                    random.normals(activation(2 * channels)), random.normals(x), x0,
                    ReferenceTensor([images, 4], terms),
                    random.normals([images], mean: 2, deviation: 0.5),
                    random.normals([images], mean: 2, deviation: 0.5),
                ], [Output(shape: [images])])
        case .meanOverPositions:
            return CaseOperands(1e-6, gradient: 3e-7, [fill(x, &random)], [Output(shape: [images, channels])])
        case .softmaxCrossEntropy:
            let labels = (0..<images).map { Double((3 * $0 + 1) % channels) }
            return CaseOperands(
                5e-7,
                [
                    fill(x, &random), ReferenceTensor([images], labels),
                    random.normals([images], mean: 2, deviation: 0.5),
                ],
                [Output(shape: [images])])
        case .constant:
            return CaseOperands(0, [], [Output(shape: x)])
        default:
            preconditionFailure("\(operation) occurs only in a derivative")
        }
    }

    /// What the rule makes of the forward operation's operands, of its results rounded to float32, and of a random gradient.
    private func derivativeOperands() -> CaseOperands {
        guard let forward, let derivative else { preconditionFailure("\(operation) has operands of its own") }
        let operands = forward.operands()
        let rule = operands.traits(of: forward.operation).gradient[derivative.rule]
        var random = SplitMix64(seed: 4)
        let reads = rule.sources.contains { if case .output = $0 { true } else { false } }
        let shapes = operands.outputs.map(\.shape)
        let results =
            reads
            ? evaluate(forward.operation, operands.inputs, outputShapes: shapes).map { $0.map { Double(Float($0)) } }
            : []
        var inputs = rule.sources.map { source in
            switch source {
            case .dy: random.normals(shapes[0])
            case .input(let index): operands.inputs[index]
            case .output(let index): results[index]
            }
        }
        if derivative.hasAddend, let addend = rule.addend {
            inputs.append(random.normals(operands.inputs[addend].shape))
        }
        let gradients = rule.results.map { operands.inputs[$0].shape }
        let accumulated = operation.traits(inputs.map(\.shape), gradients).accumulated
        return CaseOperands(
            operands.gradientTolerance, inputs,
            rule.results.enumerated().map { index, input in
                CaseOperands.Output(
                    shape: gradients[index], accumulates: accumulated.contains(index),
                    parts: operands.inputParts[input] ?? 1)
            })
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
}
