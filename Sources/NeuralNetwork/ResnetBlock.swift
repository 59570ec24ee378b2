import TensorGraph

/// 3×3 convolution → GroupNorm → optional modulation `x·(scale+1)+shift` → SiLU: `[N, H, W, I] → [N, H, W, O]`.
struct Block {
    let proj: Convolution
    let norm: GroupNorm

    init(_ scope: Scope, _ inputs: Int, _ outputs: Int, groups: Int) {
        proj = Convolution(scope / "proj", inputs, outputs, kernel: 3)
        norm = GroupNorm(scope / "norm", groups: groups, channels: outputs)
    }

    func callAsFunction(_ x: Tensor, scaleShift: Tensor? = nil) -> Tensor {
        let y = norm(proj(x))
        return (scaleShift.map { y.modulated(by: $0) } ?? y).silu()
    }
}

/// Two blocks and a skip, `[N, H, W, I] → [N, H, W, O]`; the first block is modulated by the time embedding.
///
/// The skip is a 1×1 convolution `res_conv` where I ≠ O, else the input itself.
struct ResnetBlock {
    let modulation: Linear
    let block1: Block
    let block2: Block
    let skip: Convolution?

    init(_ scope: Scope, _ inputs: Int, _ outputs: Int, timeDim: Int, groups: Int) {
        modulation = Linear(scope / "mlp.1", timeDim, 2 * outputs)
        block1 = Block(scope / "block1", inputs, outputs, groups: groups)
        block2 = Block(scope / "block2", outputs, outputs, groups: groups)
        skip = inputs == outputs ? nil : Convolution(scope / "res_conv", inputs, outputs, kernel: 1)
    }

    /// - Parameter time: SiLU of the time embedding, `[N, timeDim]`.
    func callAsFunction(_ x: Tensor, time: Tensor) -> Tensor {
        let h = block2(block1(x, scaleShift: modulation(time)))
        return h + (skip?(x) ?? x)
    }
}
