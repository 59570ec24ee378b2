/// `y = p·(p·r) + softplus(scales[layer])·r`, per row of L latent channels.
func rankOneUpdate(r: ReferenceTensor, p: ReferenceTensor, scales: ReferenceTensor, layer: Int) -> ReferenceTensor {
    var y = ReferenceTensor(r.shape)
    for row in 0..<r.rows {
        let projection = rowProduct(p, r, row)
        for l in 0..<r.columns { y[row, l] = p[row, l] * projection + softplus(scales.values[layer]) * r[row, l] }
    }
    return y
}

/// `dr = p·(p·dy) + softplus(s)·dy`, `dp = dy·(p·r) + r·(p·dy)`, `ds = σ(s)·Σ_rows dy·r` at `layer` and 0 elsewhere.
func rankOneUpdateGradient(
    dy: ReferenceTensor, r: ReferenceTensor, p: ReferenceTensor, scales: ReferenceTensor, layer: Int
) -> [ReferenceTensor] {
    let scale = scales.values[layer]
    var dr = ReferenceTensor(r.shape)
    var dp = ReferenceTensor(p.shape)
    var dscales = ReferenceTensor(scales.shape)
    for row in 0..<r.rows {
        let (pr, pdy) = (rowProduct(p, r, row), rowProduct(p, dy, row))
        for l in 0..<r.columns {
            dr[row, l] = p[row, l] * pdy + softplus(scale) * dy[row, l]
            dp[row, l] = dy[row, l] * pr + r[row, l] * pdy
        }
        dscales.values[layer] += sigmoid(scale) * rowProduct(dy, r, row)
    }
    return [dr, dp, dscales]
}

/// `Σ_l a[row,l]·b[row,l]`.
private func rowProduct(_ a: ReferenceTensor, _ b: ReferenceTensor, _ row: Int) -> Double {
    var sum = 0.0
    for l in 0..<a.columns { sum += a[row, l] * b[row, l] }
    return sum
}
