import CKernels
import COneDNN
import TensorGraph

// Rows M = all axes but the last; K inputs, O outputs of this product, I inputs of the whole weight [O,I] or [O,I,1,1].
extension CPUBackend {
    func linear(_ o: Operands, _ channels: Range<Int>, bias: Bool, addend: Bool) throws -> PreparedOperation {
        let d = linearDimensions(
            o, channels, x: o.shape(input: 0), y: o.shape(output: 0), w: o.shape(input: 1))
        let (offset, added) = (bias ? o.input(2) : nil, addend ? o.input(bias ? 3 : 2) : nil)
        if d.isNarrow {
            let slice = o.input(1) + channels.lowerBound
            return try narrowProduct(inputs: d.inputs, outputs: d.outputs, o, d, bias: offset, addend: added) {
                ck_transpose(d.outputs, d.inputs, slice, d.weightInputs, $0)
            }
        }
        let operation = try OneDNNOperation(engine, name: "linear \(d)") {
            odnn_matmul(
                $0, d.rows, d.inputs, d.outputs, addend ? 1 : 0, o.input(0), o.input(1) + channels.lowerBound, 1,
                d.weightInputs, offset, o.output(0), &$1)
        }
        return withAddend(added, operation, o)
    }

    func linearInputGradient(_ o: Operands, _ channels: Range<Int>, addend: Bool) throws -> PreparedOperation {
        let d = linearDimensions(
            o, channels, x: o.shape(output: 0), y: o.shape(input: 0), w: o.shape(input: 1))
        if d.isNarrow {
            let w = o.input(1)
            return try narrowProduct(
                inputs: d.outputs, outputs: d.inputs, o, d, bias: nil, addend: addend ? o.input(2) : nil
            ) {
                ck_copy_columns(
                    d.outputs, d.inputs, w, d.weightInputs, Int64(channels.lowerBound), $0, d.inputs, 0)
            }
        }
        let operation = try OneDNNOperation(engine, name: "linear input gradient \(d)") {
            odnn_matmul(
                $0, d.rows, d.outputs, d.inputs, addend ? 1 : 0, o.input(0), o.input(1) + channels.lowerBound,
                d.weightInputs, 1, nil, o.output(0), &$1)
        }
        return withAddend(addend ? o.input(2) : nil, operation, o)
    }

    func linearParameterGradient(_ o: Operands, _ channels: Range<Int>, bias: Bool) throws -> PreparedOperation {
        let d = linearDimensions(
            o, channels, x: o.shape(input: 0), y: o.shape(input: 1), w: o.shape(output: 0))
        let x = o.input(0)
        let dy = o.input(1)
        let dw = o.output(0) + channels.lowerBound
        let dbias = bias ? o.output(1) : nil
        if bias { try scratch.reserve(Int(d.outputs)) }
        return PreparedOperation(run: { [scratch] in
            // dw [O,K] += dyᵀ [O,M] · x [M,K], in place between the rows of the whole weight.
            if d.isNarrow {
                ck_product(
                    d.outputs, d.inputs, d.rows, 1, ck_matrix(base: dy, row: 1, column: d.outputs), x, d.inputs, 1, dw,
                    d.weightInputs)
            } else {
                try checkOneDNN(
                    odnn_sgemm(
                        1, 0, d.outputs, d.inputs, d.rows, 1, dy, d.outputs, x, d.inputs, 1, dw, d.weightInputs),
                    "linear parameter gradient \(d)")
            }
            if let dbias { ck_add_column_sums(d.rows, d.outputs, dy, dbias, scratch.pointer) }
        })
    }

    // MARK: bfloat16 on vectors

    /// Nil where rows are not whole vectors; so are the two below.
    func roundedLinear(_ o: Operands, _ channels: Range<Int>, bias: Bool, addend: Bool) throws -> PreparedOperation? {
        let d = linearDimensions(
            o, channels, x: o.shape(input: 0), y: o.shape(output: 0), w: o.shape(input: 1))
        guard d.takesBFloat16 else { return nil }
        let slice = o.input(1) + channels.lowerBound
        return try roundedProduct(
            inputs: d.inputs, outputs: d.outputs, o, d, bias: bias ? o.input(2) : nil,
            addend: addend ? o.input(bias ? 3 : 2) : nil
        ) { ck_linear_bfloat16_weights(d.inputs, d.outputs, slice, 1, d.weightInputs, $0) }
    }

