import Foundation

// Axes: N images, P positions (H·W), C channels, G groups of C/G neighbouring channels.

/// An activation `[N,H,W,C]` (or `[N,C]`) as `[N,P,C]`, to be indexed by image, position and channel.
private struct ByImage {
    let images: Int
    let positions: Int
    let channels: Int

    init(_ tensor: ReferenceTensor) {
        images = tensor.shape[0]
        channels = tensor.columns
        positions = tensor.rows / images
    }

    /// Row of position `p` of image `n`.
    func row(_ n: Int, _ p: Int) -> Int { n * positions + p }
}

// MARK: GroupNorm

/// `y = (x − mean)·rstd·gamma + beta`, mean and rstd = 1/√(variance + ε) over the positions and channels of a group.
/// Returns y and statistics `[N,G,2]` = (mean, rstd).
func groupNorm(
    x: ReferenceTensor, gamma: ReferenceTensor, beta: ReferenceTensor, groups: Int, epsilon: Double
) -> [ReferenceTensor] {
    let axes = ByImage(x)
    let width = axes.channels / groups
    precondition(width * groups == axes.channels, "\(axes.channels) channels in \(groups) groups")
    let elements = Double(axes.positions * width)
    var statistics = ReferenceTensor([axes.images, groups, 2])
    for n in 0..<axes.images {
        for group in 0..<groups {
            var sum = 0.0
            for p in 0..<axes.positions {
                for c in group * width..<(group + 1) * width { sum += x[axes.row(n, p), c] }
            }
            let mean = sum / elements
            var squares = 0.0
            for p in 0..<axes.positions {
                for c in group * width..<(group + 1) * width {
                    squares += (x[axes.row(n, p), c] - mean) * (x[axes.row(n, p), c] - mean)
                }
            }
            statistics[n * groups + group, 0] = mean
            statistics[n * groups + group, 1] = 1 / (squares / elements + epsilon).squareRoot()
        }
    }
    return [affine(standardized(x: x, statistics: statistics, groups: groups), gamma: gamma, beta: beta), statistics]
}

/// `x̂ = (x − mean)·rstd`, with the statistics of the group.
private func standardized(x: ReferenceTensor, statistics: ReferenceTensor, groups: Int) -> ReferenceTensor {
    let axes = ByImage(x)
    var result = ReferenceTensor(x.shape)
    for n in 0..<axes.images {
        for p in 0..<axes.positions {
            for c in 0..<axes.channels {
                let group = n * groups + c / (axes.channels / groups)
                result[axes.row(n, p), c] = (x[axes.row(n, p), c] - statistics[group, 0]) * statistics[group, 1]
            }
        }
    }
    return result
}

/// `x̂·gamma + beta`, per channel.
private func affine(_ x: ReferenceTensor, gamma: ReferenceTensor, beta: ReferenceTensor) -> ReferenceTensor {
    var y = ReferenceTensor(x.shape)
    for row in 0..<x.rows {
        for c in 0..<x.columns { y[row, c] = x[row, c] * gamma.values[c] + beta.values[c] }
    }
    return y
}

/// With `a = dy·gamma` and ⟨·⟩ the mean over a group: `dx = rstd·(a − ⟨a⟩ − x̂·⟨a·x̂⟩)`; `dgamma[c] = Σ dy·x̂`,
/// `dbeta[c] = Σ dy`.
func groupNormGradient(
    dy: ReferenceTensor, x: ReferenceTensor, gamma: ReferenceTensor, statistics: ReferenceTensor, groups: Int
) -> [ReferenceTensor] {
    let axes = ByImage(x)
    let width = axes.channels / groups
    let elements = Double(axes.positions * width)
    let xHat = standardized(x: x, statistics: statistics, groups: groups)
    var dx = ReferenceTensor(x.shape)
    var dgamma = ReferenceTensor([axes.channels])
    var dbeta = ReferenceTensor([axes.channels])
    for n in 0..<axes.images {
        for group in 0..<groups {
            var meanA = 0.0
            var meanAX = 0.0
            for p in 0..<axes.positions {
                for c in group * width..<(group + 1) * width {
                    let row = axes.row(n, p)
                    meanA += dy[row, c] * gamma.values[c] / elements
                    meanAX += dy[row, c] * gamma.values[c] * xHat[row, c] / elements
                    dgamma.values[c] += dy[row, c] * xHat[row, c]
                    dbeta.values[c] += dy[row, c]
                }
            }
            for p in 0..<axes.positions {
                for c in group * width..<(group + 1) * width {
                    let row = axes.row(n, p)
                    let a = dy[row, c] * gamma.values[c]
                    dx[row, c] = statistics[n * groups + group, 1] * (a - meanA - xHat[row, c] * meanAX)
                }
            }
        }
    }
    return [dx, dgamma, dbeta]
}

// MARK: Modulation

/// `y = x·(scale + 1) + shift`, scale and shift the halves of `scaleShift [N,2C]`, the same at all positions.
func modulate(x: ReferenceTensor, scaleShift: ReferenceTensor) -> ReferenceTensor {
    let axes = ByImage(x)
    var y = ReferenceTensor(x.shape)
    for n in 0..<axes.images {
        for p in 0..<axes.positions {
            for c in 0..<axes.channels {
                let (scale, shift) = (scaleShift[n, c], scaleShift[n, axes.channels + c])
                y[axes.row(n, p), c] = x[axes.row(n, p), c] * (scale + 1) + shift
            }
        }
    }
    return y
}

