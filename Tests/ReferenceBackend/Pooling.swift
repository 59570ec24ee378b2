import TensorGraph

/// `y[n,v,u,c]`, the largest x[n,h,w,c] of the window.
func maxPool(x: ReferenceTensor, _ window: ConvolutionGeometry) -> ReferenceTensor {
    pooled(x, window) { $0.max() ?? .nan }
}

/// `y[n,v,u,c]`, the mean of those x[n,h,w,c] of the window that lie inside the image.
func averagePool(x: ReferenceTensor, _ window: ConvolutionGeometry) -> ReferenceTensor {
    pooled(x, window) { $0.reduce(0, +) / Double($0.count) }
}

/// Each window of one channel, without padding, to one number.
private func pooled(
    _ x: ReferenceTensor, _ window: ConvolutionGeometry, _ number: ([Double]) -> Double
) -> ReferenceTensor {
    let (height, width, channels) = (x.shape[1], x.shape[2], x.shape[3])
    let size = window.outputSize(height, width)
    var y = ReferenceTensor([x.shape[0], size.height, size.width, channels])
    for n in 0..<x.shape[0] {
        for c in 0..<channels {
            var seen = [[Double]](repeating: [], count: size.height * size.width)
            forEachTap(window, input: (height, width), output: size) { v, u, h, w, _, _ in
                seen[v * size.width + u].append(x[n, h, w, c])
            }
            for v in 0..<size.height { for u in 0..<size.width { y[n, v, u, c] = number(seen[v * size.width + u]) } }
        }
    }
    return y
}

/// `dx[n,h,w,c] = Σ dy[n,v,u,c] / (pixels of the window inside the image)` over the windows that (h,w) lies in.
func averagePoolGradient(dy: ReferenceTensor, _ shape: [Int], _ window: ConvolutionGeometry) -> ReferenceTensor {
    let (height, width, channels) = (shape[1], shape[2], shape[3])
    let size = (height: dy.shape[1], width: dy.shape[2])
    var dx = ReferenceTensor(shape)
    for n in 0..<shape[0] {
        for c in 0..<channels {
            var seen = [[(Int, Int)]](repeating: [], count: size.height * size.width)
            forEachTap(window, input: (height, width), output: size) { v, u, h, w, _, _ in
                seen[v * size.width + u].append((h, w))
            }
            for (index, pixels) in seen.enumerated() {
                for (h, w) in pixels {
                    dx[n, h, w, c] += dy[n, index / size.width, index % size.width, c] / Double(pixels.count)
                }
            }
        }
    }
    return dx
}
