import CKernels
import COneDNN
import TensorGraph

/// The CPU: oneDNN for convolutions and matrix products, fused C loops for the rest; one thread; float32, but for the
/// factors of products over pixels in another ``Precision``.
///
/// Results do not depend on anything but the operands' values: the same run gives the same bits. Not thread-safe: a
/// backend and what it prepares belong to one thread at a time.
public final class CPUBackend: Backend {
    /// The format in which factors are read.
    public let precision: Precision
    /// What multiplies them with ``Precision/bf16``.
    let bfloat16Unit: BFloat16Unit
    let engine: OneDNNEngine
    let scratch = Scratch()
    /// Weights in Winograd's basis that operations of this backend read.
    var transformedWeights: [WinogradWeights.Key: WeakWeights] = [:]

    /// Parameters rounded to bfloat16 that operations of this backend read, and room for rounded activations.
    var roundedParameters: [UnsafePointer<Float>: WeakRounded] = [:]
    var roundedActivations: [CPUMemory] = []

    /// - Parameters:
    ///   - precision: ``Precision/bf16`` is fast where ``bfloat16Unit`` is not nil.
    ///   - bfloat16Unit: another than the processor's own, to test it: what the processor lacks is emulated, slowly. With
    ///     ``BFloat16Unit/tiles`` it is oneDNN that does so, where it can; where it cannot, preparing a product throws.
    /// - Throws: ``OneDNNError`` when oneDNN cannot start.
    public init(precision: Precision = .fp32, bfloat16Unit: BFloat16Unit? = nil) throws {
        self.precision = precision
        self.bfloat16Unit = bfloat16Unit ?? Self.bfloat16Unit ?? .tiles
        engine = try OneDNNEngine()
    }

    /// Room for `count` float32 elements, zeroed and aligned to 64 bytes.
    ///
    /// - Throws: ``CPUMemoryError`` when the system has not so much memory.
    public func allocate(count: Int) throws -> any Memory { try CPUMemory(count: count) }

    /// Makes `operation` ready to run on operands at fixed places, in the order listed in ``Operation``.
    ///
    /// - Throws: ``OneDNNError`` naming the primitive and its dimensions, or ``CPUMemoryError``.
    public func prepare(
        _ operation: Operation, inputs: [Operand], outputs: [Operand]
    ) throws -> PreparedOperation {
        let operands = Operands(operation, inputs: inputs, outputs: outputs)
        let product: PreparedOperation?
        switch precision {
        case .fp32: product = nil
        case .bf16: product = try nativeProduct(operation, operands, inputs.map(\.shape))
        case .bf16Emulated: product = try emulatedProduct(operation, operands, inputs, outputs)
        }
        return keeping(inputs + outputs, try product ?? dispatch(operation, operands, odnn_float32))
    }

    /// As ``prepare(_:inputs:outputs:)`` in float32, whatever is in the operands.
    func prepareFloat32(
        _ operation: Operation, inputs: [Operand], outputs: [Operand]
    ) throws -> PreparedOperation {
        let operands = Operands(operation, inputs: inputs, outputs: outputs)
        return keeping(inputs + outputs, try dispatch(operation, operands, odnn_float32))
    }

    /// Closures hold addresses only; the memories have to live as long as they do.
    private func keeping(_ operands: [Operand], _ prepared: PreparedOperation) -> PreparedOperation {
        let memories = operands.map(\.memory)
        return PreparedOperation(
            run: { try withExtendedLifetime(memories) { try prepared.run() } }, derived: prepared.derived)
    }

    /// A kernel of ours that takes its shape by address, and scratch of as many elements as `room` says.
    func kernel<Shape>(
        _ shape: Shape, scratch room: (UnsafePointer<Shape>?) -> Int, derived: DerivedParameters? = nil,
        _ run: @escaping (_ shape: UnsafePointer<Shape>, _ scratch: UnsafeMutablePointer<Float>) -> Void
    ) throws -> PreparedOperation {
        try scratch.reserve(withUnsafePointer(to: shape) { room($0) })
        return PreparedOperation(
            run: { [scratch] in withUnsafePointer(to: shape) { run($0, scratch.pointer) } }, derived: derived)
    }

    /// What the unit for bfloat16 computes; nil of all else.
    private func nativeProduct(
        _ operation: Operation, _ o: Operands, _ shapes: [[Int]]
    ) throws -> PreparedOperation? {
        switch bfloat16Unit {
        case .tiles:
            if operation.factors(shapes) == nil { return nil }
            return try winogradGradient(operation, o) ?? dispatch(asConvolution(operation), o, odnn_bfloat16)
        case .vectors:
            return shapes.first?.count == 4 ? try vectorProduct(operation, o) : nil
        }
    }

