import CKernels
import COneDNN
import TensorGraph

// 3×3 convolutions by Winograd's F(2×2, 3×3): changes of basis around 16 products of matrices, over tiles of 2×2 pixels.
// 16 multiplications do the work of 36.
// Axes: t tiles, C inputs and O outputs of the convolution, k one of the 16 positions in the other basis.

/// Sizes of one such convolution.
struct WinogradSizes {
    let images, height, width, inputs, outputs: Int
    /// Inputs of the whole weight parameter, and the first one that this convolution reads.
    let weightInputs, firstWeightChannel: Int

    /// Nil where the direct convolution is used: other windows than 3×3 at every pixel, an odd number of rows or
    /// columns, or too few channels to fill vectors.
    init?(_ geometry: ConvolutionGeometry, _ s: odnn_convolution_shape) {
        guard geometry == ConvolutionGeometry(kernel: 3, padding: 1), s.height % 2 == 0, s.width % 2 == 0,
            s.inputChannels >= 8, s.outputChannels >= 8
        else { return nil }
        (images, height, width) = (Int(s.images), Int(s.height), Int(s.width))
        (inputs, outputs) = (Int(s.inputChannels), Int(s.outputChannels))
        (weightInputs, firstWeightChannel) = (Int(s.weightInputChannels), Int(s.firstWeightChannel))
    }

    var tiles: Int { images * (height / 2) * (width / 2) }
    /// Elements from one of the 16 matrices of weights to the next. Not a multiple of 4096 bytes, which would put them
    /// all into one set of L1; nor are the strides below.
    var weightStride: Int { inputs * outputs + 16 }
    /// Tiles that are transformed together, few enough to stay in L2.
    var chunk: Int { min(tiles, max(64, 8192 / (inputs + outputs) / 8 * 8)) }
    var inputStride: Int { chunk * inputs + 16 }
    var outputStride: Int { chunk * outputs + 16 }
    /// Elements of a pixel outside of the image, or of the sums of a gradient over all pixels, up to the next 64 bytes.
    var borderCount: Int { (max(inputs, outputs) + 15) / 16 * 16 }
    /// Wide products are oneDNN's; with narrow ones it would spend its time on packing.
    var isNarrow: Bool { inputs <= 64 && outputs <= 64 }
    /// So few that transposing wide weights costs more than it saves, and that oneDNN packs more than it multiplies in
    /// the gradient of the weights, whose depth they are.
    var hasFewTiles: Bool { tiles < 32 }

    var inputShape: ck_winograd_shape { shape(inputs) }
    var outputShape: ck_winograd_shape { shape(outputs) }

    private func shape(_ channels: Int) -> ck_winograd_shape {
        ck_winograd_shape(
            images: Int64(images), height: Int64(height), width: Int64(width), channels: Int64(channels))
    }

    /// Calls `body` with the first tile and the number of tiles of each chunk.
    func forEachChunk(_ body: (_ first: Int, _ count: Int) throws -> Void) rethrows {
        for first in stride(from: 0, to: tiles, by: chunk) { try body(first, min(chunk, tiles - first)) }
    }
}

/// Weights in Winograd's basis: 16 matrices `[C, O]`, or rotated (windows by 180°) `[O, C]`.
final class WinogradWeights {
    /// Which weights these are; operations with equal keys share them.
    struct Key: Hashable {
        let parameter: UnsafePointer<Float>
        let firstChannel, inputs, outputs: Int
        let rotated: Bool
    }

    let derived: DerivedParameters
    private let memory: CPUMemory
    private let sizes: WinogradSizes
    private let rotated: Bool

    init(_ sizes: WinogradSizes, rotated: Bool, of parameter: UnsafePointer<Float>) throws {
        let memory = try CPUMemory(count: 16 * sizes.weightStride)
        let slice = parameter + 9 * sizes.firstWeightChannel
        derived = DerivedParameters {
            ck_winograd_weights(
                Int64(sizes.outputs), Int64(sizes.inputs), Int64(sizes.weightInputs), rotated ? 1 : 0, slice,
                memory.pointer(0..<memory.count), Int64(sizes.weightStride))
        }
        (self.memory, self.sizes, self.rotated) = (memory, sizes, rotated)
    }

    /// m_k `[rows, O]` = v_k `[rows, C]` · weights_k, for all k; `before` is called before each.
    ///
    /// - Parameter sizes: of the convolution that asks: those that share weights may have other numbers of images, which
    ///   decide where v_k and m_k lie.
    func forward(
        _ sizes: WinogradSizes, rows: Int, _ v: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
        before: (_ k: Int64) -> Void
    ) throws {
        precondition(!rotated, "rotated weights are those of the input gradient")
        for k in 0..<16 {
            before(Int64(k))
            try product(
                rows, sizes.inputs, sizes.outputs, v + k * sizes.inputStride, matrixAt(k), transposed: false,
                m + k * sizes.outputStride)
        }
    }

