import CKernels
import TensorGraph

// Winograd's convolution (CPUBackend+Winograd.swift) with factors rounded to bfloat16 in the other basis. On vectors its
// products then take half the time, while the changes of basis are those of float32; the gradient of the weights is this
// one with tiles and emulated too. Axis letters are the same.

extension WinogradSizes {
    /// Whether rows are whole vectors of pairs.
    fileprivate var takesBFloat16: Bool { inputs % 32 == 0 && outputs % 32 == 0 }
    /// Pairs from one of the 16 matrices to the next: of an input, of an output, both up to whole tiles of a processor
    /// that has them; of weights.
    fileprivate var inputPairs: Int { (chunk + 31) / 32 * 16 * inputs + 16 }
    fileprivate var outputPairs: Int { (chunk + 31) / 32 * 16 * outputs + 16 }
    fileprivate var weightPairs: Int { inputs * outputs / 2 + 16 }
}

extension CPUBackend {
    /// What vectors of bfloat16 compute faster than those of float32: 3×3 and 1×1 convolutions and linear layers, in all
    /// directions; nil of all others.
    func vectorProduct(_ operation: Operation, _ o: Operands) throws -> PreparedOperation? {
        switch operation {
        case .convolution(let geometry, let channels, let bias, let addend):
            if geometry.isPointwise { return try roundedLinear(o, channels, bias: bias, addend: addend) }
            let (x, y, w) = (o.shape(input: 0), o.shape(output: 0), o.shape(input: 1))
            guard let sizes = winogradSizes(o, geometry, channels, x, y, w) else { return nil }
            return try roundedWinograd(
                o, sizes, rotated: false, bias: bias ? o.input(2) : nil, addend: addend ? o.input(bias ? 3 : 2) : nil)
        case .convolutionInputGradient(let geometry, let channels, let addend):
            if geometry.isPointwise { return try roundedLinearInputGradient(o, channels, addend: addend) }
            let (x, y, w) = (o.shape(output: 0), o.shape(input: 0), o.shape(input: 1))
            guard let sizes = winogradSizes(o, geometry, channels, x, y, w) else { return nil }
            return try roundedWinograd(o, sizes, rotated: true, bias: nil, addend: addend ? o.input(2) : nil)
        case .convolutionParameterGradient(let geometry, let channels, let bias):
            if geometry.isPointwise { return try roundedLinearParameterGradient(o, channels, bias: bias) }
            return try roundedParameterGradient(o, geometry, channels, bias: bias)
        case .linear(let channels, let bias, let addend):
            return try roundedLinear(o, channels, bias: bias, addend: addend)
        case .linearInputGradient(let channels, let addend):
            return try roundedLinearInputGradient(o, channels, addend: addend)
        case .linearParameterGradient(let channels, let bias):
            return try roundedLinearParameterGradient(o, channels, bias: bias)
        default:
            return nil
        }
    }

    private func winogradSizes(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ channels: Range<Int>, _ x: [Int], _ y: [Int], _ w: [Int]
    ) -> WinogradSizes? {
        let sizes = WinogradSizes(geometry, convolutionShape(o, geometry, channels, x: x, y: y, w: w))
        return sizes.flatMap { $0.takesBFloat16 ? $0 : nil }
    }

    /// The convolution of the first input; if `rotated`, with windows rotated by 180°, outputs to inputs: dx of dy.
    private func roundedWinograd(
        _ o: Operands, _ sizes: WinogradSizes, rotated: Bool, bias: UnsafePointer<Float>?,
        addend: UnsafePointer<Float>?
    ) throws -> PreparedOperation {
        let (from, to) = rotated ? (sizes.outputShape, sizes.inputShape) : (sizes.inputShape, sizes.outputShape)
        let (vStride, mStride) =
            rotated ? (sizes.outputPairs, sizes.inputStride) : (sizes.inputPairs, sizes.outputStride)
        let weights = try RoundedWinogradWeights(sizes, rotated: rotated, of: o.input(1))
        let (x, y) = (o.input(0), o.output(0))
        // Whole pages between them, as in float32.
        let vCount = (16 * vStride + 1023) / 1024 * 1024
        try scratch.reserve(vCount + 16 * mStride + sizes.borderCount)
        return PreparedOperation(
            run: { [scratch] in
                let (v, m) = (scratch.pointer, scratch.pointer + vCount)
                let (zeros, pairs) = (m + 16 * mStride, v.pairs)
                sizes.forEachChunk { first, count in
                    withUnsafePointer(to: from) {
                        ck_winograd_bfloat16_input(
                            $0, Int64(first), Int64(count), 0, x, pairs, Int64(vStride), zeros)
                    }
                    for k in 0..<16 {
                        withUnsafePointer(to: to) { ck_winograd_prefetch($0, Int64(first), Int64(count), Int64(k), y) }
                        ck_winograd_bfloat16_product(
                            Int64(count), to.channels, from.channels, pairs + k * vStride, weights.matrix(k),
                            m + k * mStride)
                    }
                    withUnsafePointer(to: to) {
                        ck_winograd_output($0, Int64(first), Int64(count), m, Int64(mStride), bias, addend, y)
                    }
                }
            }, derived: weights.derived)
    }

