import TensorGraph

/// The hypernetwork f_φ(z) together with the layers whose weights it makes (SMD, section 4.1): per pixel
/// `y = out_proj(W_L … W_1 in_proj(x))` with `p_i = param_projs.i(z)`, `W_i = p_i p_iᵀ + softplus(scales_i)·I`.
///
/// W is latent × latent for every pixel, but is never built: `W r = p (p·r) + softplus(s) r` is the same number in
/// O(latent). `x [N, H, W, C]`, `z [N, H, W, latent]` → `[N, H, W, C]`; `scales [L]` start as N(0, 1).
struct HyperNetwork {
    let inProj: Linear
    let outProj: Linear
    let paramProjs: [Linear]
    let scales: Tensor

    init(_ scope: Scope, channels: Int, latent: Int, layers: Int) {
        inProj = Linear(scope / "in_proj", channels, latent)
        outProj = Linear(scope / "out_proj", latent, channels)
        paramProjs = (0..<layers).map { Linear(scope / "param_projs" / $0, latent, latent) }
        scales = scope.parameter("scales", [layers], .normal(deviation: 1))
    }

    func callAsFunction(_ x: Tensor, z: Tensor) -> Tensor {
        var r = inProj(x)
        for (layer, paramProj) in paramProjs.enumerated() {
            r = r.rankOneUpdate(paramProj(z), scales: scales, layer: layer)
        }
        return outProj(r)
    }
}
