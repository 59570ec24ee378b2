import CKernels
import TensorGraph

extension CPUBackend {
    func linearAttention(_ o: Operands, _ heads: Int, _ headDim: Int) throws -> PreparedOperation {
        let shape = attentionShape(o, o.shape(input: 0), heads, headDim)
        let (qkv, out, softened, context) = (o.input(0), o.output(0), o.output(1), o.output(2))
        return try kernel(shape, scratch: ck_linear_attention_scratch) {
            ck_linear_attention($0, qkv, out, softened, context, $1)
        }
    }

    func linearAttentionGradient(_ o: Operands, _ heads: Int, _ headDim: Int) throws -> PreparedOperation {
        let shape = attentionShape(o, o.shape(input: 1), heads, headDim)
        let (dout, softened, context, dqkv) = (o.input(0), o.input(1), o.input(2), o.output(0))
        return try kernel(shape, scratch: ck_linear_attention_scratch) {
            ck_linear_attention_gradient($0, dout, softened, context, dqkv, $1)
        }
    }

    func fullAttention(_ o: Operands, _ heads: Int, _ headDim: Int, _ headsFirst: Bool) throws -> PreparedOperation {
        let shape = attentionShape(o, o.shape(input: 0), heads, headDim, headsFirst)
        let (qkv, out, logSumExp) = (o.input(0), o.output(0), o.output(1))
        return try kernel(shape, scratch: ck_full_attention_scratch) { ck_full_attention($0, qkv, out, logSumExp, $1) }
    }

    func fullAttentionGradient(
        _ o: Operands, _ heads: Int, _ headDim: Int, _ headsFirst: Bool
    ) throws -> PreparedOperation {
        let shape = attentionShape(o, o.shape(input: 1), heads, headDim, headsFirst)
        let (dout, qkv, out, logSumExp) = (o.input(0), o.input(1), o.input(2), o.input(3))
        let dqkv = o.output(0)
        return try kernel(shape, scratch: ck_full_attention_scratch) {
            ck_full_attention_gradient($0, dout, qkv, out, logSumExp, dqkv, $1)
        }
    }

    private func attentionShape(
        _ o: Operands, _ qkv: [Int], _ heads: Int, _ headDim: Int, _ headsFirst: Bool = false
    ) -> ck_attention_shape {
        let axes = Axes(qkv)
        o.require(
            heads > 0 && headDim > 0 && axes.channels == 3 * heads * headDim,
            "qkv has \(axes.channels) channels, not 3 x \(heads) x \(headDim)")
        return ck_attention_shape(
            images: Int64(axes.images), positions: Int64(axes.pixels), heads: Int64(heads), headDim: Int64(headDim),
            headsFirst: headsFirst ? 1 : 0)
    }
}