    /// The gradient of the weights of a 3×3 convolution, whatever multiplies bfloat16, or where it is emulated: dw_k =
    /// v_kᵀ m_k over all tiles, then back to windows. Nil of other convolutions.
    func roundedParameterGradient(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ channels: Range<Int>, bias: Bool
    ) throws -> PreparedOperation? {
        let (x, y, w) = (o.shape(input: 0), o.shape(input: 1), o.shape(output: 0))
        guard let sizes = winogradSizes(o, geometry, channels, x, y, w) else { return nil }
        return try roundedWinogradParameterGradient(o, sizes, bias: bias)
    }

    private func roundedWinogradParameterGradient(
        _ o: Operands, _ sizes: WinogradSizes, bias: Bool
    ) throws -> PreparedOperation {
        let (x, dy) = (o.input(0), o.input(1))
        let (dw, dbias) = (o.output(0) + 9 * sizes.firstWeightChannel, bias ? o.output(1) : nil)
        let (vCount, mCount) = ((16 * sizes.inputPairs + 1023) / 1024 * 1024, 16 * sizes.outputPairs)
        let (inputs, outputs) = (Int64(sizes.inputs), Int64(sizes.outputs))
        try scratch.reserve(
            vCount + mCount + 2 * sizes.borderCount + 16 * sizes.weightStride + sizes.inputPairs)
        return PreparedOperation(run: { [scratch] in
            let (v, m) = (scratch.pointer.pairs, (scratch.pointer + vCount).pairs)
            let zeros = scratch.pointer + vCount + mCount
            let sums = zeros + sizes.borderCount
            let u = sums + sizes.borderCount
            sizes.forEachChunk { first, count in
                withUnsafePointer(to: sizes.outputShape) {
                    ck_winograd_bfloat16_output_gradient(
                        $0, Int64(first), Int64(count), dy, m, Int64(sizes.outputPairs), sums, zeros)
                }
                if let dbias { ck_add(sizes.outputs, sums, dbias, dbias) }
                withUnsafePointer(to: sizes.inputShape) {
                    ck_winograd_bfloat16_input(
                        $0, Int64(first), Int64(count), 1, x, v, Int64(sizes.inputPairs), zeros)
                }
                ck_winograd_bfloat16_gradient(
                    outputs, inputs, Int64(count), v, Int64(sizes.inputPairs), m, Int64(sizes.outputPairs),
                    first > 0 ? 1 : 0, u, Int64(sizes.weightStride), u + 16 * sizes.weightStride)
            }
            ck_winograd_weights_gradient(
                outputs, inputs, Int64(sizes.weightInputs), u, Int64(sizes.weightStride), dw)
        })
    }
}

/// Weights in Winograd's basis, rounded: 16 matrices `[C/2, O]` of pairs, or rotated (windows by 180°) `[O/2, C]`.
private final class RoundedWinogradWeights {
    let derived: DerivedParameters
    private let memory: CPUMemory
    private let stride: Int

    init(_ sizes: WinogradSizes, rotated: Bool, of parameter: UnsafePointer<Float>) throws {
        let memory = try CPUMemory(count: 16 * sizes.weightPairs)
        let slice = parameter + 9 * sizes.firstWeightChannel
        let stride = sizes.weightPairs
        derived = DerivedParameters {
            ck_winograd_bfloat16_weights(
                Int64(sizes.outputs), Int64(sizes.inputs), Int64(sizes.weightInputs), rotated ? 1 : 0, slice,
                memory.pointer(0..<memory.count).pairs, Int64(stride))
        }
        (self.memory, self.stride) = (memory, stride)
    }

    func matrix(_ k: Int) -> UnsafePointer<UInt32> {
        UnsafePointer(memory.pointer(0..<memory.count).pairs + k * stride)
    }
}
