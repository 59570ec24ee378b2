import TensorGraph

/// Attention over all positions of an image, `[N, H, W, C] → [N, H, W, C]`, without the residual.
///
/// Linear attention (Shen et al. 2021, "Efficient Attention") softens q over its channels and k over positions, and ends
/// in an RMSNorm; full attention is softmax(q·k / √headDim)·v (Vaswani et al. 2017).
struct Attention {
    enum Kind { case linear, full }

    let kind: Kind
    let heads: Int
    let headDim: Int
    let norm: RMSNorm
    let toQKV: Convolution
    let toOut: Convolution
    let outNorm: RMSNorm?

    init(_ scope: Scope, channels: Int, heads: Int, headDim: Int, kind: Kind) {
        self.kind = kind
        self.heads = heads
        self.headDim = headDim
        let inner = heads * headDim
        norm = RMSNorm(scope / "norm", channels: channels)
        toQKV = Convolution(scope / "to_qkv", channels, 3 * inner, kernel: 1, bias: false)
        switch kind {
        case .linear:
            toOut = Convolution(scope / "to_out.0", inner, channels, kernel: 1)
            outNorm = RMSNorm(scope / "to_out.1", channels: channels)
        case .full:
            toOut = Convolution(scope / "to_out", inner, channels, kernel: 1)
            outNorm = nil
        }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let qkv = toQKV(norm(x))
        switch kind {
        case .linear:
            let y = toOut(qkv.linearAttention(heads: heads, headDim: headDim))
            return outNorm?(y) ?? y
        case .full:
            return toOut(qkv.fullAttention(heads: heads, headDim: headDim))
        }
    }
}