    /// What is computed from rounded factors; nil of all else.
    private func emulatedProduct(
        _ operation: Operation, _ o: Operands, _ inputs: [Operand], _ outputs: [Operand]
    ) throws -> PreparedOperation? {
        guard let factors = operation.factors(inputs.map(\.shape)) else { return nil }
        return try winogradGradient(operation, o) ?? prepareRounded(operation, o, inputs, outputs, factors)
    }

    /// The gradient of a convolution's weights that every way of bfloat16 computes alike; nil of all else.
    private func winogradGradient(_ operation: Operation, _ o: Operands) throws -> PreparedOperation? {
        guard case .convolutionParameterGradient(let geometry, let channels, let bias) = operation else { return nil }
        return try roundedParameterGradient(o, geometry, channels, bias: bias)
    }

    private func dispatch(
        _ operation: Operation, _ o: Operands, _ format: odnn_format
    ) throws -> PreparedOperation {
        if let prepared = try product(operation, o, format) ?? loss(operation, o) { return prepared }
        switch operation {
        case .groupNorm(let groups, let epsilon):
            return try groupNorm(o, groups, epsilon, silu: false, modulated: false, residual: false)
        case .groupNormSiLU(let groups, let epsilon, let modulated, let residual):
            return try groupNorm(o, groups, epsilon, silu: true, modulated: modulated, residual: residual)
        case .groupNormGradient(let groups): return try groupNormGradient(o, groups)
        case .groupNormSiLUGradient(let groups, let modulated):
            return try groupNormSiLUGradient(o, groups, modulated: modulated)
        case .rmsNorm(let residual): return rmsNorm(o, residual: residual)
        case .rmsNormGradient: return try rmsNormGradient(o)
        case .modulate: return modulate(o)
        case .modulateGradient: return try modulateGradient(o)
        case .silu, .gelu: return activation(operation, o)
        case .relu: return relu(o)
        case .siluGradient, .geluGradient: return activationGradient(operation, o)

        case .linearAttention(let heads, let headDim): return try linearAttention(o, heads, headDim)
        case .linearAttentionGradient(let heads, let headDim): return try linearAttentionGradient(o, heads, headDim)
        case .linearAttentionBlock(let heads, let headDim): return try linearAttentionBlock(o, heads, headDim)
        case .linearAttentionBlockGradient(let heads, let headDim):
            return try linearAttentionBlockGradient(o, heads, headDim)
        case .fullAttention(let heads, let headDim, let headsFirst):
            return try fullAttention(o, heads, headDim, headsFirst)
        case .fullAttentionGradient(let heads, let headDim, let headsFirst):
            return try fullAttentionGradient(o, heads, headDim, headsFirst)

        case .hyperNetwork(let layers): return try hyperNetwork(o, layers: layers)
        case .hyperNetworkGradient(let layers, let addend):
            return try hyperNetworkGradient(o, layers: layers, addend: addend)
        case .rankOneUpdate(let layer): return rankOneUpdate(o, layer)
        case .rankOneUpdateGradient(let layer): return rankOneUpdateGradient(o, layer)

        case .add: return add(o)
        case .concatenateChannels: return concatenateChannels(o)
        case .sliceChannels(let channels): return sliceChannels(o, channels)
        case .upsampleNearest: return upsampleNearest(o)
        case .upsampleNearestGradient: return upsampleNearestGradient(o)
        case .reshape: return reshape(o)
        case .repeatSamples(let count): return repeatSamples(o, count)
        case .repeatSamplesGradient(let count): return repeatSamplesGradient(o, count)
        case .meanOverPositions: return meanOverPositions(o)
        case .meanOverPositionsGradient: return meanOverPositionsGradient(o)
        case .maxPool(let window): return pool(o, window, ck_max_pool)
        case .averagePool(let window): return pool(o, window, ck_average_pool)
        case .averagePoolGradient(let window): return averagePoolGradient(o, window)
        case .dropout(let rate, let layer), .dropoutGradient(let rate, let layer): return dropout(o, rate, layer)
        case .embedding: return embedding(o)
        case .embeddingGradient: return embeddingGradient(o)
        case .sinusoidalEmbedding(let dimension, let cosinesFirst):
            return sinusoidalEmbedding(o, dimension, cosinesFirst)
        case .constant(let value): return constant(o, value)
        default: preconditionFailure("\(operation) cannot be computed here")
        }
    }

