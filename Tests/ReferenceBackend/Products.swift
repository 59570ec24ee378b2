import TensorGraph

// Axes: N images, H rows, W columns of the input, V rows, U columns of the output; C input channels, O output channels,
// I input channels of the whole weight, of which `weightChannels` is used; kh, kw the kernel.

/// Calls `body` for each product of a convolution, with the places of its factors: output row v and column u, input row
/// h and column w, kernel row i and column j, where h = v·stride + i − padding lies inside the input, and w alike.
func forEachTap(
    _ geometry: ConvolutionGeometry, input: (height: Int, width: Int), output: (height: Int, width: Int),
    _ body: (_ v: Int, _ u: Int, _ h: Int, _ w: Int, _ i: Int, _ j: Int) -> Void
) {
    for v in 0..<output.height {
        for u in 0..<output.width {
            for i in 0..<geometry.kernelHeight {
                for j in 0..<geometry.kernelWidth {
                    let h = v * geometry.stride + i - geometry.paddingHeight
                    let w = u * geometry.stride + j - geometry.paddingWidth
                    if (0..<input.height).contains(h) && (0..<input.width).contains(w) { body(v, u, h, w, i, j) }
                }
            }
        }
    }
}

/// `y[n,v,u,o] = Σ_{i,j,c} x[n,h,w,c] · w[o, lower + c, i, j] + bias[o] + addend[n,v,u,o]`.
func convolution(
    x: ReferenceTensor, w weight: ReferenceTensor, bias: ReferenceTensor?, addend: ReferenceTensor?,
    _ geometry: ConvolutionGeometry, weightChannels: Range<Int>
) -> ReferenceTensor {
    let (images, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    let (outputHeight, outputWidth) = geometry.outputSize(height, width)
    let outputChannels = weight.shape[0]
    precondition(weightChannels.count == x.shape[3], "weight channels \(weightChannels) for x \(x.shape)")
    precondition(
        weight.shape[2...] == [geometry.kernelHeight, geometry.kernelWidth], "weight \(weight.shape) for \(geometry)")
    var y = addend ?? ReferenceTensor([images, outputHeight, outputWidth, outputChannels])
    if let bias {
        for row in 0..<y.rows {
            for o in 0..<outputChannels { y[row, o] += bias.values[o] }
        }
    }
    for n in 0..<images {
        forEachTap(geometry, input: (height, width), output: (outputHeight, outputWidth)) { v, u, h, w, i, j in
            for o in 0..<outputChannels {
                var sum = 0.0
                for c in 0..<weightChannels.count {
                    sum += x[n, h, w, c] * weight[o, weightChannels.lowerBound + c, i, j]
                }
                y[n, v, u, o] += sum
            }
        }
    }
    return y
}

/// `dx[n,h,w,c] = Σ dy[n,v,u,o] · w[o, lower + c, i, j] + addend[n,h,w,c]`, over all o and all taps of (h, w).
func convolutionInputGradient(
    dy: ReferenceTensor, w weight: ReferenceTensor, addend: ReferenceTensor?, _ geometry: ConvolutionGeometry,
    weightChannels: Range<Int>, shape: [Int]
) -> ReferenceTensor {
    var dx = addend ?? ReferenceTensor(shape)
    for n in 0..<shape[0] {
        forEachTap(geometry, input: (shape[1], shape[2]), output: (dy.shape[1], dy.shape[2])) { v, u, h, w, i, j in
            for c in 0..<weightChannels.count {
                var sum = 0.0
                for o in 0..<weight.shape[0] {
                    sum += dy[n, v, u, o] * weight[o, weightChannels.lowerBound + c, i, j]
                }
                dx[n, h, w, c] += sum
            }
        }
    }
    return dx
}

/// `dw[o, lower + c, i, j] = Σ_{n,v,u} dy[n,v,u,o] · x[n,h,w,c]`, and 0 outside `weightChannels`.
func convolutionWeightGradient(
    x: ReferenceTensor, dy: ReferenceTensor, _ geometry: ConvolutionGeometry, weightChannels: Range<Int>, shape: [Int]
) -> ReferenceTensor {
    var dw = ReferenceTensor(shape)
    for n in 0..<x.shape[0] {
        let (input, output) = ((x.shape[1], x.shape[2]), (dy.shape[1], dy.shape[2]))
        forEachTap(geometry, input: input, output: output) { v, u, h, w, i, j in
            for o in 0..<shape[0] {
                for c in 0..<weightChannels.count {
                    dw[o, weightChannels.lowerBound + c, i, j] += dy[n, v, u, o] * x[n, h, w, c]
                }
            }
        }
    }
    return dw
}

/// `dbias[o] = Σ_rows dy[row,o]`.
func biasGradient(dy: ReferenceTensor) -> ReferenceTensor {
    var dbias = ReferenceTensor([dy.columns])
    for row in 0..<dy.rows {
        for o in 0..<dy.columns { dbias.values[o] += dy[row, o] }
    }
    return dbias
}

/// A weight `[O,I]` or `[O,I,1,1]` as `[O,I]`.
private func matrix(_ weight: ReferenceTensor) -> ReferenceTensor {
    precondition(weight.shape.dropFirst(2).allSatisfy { $0 == 1 }, "a weight \(weight.shape) is no matrix")
    return weight.reshaped([weight.shape[0], weight.shape[1]])
}

/// `y[row,o] = Σ_k x[row,k] · w[o, lower + k] + bias[o] + addend[row,o]`.
func linear(
    x: ReferenceTensor, w weight: ReferenceTensor, bias: ReferenceTensor?, addend: ReferenceTensor?,
    weightChannels: Range<Int>
) -> ReferenceTensor {
    let w = matrix(weight)
    precondition(weightChannels.count == x.columns, "weight channels \(weightChannels) for x \(x.shape)")
    var y = addend ?? ReferenceTensor(x.shape.dropLast() + [w.rows])
    for row in 0..<x.rows {
        for o in 0..<w.rows {
            var sum = bias?.values[o] ?? 0
            for k in 0..<x.columns { sum += x[row, k] * w[o, weightChannels.lowerBound + k] }
            y[row, o] += sum
        }
    }
    return y
}

/// `dx[row,k] = Σ_o dy[row,o] · w[o, lower + k] + addend[row,k]`.
func linearInputGradient(
    dy: ReferenceTensor, w weight: ReferenceTensor, addend: ReferenceTensor?, weightChannels: Range<Int>
) -> ReferenceTensor {
    let w = matrix(weight)
    var dx = addend ?? ReferenceTensor(dy.shape.dropLast() + [weightChannels.count])
    for row in 0..<dy.rows {
        for k in 0..<weightChannels.count {
            for o in 0..<w.rows { dx[row, k] += dy[row, o] * w[o, weightChannels.lowerBound + k] }
        }
    }
    return dx
}

/// `dw[o, lower + k] = Σ_rows dy[row,o] · x[row,k]`, and 0 outside `weightChannels`; as `[O,I]` or `[O,I,1,1]`.
func linearWeightGradient(
    x: ReferenceTensor, dy: ReferenceTensor, weightChannels: Range<Int>, shape: [Int]
) -> ReferenceTensor {
    var dw = matrix(ReferenceTensor(shape))
    for row in 0..<x.rows {
        for o in 0..<dy.columns {
            for k in 0..<x.columns { dw[o, weightChannels.lowerBound + k] += dy[row, o] * x[row, k] }
        }
    }
    return dw.reshaped(shape)
}