    func roundedLinearInputGradient(
        _ o: Operands, _ channels: Range<Int>, addend: Bool
    ) throws -> PreparedOperation? {
        let d = linearDimensions(
            o, channels, x: o.shape(output: 0), y: o.shape(input: 0), w: o.shape(input: 1))
        guard d.takesBFloat16 else { return nil }
        let slice = o.input(1) + channels.lowerBound
        return try roundedProduct(
            inputs: d.outputs, outputs: d.inputs, o, d, bias: nil, addend: addend ? o.input(2) : nil
        ) { ck_linear_bfloat16_weights(d.outputs, d.inputs, slice, d.weightInputs, 1, $0) }
    }

    func roundedLinearParameterGradient(
        _ o: Operands, _ channels: Range<Int>, bias: Bool
    ) throws -> PreparedOperation? {
        let d = linearDimensions(
            o, channels, x: o.shape(input: 0), y: o.shape(input: 1), w: o.shape(output: 0))
        guard d.takesBFloat16 else { return nil }
        let (x, dy, dw) = (o.input(0), o.input(1), o.output(0) + channels.lowerBound)
        let dbias = bias ? o.output(1) : nil
        try scratch.reserve(ck_linear_bfloat16_scratch(d.inputs, d.outputs))
        return PreparedOperation(run: { [scratch] in
            ck_linear_bfloat16_gradient(d.rows, d.inputs, d.outputs, x, dy, dw, d.weightInputs, scratch.pointer)
            if let dbias { ck_add_column_sums(d.rows, d.outputs, dy, dbias, scratch.pointer) }
        })
    }

    /// As `narrowProduct`, of weights that `derive` writes as pairs.
    private func roundedProduct(
        inputs: Int64, outputs: Int64, _ o: Operands, _ d: LinearDimensions, bias: UnsafePointer<Float>?,
        addend: UnsafePointer<Float>?, derive: @escaping (UnsafeMutablePointer<UInt32>) -> Void
    ) throws -> PreparedOperation {
        let weights = try CPUMemory(count: Int(inputs * outputs / 2))
        let (x, y) = (o.input(0), o.output(0))
        try scratch.reserve(ck_linear_bfloat16_scratch(inputs, outputs))
        return PreparedOperation(
            run: { [scratch] in
                ck_linear_bfloat16(
                    d.rows, inputs, outputs, x, weights.pointer(0..<weights.count).pairs, bias, addend, y,
                    scratch.pointer)
            }, derived: DerivedParameters { derive(weights.pointer(0..<weights.count).pairs) })
    }

    /// The first output = the first input `[M, inputs]` · derived weights `[inputs, outputs]` (+ bias) (+ addend).
    ///
    /// - Parameter derive: writes those weights.
    private func narrowProduct(
        inputs: Int64, outputs: Int64, _ o: Operands, _ d: LinearDimensions, bias: UnsafePointer<Float>?,
        addend: UnsafePointer<Float>?, derive: @escaping (UnsafeMutablePointer<Float>) -> Void
    ) throws -> PreparedOperation {
        let weights = try CPUMemory(count: Int(inputs * outputs))
        let (x, y) = (o.input(0), o.output(0))
        return PreparedOperation(
            run: {
                ck_linear(d.rows, inputs, outputs, x, weights.pointer(0..<weights.count), bias, addend, y)
            }, derived: DerivedParameters { derive(weights.pointer(0..<weights.count)) })
    }

    private func linearDimensions(
        _ o: Operands, _ channels: Range<Int>, x: [Int], y: [Int], w: [Int]
    ) -> LinearDimensions {
        let inputs = x.last ?? 0
        let outputs = y.last ?? 0
        let weightInputs = w.dropFirst().reduce(1, *)
        let rows = x.dropLast().reduce(1, *)
        o.require(
            inputs == channels.count && outputs == w.first && channels.upperBound <= weightInputs
                && rows == y.dropLast().reduce(1, *), "shapes do not fit")
        return LinearDimensions(
            rows: Int64(rows), inputs: Int64(inputs), outputs: Int64(outputs), weightInputs: Int64(weightInputs))
    }
}

private struct LinearDimensions: CustomStringConvertible {
    let rows: Int64
    let inputs: Int64
    let outputs: Int64
    let weightInputs: Int64
    /// So small that oneDNN would spend much of its time on packing and dispatch.
    var isNarrow: Bool { inputs <= 128 && outputs <= 128 }
    /// Whether rows are whole vectors; with 16 numbers there is more to round than to multiply.
    var takesBFloat16: Bool { inputs % 16 == 0 && outputs % 16 == 0 && inputs >= 32 && outputs >= 32 }
    var description: String { "[\(rows), \(inputs)] to [\(rows), \(outputs)]" }
}