/// `dx = dy·(scale + 1)`, `dscale[n,c] = Σ_p dy·x`, `dshift[n,c] = Σ_p dy`.
func modulateGradient(dy: ReferenceTensor, x: ReferenceTensor, scaleShift: ReferenceTensor) -> [ReferenceTensor] {
    let axes = ByImage(x)
    var dx = ReferenceTensor(x.shape)
    var dscaleShift = ReferenceTensor(scaleShift.shape)
    for n in 0..<axes.images {
        for p in 0..<axes.positions {
            for c in 0..<axes.channels {
                let row = axes.row(n, p)
                dx[row, c] = dy[row, c] * (scaleShift[n, c] + 1)
                dscaleShift[n, c] += dy[row, c] * x[row, c]
                dscaleShift[n, axes.channels + c] += dy[row, c]
            }
        }
    }
    return [dx, dscaleShift]
}

// MARK: GroupNorm, modulation, SiLU and residual in one

/// `y = silu(modulate(groupNorm(x))) + residual`; returns y and the statistics of the norm.
func groupNormSiLU(
    x: ReferenceTensor, gamma: ReferenceTensor, beta: ReferenceTensor, scaleShift: ReferenceTensor?,
    residual: ReferenceTensor?, groups: Int, epsilon: Double
) -> [ReferenceTensor] {
    let normed = groupNorm(x: x, gamma: gamma, beta: beta, groups: groups, epsilon: epsilon)
    var y = normed[0]
    if let scaleShift { y = modulate(x: y, scaleShift: scaleShift) }
    y = silu(x: y)
    if let residual { y = y.zip(residual) { $0 + $1 } }
    return [y, normed[1]]
}

/// The gradients of SiLU, modulation and norm, one after the other, from the statistics of the forward pass.
/// Returns dx, dgamma, dbeta and, when modulated, dscaleShift.
func groupNormSiLUGradient(
    dy: ReferenceTensor, x: ReferenceTensor, gamma: ReferenceTensor, beta: ReferenceTensor,
    scaleShift: ReferenceTensor?, statistics: ReferenceTensor, groups: Int
) -> [ReferenceTensor] {
    let normed = affine(standardized(x: x, statistics: statistics, groups: groups), gamma: gamma, beta: beta)
    guard let scaleShift else {
        let dnormed = siluGradient(dy: dy, x: normed)
        return groupNormGradient(dy: dnormed, x: x, gamma: gamma, statistics: statistics, groups: groups)
    }
    let dmodulated = siluGradient(dy: dy, x: modulate(x: normed, scaleShift: scaleShift))
    let modulation = modulateGradient(dy: dmodulated, x: normed, scaleShift: scaleShift)
    let norm = groupNormGradient(dy: modulation[0], x: x, gamma: gamma, statistics: statistics, groups: groups)
    return norm + [modulation[1]]
}

// MARK: RMSNorm

/// `y = x / max(‖x‖₂, 1e-12) · g · √C + residual`, the norm over the channels of a position.
func rmsNorm(x: ReferenceTensor, g: ReferenceTensor, residual: ReferenceTensor?) -> ReferenceTensor {
    var y = residual ?? ReferenceTensor(x.shape)
    let root = Double(x.columns).squareRoot()
    for row in 0..<x.rows {
        let length = max(norm(of: x, row: row), 1e-12)
        for c in 0..<x.columns { y[row, c] += x[row, c] / length * g.values[c] * root }
    }
    return y
}

/// With `u = x/‖x‖₂` and `a = dy·g·√C`: `dx = (a − u·Σ_c a·u) / ‖x‖₂`, or `a / 1e-12` where ‖x‖₂ is below 1e-12 and
/// the divisor is a constant; `dg[c] = Σ dy·u·√C`.
func rmsNormGradient(dy: ReferenceTensor, x: ReferenceTensor, g: ReferenceTensor) -> [ReferenceTensor] {
    var dx = ReferenceTensor(x.shape)
    var dg = ReferenceTensor(g.shape)
    let root = Double(x.columns).squareRoot()
    for row in 0..<x.rows {
        let length = max(norm(of: x, row: row), 1e-12)
        let lengthVaries = length > 1e-12
        var projection = 0.0
        for c in 0..<x.columns { projection += dy[row, c] * g.values[c] * root * x[row, c] / length }
        for c in 0..<x.columns {
            let (a, u) = (dy[row, c] * g.values[c] * root, x[row, c] / length)
            dx[row, c] = (lengthVaries ? a - u * projection : a) / length
            dg.values[c] += dy[row, c] * u * root
        }
    }
    return [dx, dg]
}

/// `‖x‖₂` over the channels of a row.
private func norm(of x: ReferenceTensor, row: Int) -> Double {
    var squares = 0.0
    for c in 0..<x.columns { squares += x[row, c] * x[row, c] }
    return squares.squareRoot()
}
