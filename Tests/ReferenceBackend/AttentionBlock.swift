// Linear attention with the 1×1 convolutions around it, step by step as the operations that it stands for.
// Axes: N images, P positions (H·W), D = heads·headDim, C channels of x, O of y.

/// Columns `range` of every row.
private func columns(_ x: ReferenceTensor, _ range: Range<Int>) -> ReferenceTensor {
    var part = ReferenceTensor(x.shape.dropLast() + [range.count])
    for row in 0..<x.rows {
        for (to, from) in range.enumerated() { part[row, to] = x[row, from] }
    }
    return part
}

/// `[N,H,W,D]` as `[N,heads,P,headDim]`.
private func headByHead(_ x: ReferenceTensor, heads: Int) -> ReferenceTensor {
    let (images, headDim) = (x.shape[0], x.columns / heads)
    let positions = x.rows / images
    var result = ReferenceTensor([images, heads, positions, headDim])
    for row in 0..<x.rows {
        for d in 0..<x.columns { result[row / positions, d / headDim, row % positions, d % headDim] = x[row, d] }
    }
    return result
}

/// Where q' of a channel and a position lies: images in turn, of each tiles of 32 positions, of each `[D,32]`.
private func placeInTiles(image: Int, position: Int, channel: Int, positions: Int, inner: Int) -> Int {
    let first = position / 32 * 32
    let rows = min(32, positions - first)
    return (image * positions + first) * inner + channel * rows + position - first
}

/// `[N,H,W,D]` in tiles, of the shape `[N,heads,P,headDim]`.
private func tileByTile(_ x: ReferenceTensor, heads: Int) -> ReferenceTensor {
    let positions = x.rows / x.shape[0]
    var result = ReferenceTensor([x.shape[0], heads, positions, x.columns / heads])
    for row in 0..<x.rows {
        for d in 0..<x.columns {
            let place = placeInTiles(
                image: row / positions, position: row % positions, channel: d, positions: positions, inner: x.columns)
            result.values[place] = x[row, d]
        }
    }
    return result
}

/// Returns y, q', k', and the means of x under k' `[N,D,C]`.
func linearAttentionBlock(
    x: ReferenceTensor, wIn: ReferenceTensor, wOut: ReferenceTensor, bias: ReferenceTensor, heads: Int, headDim: Int
) -> [ReferenceTensor] {
    let inner = heads * headDim
    let channels = 0..<x.columns
    let qkv = linear(x: x, w: wIn, bias: nil, addend: nil, weightChannels: channels)
    let attended = linearAttention(qkv: qkv, heads: heads, headDim: headDim)
    let y = linear(x: attended[0], w: wOut, bias: bias, addend: nil, weightChannels: 0..<inner)
    let keys = columns(attended[1], inner..<2 * inner)
    var mean = ReferenceTensor([x.shape[0], inner, x.columns])
    let positions = x.rows / x.shape[0]
    for row in 0..<x.rows {
        for d in 0..<inner {
            for c in channels { mean[row / positions * inner + d, c] += keys[row, d] * x[row, c] }
        }
    }
    let queries = columns(attended[1], 0..<inner)
    return [y, tileByTile(queries, heads: heads), headByHead(keys, heads: heads), mean]
}

/// Returns dx, dwIn, dwOut, dbias. The context is taken from the means, v from x.
func linearAttentionBlockGradient(
    dy: ReferenceTensor, x: ReferenceTensor, wIn: ReferenceTensor, wOut: ReferenceTensor, queries: ReferenceTensor,
    keys: ReferenceTensor, mean: ReferenceTensor, heads: Int, headDim: Int
) -> [ReferenceTensor] {
    let inner = heads * headDim
    let channels = 0..<x.columns
    let v = columns(linear(x: x, w: wIn, bias: nil, addend: nil, weightChannels: channels), 2 * inner..<3 * inner)
    let all = linear(x: mean, w: wIn, bias: nil, addend: nil, weightChannels: channels)  // [N,D,3·D]
    var softened = ReferenceTensor(x.shape.dropLast() + [3 * inner])
    var out = ReferenceTensor(x.shape.dropLast() + [inner])
    var context = ReferenceTensor([x.shape[0], heads, headDim, headDim])
    let positions = x.rows / x.shape[0]
    for image in 0..<x.shape[0] {
        for head in 0..<heads {
            for d in 0..<headDim {
                for e in 0..<headDim {
                    context[image, head, d, e] =
                        all[
                            image * inner + head * headDim + d, 2 * inner + head * headDim + e]
                }
            }
        }
    }
    for row in 0..<x.rows {
        let (image, position) = (row / positions, row % positions)
        for channel in 0..<inner {
            let (head, d) = (channel / headDim, channel % headDim)
            let query = queries.values[
                placeInTiles(image: image, position: position, channel: channel, positions: positions, inner: inner)]
            softened[row, channel] = query
            softened[row, inner + channel] = keys[image, head, position, d]
            softened[row, 2 * inner + channel] = v[row, channel]
            for e in 0..<headDim {
                out[row, head * headDim + e] += query * context[image, head, d, e]
            }
        }
    }
    let dout = linearInputGradient(dy: dy, w: wOut, addend: nil, weightChannels: 0..<inner)
    let dqkv = linearAttentionGradient(
        dout: dout, softened: softened, context: context, heads: heads, headDim: headDim)
    return [
        linearInputGradient(dy: dqkv, w: wIn, addend: nil, weightChannels: channels),
        linearWeightGradient(x: x, dy: dqkv, weightChannels: channels, shape: wIn.shape),
        linearWeightGradient(x: out, dy: dy, weightChannels: 0..<inner, shape: wOut.shape),
        biasGradient(dy: dy),
    ]
}