    /// - Parameter format: that of the factors of convolutions.
    private func product(_ operation: Operation, _ o: Operands, _ format: odnn_format) throws -> PreparedOperation? {
        switch operation {
        case .convolution(let geometry, let channels, let bias, let addend):
            return try convolution(o, geometry, channels, format, bias: bias, addend: addend)
        case .convolutionInputGradient(let geometry, let channels, let addend):
            return try convolutionInputGradient(o, geometry, channels, format, addend: addend)
        case .convolutionParameterGradient(let geometry, let channels, let bias):
            return try convolutionParameterGradient(o, geometry, channels, format, bias: bias)
        case .linear(let channels, let bias, let addend): return try linear(o, channels, bias: bias, addend: addend)
        case .linearInputGradient(let channels, let addend): return try linearInputGradient(o, channels, addend: addend)
        case .linearParameterGradient(let channels, let bias):
            return try linearParameterGradient(o, channels, bias: bias)
        default: return nil
        }
    }

    private func loss(_ operation: Operation, _ o: Operands) -> PreparedOperation? {
        switch operation {
        case .weightedSquaredError: return weightedSquaredError(o)
        case .weightedSquaredErrorGradient: return weightedSquaredErrorGradient(o)
        case .weightedAbsoluteError: return weightedAbsoluteError(o)
        case .weightedAbsoluteErrorGradient: return weightedAbsoluteErrorGradient(o)
        case .gaussianDraw: return gaussianDraw(o)
        case .gaussianDrawGradient: return gaussianDrawGradient(o)
        case .gaussianDivergence: return gaussianDivergence(o)
        case .gaussianDivergenceGradient: return gaussianDivergenceGradient(o)
        case .energyScore(let score): return energyScore(o, score)
        case .energyScoreGradient(let score): return energyScoreGradient(o, score)
        case .mixtureLikelihood(let components): return mixtureLikelihood(o, components)
        case .mixtureLikelihoodGradient(let components): return mixtureLikelihoodGradient(o, components)
        case .variationalBound: return variationalBound(o)
        case .variationalBoundGradient(let held): return variationalBoundGradient(o, held)
        case .softmaxCrossEntropy: return softmaxCrossEntropy(o)
        case .softmaxCrossEntropyGradient: return softmaxCrossEntropyGradient(o)
        default: return nil
        }
    }
}

/// The operands of one operation, with their addresses and with checks that print what is wrong.
struct Operands {
    private let operation: Operation
    private let inputs: [Operand]
    private let outputs: [Operand]

    init(_ operation: Operation, inputs: [Operand], outputs: [Operand]) {
        self.operation = operation
        self.inputs = inputs
        self.outputs = outputs
    }

    func shape(input index: Int) -> [Int] { operand(inputs, index, "input").shape }
    func shape(output index: Int) -> [Int] { operand(outputs, index, "output").shape }

    func count(input index: Int) -> Int { operand(inputs, index, "input").count }
    func count(output index: Int) -> Int { operand(outputs, index, "output").count }

    func input(_ index: Int) -> UnsafePointer<Float> { UnsafePointer(address(operand(inputs, index, "input"))) }
    func output(_ index: Int) -> UnsafeMutablePointer<Float> { address(operand(outputs, index, "output")) }

    /// Stops with the operation and `shapes` unless `condition`.
    func require(_ condition: Bool, _ what: @autoclosure () -> String) {
        precondition(
            condition,
            "\(operation): \(what()); inputs \(inputs.map(\.shape)), outputs \(outputs.map(\.shape))")
    }

    private func operand(_ list: [Operand], _ index: Int, _ kind: String) -> Operand {
        require(index < list.count, "\(kind) \(index) is missing")
        return list[index]
    }

    private func address(_ operand: Operand) -> UnsafeMutablePointer<Float> {
        guard let memory = operand.memory as? CPUMemory else {
            preconditionFailure("\(operation): an operand lies in the memory of another backend")
        }
        return memory.pointer(operand.offset..<operand.offset + operand.count)
    }
}

/// Axes of activations `[N,H,W,C]` or `[N,C]`.
struct Axes: Equatable {
    let images: Int
    let height: Int
    let width: Int
    let channels: Int

    init(_ shape: [Int]) {
        precondition(shape.count == 4 || shape.count == 2, "activations are [N,H,W,C] or [N,C], not \(shape)")
        images = shape[0]
        height = shape.count == 4 ? shape[1] : 1
        width = shape.count == 4 ? shape[2] : 1
        channels = shape[shape.count - 1]
    }

    var pixels: Int { height * width }
}
