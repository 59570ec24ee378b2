import CKernels
import TensorGraph

// Linear attention with the 1×1 convolutions around it (CKernels/attention_block.c says why). D = heads·headDim.
extension CPUBackend {
    func linearAttentionBlock(_ o: Operands, _ heads: Int, _ headDim: Int) throws -> PreparedOperation {
        var shape = blockShape(o, x: o.shape(input: 0), y: o.shape(output: 0), wIn: o.shape(input: 1), heads, headDim)
        let weights = try TransposedWeights(shape, wIn: o.input(1), wOut: o.input(2))
        let (x, wIn, bias, y) = (o.input(0), o.input(1), o.input(3), o.output(0))
        let (queries, keys, mean) = (o.output(1), o.output(2), o.output(3))
        let takesBFloat16 = precision != .fp32 && ck_attention_block_takes_bfloat16(&shape) == 1
        let room = takesBFloat16 ? ck_attention_block_bfloat16_scratch : ck_attention_block_scratch
        let block = takesBFloat16 ? ck_attention_block_bfloat16 : ck_attention_block
        return try kernel(shape, scratch: room, derived: weights.derived) {
            block($0, x, wIn, weights.into, weights.outOf, bias, y, queries, keys, mean, $1)
        }
    }

    func linearAttentionBlockGradient(_ o: Operands, _ heads: Int, _ headDim: Int) throws -> PreparedOperation {
        var shape = blockShape(o, x: o.shape(input: 1), y: o.shape(input: 0), wIn: o.shape(input: 2), heads, headDim)
        let (dy, x, wIn, wOut) = (o.input(0), o.input(1), o.input(2), o.input(3))
        let weights = try TransposedWeights(shape, wIn: wIn, wOut: wOut)
        let (queries, keys, mean) = (o.input(4), o.input(5), o.input(6))
        let (dx, dwIn, dwOut, dbias) = (o.output(0), o.output(1), o.output(2), o.output(3))
        let takesBFloat16 = precision != .fp32 && ck_attention_block_takes_bfloat16(&shape) == 1
        let room = takesBFloat16 ? ck_attention_block_bfloat16_scratch : ck_attention_block_scratch
        let gradient = takesBFloat16 ? ck_attention_block_bfloat16_gradient : ck_attention_block_gradient
        return try kernel(shape, scratch: room, derived: weights.derived) {
            gradient(
                $0, dy, x, wIn, wOut, weights.into, weights.outOf, queries, keys, mean, dx, dwIn, dwOut, dbias, $1)
        }
    }

    private func blockShape(
        _ o: Operands, x: [Int], y: [Int], wIn: [Int], _ heads: Int, _ headDim: Int
    ) -> ck_attention_block_shape {
        let (input, output) = (Axes(x), Axes(y))
        o.require(
            heads > 0 && headDim > 0 && wIn.prefix(2) == [3 * heads * headDim, input.channels]
                && input.images == output.images && input.pixels == output.pixels, "shapes do not fit")
        return ck_attention_block_shape(
            images: Int64(input.images), positions: Int64(input.pixels), channels: Int64(input.channels),
            outputs: Int64(output.channels), heads: Int64(heads), headDim: Int64(headDim))
    }
}

/// Both weights transposed: `into` those of k and v head by head `[2, heads, C, headDim]`, `outOf` that of the last
/// convolution `[D, O]`.
private final class TransposedWeights {
    let derived: DerivedParameters
    let into: UnsafePointer<Float>
    let outOf: UnsafePointer<Float>
    private let memory: CPUMemory

    init(_ s: ck_attention_block_shape, wIn: UnsafePointer<Float>, wOut: UnsafePointer<Float>) throws {
        let inner = Int(s.heads * s.headDim)
        let part = Int(s.channels) * inner
        let memory = try CPUMemory(count: 2 * part + Int(s.outputs) * inner)
        let place = memory.pointer(0..<memory.count)
        derived = DerivedParameters {
            let head = Int(s.channels * s.headDim)
            for index in 0..<2 * Int(s.heads) {
                ck_transpose(s.headDim, s.channels, wIn + part + index * head, s.channels, place + index * head)
            }
            ck_transpose(s.outputs, Int64(inner), wOut, Int64(inner), place + 2 * part)
        }
        (self.memory, into, outOf) = (memory, UnsafePointer(place), UnsafePointer(place + 2 * part))
    }
}
