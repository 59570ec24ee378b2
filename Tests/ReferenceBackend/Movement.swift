import Foundation

/// `y[row, ·] = (a[row, ·], b[row, ·])`.
func concatenateChannels(a: ReferenceTensor, b: ReferenceTensor) -> ReferenceTensor {
    precondition(a.shape.dropLast() == b.shape.dropLast(), "channels of \(a.shape) beside channels of \(b.shape)")
    var y = ReferenceTensor(a.shape.dropLast() + [a.columns + b.columns])
    for row in 0..<a.rows {
        for c in 0..<a.columns { y[row, c] = a[row, c] }
        for c in 0..<b.columns { y[row, a.columns + c] = b[row, c] }
    }
    return y
}

/// `y[row, c] = x[row, lower + c]`.
func sliceChannels(x: ReferenceTensor, _ channels: Range<Int>) -> ReferenceTensor {
    var y = ReferenceTensor(x.shape.dropLast() + [channels.count])
    for row in 0..<x.rows {
        for (index, c) in channels.enumerated() { y[row, index] = x[row, c] }
    }
    return y
}

/// `y[n,v,u,c] = x[n, v/2, u/2, c]`, halves rounded down.
func upsampleNearest(x: ReferenceTensor) -> ReferenceTensor {
    var y = ReferenceTensor([x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3]])
    for n in 0..<y.shape[0] {
        for v in 0..<y.shape[1] {
            for u in 0..<y.shape[2] {
                for c in 0..<y.shape[3] { y[n, v, u, c] = x[n, v / 2, u / 2, c] }
            }
        }
    }
    return y
}

/// `dx[n,h,w,c] = Σ_{i,j ∈ {0,1}} dy[n, 2h + i, 2w + j, c]`.
func upsampleNearestGradient(dy: ReferenceTensor) -> ReferenceTensor {
    var dx = ReferenceTensor([dy.shape[0], dy.shape[1] / 2, dy.shape[2] / 2, dy.shape[3]])
    for n in 0..<dy.shape[0] {
        for v in 0..<dy.shape[1] {
            for u in 0..<dy.shape[2] {
                for c in 0..<dy.shape[3] { dx[n, v / 2, u / 2, c] += dy[n, v, u, c] }
            }
        }
    }
    return dx
}

/// `y[n·m + j, ·] = x[n, ·]` for j < m.
func repeatSamples(x: ReferenceTensor, _ m: Int) -> ReferenceTensor {
    let elements = x.values.count / x.shape[0]
    var y = ReferenceTensor([x.shape[0] * m] + x.shape.dropFirst())
    for i in y.values.indices { y.values[i] = x.values[i / elements / m * elements + i % elements] }
    return y
}

/// `dx[n, ·] = Σ_{j < m} dy[n·m + j, ·]`.
func repeatSamplesGradient(dy: ReferenceTensor, _ m: Int) -> ReferenceTensor {
    let elements = dy.values.count / dy.shape[0]
    var dx = ReferenceTensor([dy.shape[0] / m] + dy.shape.dropFirst())
    for i in dy.values.indices { dx.values[i / elements / m * elements + i % elements] += dy.values[i] }
    return dx
}

/// `y[n,c] = Σ_{h,w} x[n,h,w,c] / (H·W)`.
func meanOverPositions(x: ReferenceTensor) -> ReferenceTensor {
    var y = ReferenceTensor([x.shape[0], x.shape[3]])
    for n in 0..<x.shape[0] {
        for h in 0..<x.shape[1] {
            for w in 0..<x.shape[2] {
                for c in 0..<x.shape[3] { y[n, c] += x[n, h, w, c] / Double(x.shape[1] * x.shape[2]) }
            }
        }
    }
    return y
}

/// `dx[n,h,w,c] = dy[n,c] / (H·W)`, of the given shape.
func meanOverPositionsGradient(dy: ReferenceTensor, _ shape: [Int]) -> ReferenceTensor {
    var dx = ReferenceTensor(shape)
    for n in 0..<shape[0] {
        for h in 0..<shape[1] {
            for w in 0..<shape[2] {
                for c in 0..<shape[3] { dx[n, h, w, c] = dy[n, c] / Double(shape[1] * shape[2]) }
            }
        }
    }
    return dx
}

/// With `half = dimension/2` and `f_k = e^(−k·ln(10000)/(half − 1))`: `y[n,k] = sin(t_n·f_k)`,
/// `y[n, half + k] = cos(t_n·f_k)`.
func sinusoidalEmbedding(timestep: ReferenceTensor, dimension: Int) -> ReferenceTensor {
    precondition(dimension >= 4 && dimension % 2 == 0, "a sinusoidal embedding of dimension \(dimension)")
    let half = dimension / 2
    var y = ReferenceTensor([timestep.values.count, dimension])
    for (n, t) in timestep.values.enumerated() {
        for k in 0..<half {
            let frequency = exp(-Double(k) * log(10000) / Double(half - 1))
            y[n, k] = sin(t * frequency)
            y[n, half + k] = cos(t * frequency)
        }
    }
    return y
}

/// With `half = ⌊dimension/2⌋` and `f_k = e^(−k·ln(10000)/half)`: `y[n,k] = cos(t_n·f_k)`, `y[n, half + k] = sin(t_n·f_k)`;
/// the last of an odd dimension is 0.
func cosineEmbedding(timestep: ReferenceTensor, dimension: Int) -> ReferenceTensor {
    let half = dimension / 2
    var y = ReferenceTensor([timestep.values.count, dimension])
    for (n, t) in timestep.values.enumerated() {
        for k in 0..<half {
            let frequency = exp(-Double(k) * log(10000) / Double(half))
            y[n, k] = cos(t * frequency)
            y[n, half + k] = sin(t * frequency)
        }
    }
    return y
}

/// `y[n,e] = weight[label_n, e]`.
func embedding(label: ReferenceTensor, weight: ReferenceTensor) -> ReferenceTensor {
    var y = ReferenceTensor([label.values.count, weight.columns])
    for (n, k) in label.values.enumerated() { for e in 0..<weight.columns { y[n, e] = weight[Int(k), e] } }
    return y
}

/// `dweight[k,e] = Σ_n [label_n = k] dy[n,e]`.
func embeddingGradient(dy: ReferenceTensor, label: ReferenceTensor, _ shape: [Int]) -> ReferenceTensor {
    var dweight = ReferenceTensor(shape)
    for (n, k) in label.values.enumerated() { for e in 0..<dy.columns { dweight[Int(k), e] += dy[n, e] } }
    return dweight
}
