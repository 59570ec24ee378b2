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

/// `y = x + wOut·r + bOut`, r from ``layers(x:z:parameters:)``. Parameters are wIn, bIn, wOut, bOut, scales, and w and b
/// of each layer.
func hyperNetwork(x: ReferenceTensor, z: ReferenceTensor, parameters: [ReferenceTensor]) -> ReferenceTensor {
    let r = layers(x: x, z: z, parameters: parameters).r
    return linear(
        x: r[r.count - 1], w: parameters[2], bias: parameters[3], addend: x, weightChannels: 0..<z.columns)
}

/// Returns dx, dz, and the gradients of the parameters in their order.
func hyperNetworkGradient(
    dy: ReferenceTensor, x: ReferenceTensor, z: ReferenceTensor, parameters: [ReferenceTensor],
    addend: ReferenceTensor?
) -> [ReferenceTensor] {
    let (wIn, wOut, scales) = (parameters[0], parameters[2], parameters[4])
    let latent = 0..<z.columns
    let (r, p) = layers(x: x, z: z, parameters: parameters)
    var gradients = parameters
    gradients[2] = linearWeightGradient(x: r[p.count], dy: dy, weightChannels: latent, shape: wOut.shape)
    gradients[3] = biasGradient(dy: dy)
    gradients[4] = ReferenceTensor(scales.shape)
    var dz = addend
    var dr = linearInputGradient(dy: dy, w: wOut, addend: nil, weightChannels: latent)
    for layer in p.indices.reversed() {
        let w = parameters[5 + 2 * layer]
        let update = rankOneUpdateGradient(dy: dr, r: r[layer], p: p[layer], scales: scales, layer: layer)
        let dp = update[1]
        dr = update[0]
        gradients[4] = gradients[4].zip(update[2]) { $0 + $1 }
        gradients[5 + 2 * layer] = linearWeightGradient(x: z, dy: dp, weightChannels: latent, shape: w.shape)
        gradients[6 + 2 * layer] = biasGradient(dy: dp)
        dz = linearInputGradient(dy: dp, w: w, addend: dz, weightChannels: latent)
    }
    gradients[0] = linearWeightGradient(x: x, dy: dr, weightChannels: 0..<x.columns, shape: wIn.shape)
    gradients[1] = biasGradient(dy: dr)
    let dx = linearInputGradient(dy: dr, w: wIn, addend: dy, weightChannels: 0..<x.columns)
    return [dx, dz ?? ReferenceTensor(z.shape)] + gradients
}

/// `r_0 = wIn·x + bIn`; of each layer `p_i = w·z + b` and `r_i`, the rank-one update of `r_{i−1}`.
private func layers(
    x: ReferenceTensor, z: ReferenceTensor, parameters: [ReferenceTensor]
) -> (r: [ReferenceTensor], p: [ReferenceTensor]) {
    var r = [linear(x: x, w: parameters[0], bias: parameters[1], addend: nil, weightChannels: 0..<x.columns)]
    var p: [ReferenceTensor] = []
    for layer in 0..<(parameters.count - 5) / 2 {
        let (w, bias) = (parameters[5 + 2 * layer], parameters[6 + 2 * layer])
        p.append(linear(x: z, w: w, bias: bias, addend: nil, weightChannels: 0..<z.columns))
        r.append(rankOneUpdate(r: r[layer], p: p[layer], scales: parameters[4], layer: layer))
    }
    return (r, p)
}