    /// m_k `[rows, C]` = v_k `[rows, O]` · rotated weights_k, for all k; `before` is called before each.
    ///
    /// - Parameters:
    ///   - sizes: as of ``forward(_:rows:_:_:before:)``.
    ///   - transposed: what ``transpose(to:)`` wrote, unless the weights are rotated already; without it each product
    ///     transposes them.
    func backward(
        _ sizes: WinogradSizes, rows: Int, _ v: UnsafePointer<Float>, _ m: UnsafeMutablePointer<Float>,
        transposed: UnsafePointer<Float>?,
        before: (_ k: Int64) -> Void
    ) throws {
        for k in 0..<16 {
            before(Int64(k))
            let matrix = rotated ? k : Self.exchanged(k)
            try product(
                rows, sizes.outputs, sizes.inputs, v + k * sizes.outputStride,
                transposed.map { $0 + matrix * sizes.weightStride } ?? matrixAt(matrix),
                transposed: !rotated && transposed == nil, m + k * sizes.inputStride)
        }
    }

    /// Writes 16 matrices `[O, C]`, ``WinogradSizes/weightStride`` apart.
    func transpose(to: UnsafeMutablePointer<Float>) {
        for k in 0..<16 {
            ck_transpose(
                Int64(sizes.inputs), Int64(sizes.outputs), matrixAt(k), Int64(sizes.outputs),
                to + k * sizes.weightStride)
        }
    }

    /// Rotating a window by 180° exchanges positions 0 and 3 of both axes.
    private static func exchanged(_ k: Int) -> Int {
        let exchanged = [3, 1, 2, 0]
        return 4 * exchanged[k / 4] + exchanged[k % 4]
    }

    private func matrixAt(_ k: Int) -> UnsafePointer<Float> {
        UnsafePointer(memory.pointer(0..<memory.count)) + k * sizes.weightStride
    }

    private func product(
        _ rows: Int, _ depth: Int, _ columns: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        transposed: Bool, _ c: UnsafeMutablePointer<Float>
    ) throws {
        if sizes.isNarrow && !transposed {
            ck_product(
                Int64(rows), Int64(columns), Int64(depth), 1, ck_matrix(base: a, row: Int64(depth), column: 1), b,
                Int64(columns), 0, c, Int64(columns))
        } else {
            try checkOneDNN(
                odnn_sgemm(
                    0, transposed ? 1 : 0, Int64(rows), Int64(columns), Int64(depth), 1, a, Int64(depth), b,
                    Int64(transposed ? depth : columns), 0, c, Int64(columns)),
                "product of \(rows)x\(depth) and \(depth)x\(columns)")
        }
    }
}

extension CPUBackend {
    func winogradConvolution(
        _ o: Operands, _ sizes: WinogradSizes, bias: Bool, addend: Bool
    ) throws -> PreparedOperation {
        let weights = try winogradWeights(sizes, o.input(1), rotated: false)
        let (x, y) = (o.input(0), o.output(0))
        let (offset, added) = (bias ? o.input(2) : nil, addend ? o.input(bias ? 3 : 2) : nil)
        let scratch = try winogradScratch(sizes)
        return PreparedOperation(
            run: {
                let (v, m, border) = scratch()
                try sizes.forEachChunk { first, count in
                    withUnsafePointer(to: sizes.inputShape) {
                        ck_winograd_input(
                            $0, Int64(first), Int64(count), x, v, Int64(sizes.inputStride), border)
                    }
                    try weights.forward(sizes, rows: count, v, m) { k in
                        withUnsafePointer(to: sizes.outputShape) {
                            ck_winograd_prefetch($0, Int64(first), Int64(count), k, y)
                        }
                    }
                    withUnsafePointer(to: sizes.outputShape) {
                        ck_winograd_output(
                            $0, Int64(first), Int64(count), m, Int64(sizes.outputStride), offset, added, y)
                    }
                }
            }, derived: weights.derived)
    }

