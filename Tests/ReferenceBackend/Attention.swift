import Foundation

// Axes: N images, P positions (H·W), `heads` heads of D = headDim channels; d and e run over D, n and m over P.

/// Reads and writes `[N,H,W,parts·heads·D]` by image, position, part (0 q, 1 k, 2 v), head and channel of the head.
private struct ByHead {
    let parts: Int
    let heads: Int
    let headDim: Int
    let images: Int
    let positions: Int
    /// Head by head, each q, k, v; else q, k, v, each head by head.
    let headsFirst: Bool

    init(_ tensor: ReferenceTensor, parts: Int, heads: Int, headDim: Int, headsFirst: Bool = false) {
        precondition(
            tensor.columns == parts * heads * headDim, "\(tensor.shape) for \(parts) parts of \(heads) × \(headDim)")
        self.parts = parts
        self.heads = heads
        self.headDim = headDim
        self.headsFirst = headsFirst
        images = tensor.shape[0]
        positions = tensor.rows / images
    }

    /// Index into the values.
    func index(_ image: Int, _ position: Int, part: Int, _ head: Int, _ channel: Int) -> Int {
        let vector = headsFirst ? head * parts + part : part * heads + head
        return ((image * positions + position) * parts * heads + vector) * headDim + channel
    }

    /// The vectors of one head, `[P][D]`.
    func vectors(_ tensor: ReferenceTensor, _ image: Int, part: Int, _ head: Int) -> [[Double]] {
        (0..<positions).map { n in
            (0..<headDim).map { d in tensor.values[index(image, n, part: part, head, d)] }
        }
    }

    /// Stores the vectors of one head.
    func store(_ vectors: [[Double]], in tensor: inout ReferenceTensor, _ image: Int, part: Int, _ head: Int) {
        for n in 0..<positions {
            for d in 0..<headDim { tensor.values[index(image, n, part: part, head, d)] = vectors[n][d] }
        }
    }
}

/// `e^x_i / Σ_j e^x_j`, shifted by the largest so that nothing overflows.
private func softmax(_ x: [Double]) -> [Double] {
    let largest = x.max() ?? 0
    let powers = x.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}

/// `Σ_i a_i·b_i`.
private func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in 0..<a.count { sum += a[i] * b[i] }
    return sum
}

/// Rows and columns exchanged.
private func transposed(_ a: [[Double]]) -> [[Double]] {
    a[0].indices.map { column in a.map { $0[column] } }
}

/// `a·b` for `a [rows][inner]` and `b [inner][columns]`.
private func product(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] {
    let columns = transposed(b)
    return a.map { row in columns.map { column in dot(row, column) } }
}

// MARK: Linear attention

/// Per image and head: `q'[n,·] = softmax_d(q[n,·])·D^-½`, `k'[·,d] = softmax_n(k[·,d])`,
/// `context[d,e] = Σ_n k'[n,d]·v[n,e]`, `out[n,e] = Σ_d q'[n,d]·context[d,e]`. Returns out, (q', k', v), context.
func linearAttention(qkv: ReferenceTensor, heads: Int, headDim: Int) -> [ReferenceTensor] {
    let axes = ByHead(qkv, parts: 3, heads: heads, headDim: headDim)
    var out = ReferenceTensor(qkv.shape.dropLast() + [heads * headDim])
    let outAxes = ByHead(out, parts: 1, heads: heads, headDim: headDim)
    var softened = ReferenceTensor(qkv.shape)
    var contexts = ReferenceTensor([axes.images, heads, headDim, headDim])
    for image in 0..<axes.images {
        for head in 0..<heads {
            let q = axes.vectors(qkv, image, part: 0, head).map { row in
                softmax(row).map { $0 / Double(headDim).squareRoot() }
            }
            let k = transposed(transposed(axes.vectors(qkv, image, part: 1, head)).map(softmax))
            let v = axes.vectors(qkv, image, part: 2, head)
            let context = product(transposed(k), v)
            outAxes.store(product(q, context), in: &out, image, part: 0, head)
            for (part, vectors) in [q, k, v].enumerated() {
                axes.store(vectors, in: &softened, image, part: part, head)
            }
            for d in 0..<headDim {
                for e in 0..<headDim { contexts[image, head, d, e] = context[d][e] }
            }
        }
    }
    return [out, softened, contexts]
}