    /// dx is the convolution of dy with the windows rotated by 180°.
    func winogradInputGradient(_ o: Operands, _ sizes: WinogradSizes, addend: Bool) throws -> PreparedOperation {
        // Wide weights are not kept a second time, but transposed when it pays.
        let weights = try winogradWeights(sizes, o.input(1), rotated: sizes.isNarrow)
        let (dy, dx) = (o.input(0), o.output(0))
        let added = addend ? o.input(2) : nil
        let transposing = !sizes.isNarrow && !sizes.hasFewTiles
        let scratch = try winogradScratch(sizes, matrices: transposing)
        return PreparedOperation(
            run: {
                let (m, v, border) = scratch()
                let transposed = transposing ? border + sizes.borderCount : nil
                if let transposed { weights.transpose(to: transposed) }
                try sizes.forEachChunk { first, count in
                    withUnsafePointer(to: sizes.outputShape) {
                        ck_winograd_input(
                            $0, Int64(first), Int64(count), dy, v, Int64(sizes.outputStride), border)
                    }
                    try weights.backward(sizes, rows: count, v, m, transposed: transposed) { k in
                        withUnsafePointer(to: sizes.inputShape) {
                            ck_winograd_prefetch($0, Int64(first), Int64(count), k, dx)
                        }
                    }
                    withUnsafePointer(to: sizes.inputShape) {
                        ck_winograd_output(
                            $0, Int64(first), Int64(count), m, Int64(sizes.inputStride), nil, added, dx)
                    }
                }
            }, derived: weights.derived)
    }

    /// dw_k = v_kᵀ · m_k over all tiles, then back to windows.
    func winogradParameterGradient(_ o: Operands, _ sizes: WinogradSizes, bias: Bool) throws -> PreparedOperation {
        let (x, dy) = (o.input(0), o.input(1))
        let (dw, dbias) = (o.output(0) + 9 * sizes.firstWeightChannel, bias ? o.output(1) : nil)
        let scratch = try winogradScratch(sizes, matrices: true)
        let (inputs, outputs) = (Int64(sizes.inputs), Int64(sizes.outputs))
        return PreparedOperation(run: {
            let (v, m, border) = scratch()
            let u = border + sizes.borderCount
            try sizes.forEachChunk { first, count in
                withUnsafePointer(to: sizes.outputShape) {
                    ck_winograd_output_gradient(
                        $0, Int64(first), Int64(count), dy, m, Int64(sizes.outputStride), border)
                }
                if let dbias { ck_add(sizes.outputs, border, dbias, dbias) }
                withUnsafePointer(to: sizes.inputShape) {
                    ck_winograd_input($0, Int64(first), Int64(count), x, v, Int64(sizes.inputStride), border)
                }
                for k in 0..<16 {
                    let (a, b) = (UnsafePointer(v + k * sizes.inputStride), m + k * sizes.outputStride)
                    let c = u + k * sizes.weightStride
                    if sizes.isNarrow || sizes.hasFewTiles {
                        ck_product(
                            inputs, outputs, Int64(count), 1, ck_matrix(base: a, row: 1, column: inputs), b, outputs,
                            first > 0 ? 1 : 0, c, outputs)
                    } else {
                        try checkOneDNN(
                            odnn_sgemm(
                                1, 0, inputs, outputs, Int64(count), 1, a, inputs, b, outputs, first > 0 ? 1 : 0, c,
                                outputs), "product of \(inputs)x\(count) and \(count)x\(outputs)")
                    }
                }
            }
            ck_winograd_weights_gradient(
                outputs, inputs, Int64(sizes.weightInputs), u, Int64(sizes.weightStride), dw)
        })
    }

    /// Transformed weights that an operation of this backend already reads, or new ones.
    private func winogradWeights(
        _ sizes: WinogradSizes, _ parameter: UnsafePointer<Float>, rotated: Bool
    ) throws -> WinogradWeights {
        let key = WinogradWeights.Key(
            parameter: parameter, firstChannel: sizes.firstWeightChannel, inputs: sizes.inputs,
            outputs: sizes.outputs, rotated: rotated)
        if let known = transformedWeights[key]?.weights { return known }
        let weights = try WinogradWeights(sizes, rotated: rotated, of: parameter)
        transformedWeights[key] = WeakWeights(weights: weights)
        return weights
    }

    /// Room for transformed inputs, transformed outputs and, from the third place on, a pixel of the border, and behind
    /// it for 16 matrices of weights' size if asked for.
    private func winogradScratch(
        _ sizes: WinogradSizes, matrices: Bool = false
    ) throws -> () -> (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) {
        // Whole pages: with as many channels on both sides a product's stores then do not have the page offsets of the
        // loads that come next, for which the processor would wait.
        let (v, m) = ((16 * sizes.inputStride + 1023) / 1024 * 1024, 16 * sizes.outputStride)
        try scratch.reserve(v + m + sizes.borderCount + (matrices ? 16 * sizes.weightStride : 0))
        return { [scratch] in (scratch.pointer, scratch.pointer + v, scratch.pointer + v + m) }
    }
}

/// An entry of the backend's table, which keeps nothing alive.
struct WeakWeights {
    weak var weights: WinogradWeights?
}