/// `dq'[n,d] = Σ_e dout[n,e]·context[d,e]`, `dcontext[d,e] = Σ_n q'[n,d]·dout[n,e]`,
/// `dk'[n,d] = Σ_e dcontext[d,e]·v[n,e]`, `dv[n,e] = Σ_d k'[n,d]·dcontext[d,e]`; through the softmaxes
/// `dq[n,d] = q'[n,d]·(dq'[n,d] − √D·Σ_d' q'[n,d']·dq'[n,d'])` and `dk[n,d] = k'[n,d]·(dk'[n,d] − Σ_m k'[m,d]·dk'[m,d])`.
func linearAttentionGradient(
    dout: ReferenceTensor, softened: ReferenceTensor, context contexts: ReferenceTensor, heads: Int, headDim: Int
) -> ReferenceTensor {
    let axes = ByHead(softened, parts: 3, heads: heads, headDim: headDim)
    let outAxes = ByHead(dout, parts: 1, heads: heads, headDim: headDim)
    var dqkv = ReferenceTensor(softened.shape)
    for image in 0..<axes.images {
        for head in 0..<heads {
            let q = axes.vectors(softened, image, part: 0, head)
            let k = axes.vectors(softened, image, part: 1, head)
            let v = axes.vectors(softened, image, part: 2, head)
            let context = (0..<headDim).map { d in (0..<headDim).map { e in contexts[image, head, d, e] } }
            let dOut = outAxes.vectors(dout, image, part: 0, head)

            let dContext = product(transposed(q), dOut)
            let dqSoft = product(dOut, transposed(context))
            let dkSoft = product(v, transposed(dContext))
            let dv = product(k, dContext)
            let dq = (0..<axes.positions).map { n in
                let mean = dot(q[n], dqSoft[n]) * Double(headDim).squareRoot()
                return (0..<headDim).map { d in q[n][d] * (dqSoft[n][d] - mean) }
            }
            let means = zip(transposed(k), transposed(dkSoft)).map(dot)
            let dk = (0..<axes.positions).map { n in
                (0..<headDim).map { d in k[n][d] * (dkSoft[n][d] - means[d]) }
            }
            for (part, vectors) in [dq, dk, dv].enumerated() {
                axes.store(vectors, in: &dqkv, image, part: part, head)
            }
        }
    }
    return dqkv
}

// MARK: Full attention

/// Per image and head, `S[n,m] = D^-½·Σ_d q[n,d]·k[m,d]`, `out[n,e] = Σ_m softmax_m(S[n,·])[m]·v[m,e]`,
/// `logSumExp[n] = ln Σ_m e^S[n,m]`. Returns out and logSumExp `[N,heads,P]`.
func fullAttention(qkv: ReferenceTensor, heads: Int, headDim: Int, headsFirst: Bool) -> [ReferenceTensor] {
    let axes = ByHead(qkv, parts: 3, heads: heads, headDim: headDim, headsFirst: headsFirst)
    var out = ReferenceTensor(qkv.shape.dropLast() + [heads * headDim])
    let outAxes = ByHead(out, parts: 1, heads: heads, headDim: headDim)
    var logSumExp = ReferenceTensor([axes.images, heads, axes.positions])
    for image in 0..<axes.images {
        for head in 0..<heads {
            let logits = attentionLogits(qkv, axes, image, head)
            let v = axes.vectors(qkv, image, part: 2, head)
            outAxes.store(product(logits.map(softmax), v), in: &out, image, part: 0, head)
            for n in 0..<axes.positions {
                let largest = logits[n].max() ?? 0
                let sum = logits[n].map { exp($0 - largest) }.reduce(0, +)
                logSumExp[image * heads + head, n] = largest + log(sum)
            }
        }
    }
    return [out, logSumExp]
}

/// `S[n,m] = D^-½·Σ_d q[n,d]·k[m,d]`.
private func attentionLogits(_ qkv: ReferenceTensor, _ axes: ByHead, _ image: Int, _ head: Int) -> [[Double]] {
    let scale = 1 / Double(axes.headDim).squareRoot()
    let q = axes.vectors(qkv, image, part: 0, head)
    let k = axes.vectors(qkv, image, part: 1, head)
    return product(q, transposed(k)).map { row in row.map { $0 * scale } }
}

/// With `A[n,m] = e^(S[n,m] − logSumExp[n])`: `dv[m] = Σ_n A[n,m]·dout[n]`, `dA[n,m] = dout[n]·v[m]`,
/// `dS[n,m] = A[n,m]·(dA[n,m] − dout[n]·out[n])`, `dq[n] = D^-½·Σ_m dS[n,m]·k[m]`, `dk[m] = D^-½·Σ_n dS[n,m]·q[n]`.
func fullAttentionGradient(
    dout: ReferenceTensor, qkv: ReferenceTensor, out: ReferenceTensor, logSumExp: ReferenceTensor, heads: Int,
    headDim: Int, headsFirst: Bool
) -> ReferenceTensor {
    let axes = ByHead(qkv, parts: 3, heads: heads, headDim: headDim, headsFirst: headsFirst)
    let outAxes = ByHead(dout, parts: 1, heads: heads, headDim: headDim)
    let scale = 1 / Double(headDim).squareRoot()
    var dqkv = ReferenceTensor(qkv.shape)
    for image in 0..<axes.images {
        for head in 0..<heads {
            let q = axes.vectors(qkv, image, part: 0, head)
            let k = axes.vectors(qkv, image, part: 1, head)
            let v = axes.vectors(qkv, image, part: 2, head)
            let o = outAxes.vectors(out, image, part: 0, head)
            let dOut = outAxes.vectors(dout, image, part: 0, head)
            let logits = attentionLogits(qkv, axes, image, head)

            let weights = (0..<axes.positions).map { n in
                logits[n].map { exp($0 - logSumExp[image * heads + head, n]) }
            }
            let dWeights = product(dOut, transposed(v))
            let dLogits = (0..<axes.positions).map { n in
                (0..<axes.positions).map { m in weights[n][m] * (dWeights[n][m] - dot(dOut[n], o[n])) }
            }
            let dq = product(dLogits, k).map { row in row.map { $0 * scale } }
            let dk = product(transposed(dLogits), q).map { row in row.map { $0 * scale } }
            let dv = product(transposed(weights), dOut)
            for (part, vectors) in [dq, dk, dv].enumerated() {
                axes.store(vectors, in: &dqkv, image, part: part, head)
            }
        }
    }
    return dqkv
}
