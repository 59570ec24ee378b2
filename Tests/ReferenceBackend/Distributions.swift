import Foundation
import TensorGraph

/// The elements of each window of an image `[H, W, C]`.
private func windows(_ size: Int, _ shape: [Int]) -> [[Int]] {
    let (height, width, channels) = (shape[1], shape[2], shape[3])
    if size == 0 { return [Array(0..<height * width * channels)] }
    return stride(from: 0, to: height, by: size).flatMap { top in
        stride(from: 0, to: width, by: size).map { left in
            (top..<top + size).flatMap { h in
                (left..<left + size).flatMap { w in (0..<channels).map { (h * width + w) * channels + $0 } }
            }
        }
    }
}

/// `c² + mean (a − b)²` over a window.
private func softened(_ window: [Int], _ a: ArraySlice<Double>, _ b: ArraySlice<Double>, _ c: Double) -> Double {
    let squares = window.map { i in
        let d = a[a.startIndex + i] - b[b.startIndex + i]
        return d * d
    }
    return c * c + squares.reduce(0, +) / Double(window.count)
}

/// `energyWeight[n] · score + errorWeight[n] · 1/m Σ_j ⟨(x_j − y)²⟩`, the score as ``EnergyScore`` says.
func energyScore(
    x: ReferenceTensor, y: ReferenceTensor, energyWeight: ReferenceTensor, errorWeight: ReferenceTensor,
    _ score: EnergyScore
) -> ReferenceTensor {
    let (m, beta, c) = (score.draws, Double(score.exponent), Double(score.softening))
    let (samples, elements) = (y.shape[0], y.values.count / y.shape[0])
    var loss = ReferenceTensor([samples])
    for n in 0..<samples {
        let draws = (0..<m).map { j in x.values[(n * m + j) * elements..<(n * m + j + 1) * elements] }
        let truth = y.values[n * elements..<(n + 1) * elements]
        let error = draws.map { softened(Array(0..<elements), $0, truth, 0) }.reduce(0, +) / Double(m)
        let bySize = score.windows.map { size in
            let scores = windows(size, y.shape).map { window in
                let near = draws.map { pow(softened(window, $0, truth, c), beta / 2) }.reduce(0, +) / Double(m)
                var apart = 0.0
                for j in 0..<m {
                    for k in 0..<m where k != j { apart += pow(softened(window, draws[j], draws[k], c), beta / 2) }
                }
                return near - (m > 1 ? Double(score.repulsion) * apart / Double(2 * m * (m - 1)) : 0)
            }
            return scores.reduce(0, +) / Double(scores.count)
        }
        let energy = bySize.reduce(0, +) / Double(bySize.count)
        loss.values[n] = energyWeight.values[n] * energy + errorWeight.values[n] * error
    }
    return loss
}

/// Of each window of D numbers, of P in an image, `dx_j += β/(P D) [1/m s_jy^(β/2−1) (x_j − y)
/// − λ/(m(m−1)) Σ_{k≠j} s_jk^(β/2−1) (x_j − x_k)]`, and of the error `2/(m E) (x_j − y)`.
func energyScoreGradient(
    dloss: ReferenceTensor, x: ReferenceTensor, y: ReferenceTensor, energyWeight: ReferenceTensor,
    errorWeight: ReferenceTensor, _ score: EnergyScore
) -> ReferenceTensor {
    let (m, beta, c) = (score.draws, Double(score.exponent), Double(score.softening))
    let (samples, elements) = (y.shape[0], y.values.count / y.shape[0])
    var dx = ReferenceTensor(x.shape)
    for n in 0..<samples {
        let draws = (0..<m).map { j in x.values[(n * m + j) * elements..<(n * m + j + 1) * elements] }
        let truth = y.values[n * elements..<(n + 1) * elements]
        func add(_ factor: Double, _ window: [Int], _ j: Int, _ other: ArraySlice<Double>) {
            for i in window {
                let difference = x.values[(n * m + j) * elements + i] - other[other.startIndex + i]
                dx.values[(n * m + j) * elements + i] += dloss.values[n] * factor * difference
            }
        }
        for j in 0..<m {
            add(errorWeight.values[n] * 2 / Double(m * elements), Array(0..<elements), j, truth)
            for size in score.windows {
                let windows = windows(size, y.shape)
                for window in windows {
                    let factor =
                        energyWeight.values[n] * beta
                        / Double(score.windows.count * windows.count * window.count)
                    add(factor / Double(m) * pow(softened(window, draws[j], truth, c), beta / 2 - 1), window, j, truth)
                    for k in 0..<m where k != j {
                        let slope = pow(softened(window, draws[j], draws[k], c), beta / 2 - 1)
                        add(-factor * Double(score.repulsion) / Double(m * (m - 1)) * slope, window, j, draws[k])
                    }
                }
            }
        }
    }
    return dx
}

/// What a mixture's prediction says of one pixel.
private struct PixelMixture {
    let means: [[Double]]
    let weights: [Double]
    /// ln σ.
    let logDeviation: Double
    /// d ln σ / ds.
    let slope: Double

    init(_ prediction: ArraySlice<Double>, components: Int, channels: Int) {
        let p = Array(prediction)
        means = (0..<components).map { k in Array(p[k * channels..<(k + 1) * channels]) }
        let logits = p[components * channels..<components * (channels + 1)]
        let exponentials = logits.map { exp($0 - (logits.max() ?? 0)) }
        weights = exponentials.map { $0 / exponentials.reduce(0, +) }
        let t = tanh(p[p.count - 1] / 3)
        logDeviation = -2 + 3 * t
        slope = 1 - t * t
    }

    /// ln (π_k N(y; μ_k, σ² I)).
    func logTerms(_ y: ArraySlice<Double>) -> [Double] {
        zip(means, weights).map { mean, weight in
            let square = zip(mean, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            return log(weight) - square / 2 * exp(-2 * logDeviation)
                - Double(y.count) * (logDeviation + log(2 * Double.pi) / 2)
        }
    }
}

private func logSumExp(_ terms: [Double]) -> Double {
    let top = terms.max() ?? 0
    return top + log(terms.reduce(0) { $0 + exp($1 - top) })
}

/// `weight[n] · mean over pixels of −ln Σ_k π_k N(y; μ_k, σ² I) / C`.
func mixtureLikelihood(
    prediction: ReferenceTensor, target: ReferenceTensor, weight: ReferenceTensor, components: Int
) -> ReferenceTensor {
    let (length, channels) = (prediction.columns, target.columns)
    let pixels = target.rows / weight.values.count
    var loss = ReferenceTensor([weight.values.count])
    for row in 0..<target.rows {
        let mixture = PixelMixture(
            prediction.values[row * length..<(row + 1) * length], components: components, channels: channels)
        let terms = mixture.logTerms(target.values[row * channels..<(row + 1) * channels])
        loss.values[row / pixels] -= weight.values[row / pixels] * logSumExp(terms) / Double(pixels * channels)
    }
    return loss
}

/// With responsibilities r: `dμ_k = r_k (μ_k − y)/σ²`, `dlogit_k = π_k − r_k`, `d ln σ = C − Σ_k r_k |y − μ_k|²/σ²`.
func mixtureLikelihoodGradient(
    dloss: ReferenceTensor, prediction: ReferenceTensor, target: ReferenceTensor, weight: ReferenceTensor,
    components: Int
) -> ReferenceTensor {
    let (length, channels) = (prediction.columns, target.columns)
    let pixels = target.rows / weight.values.count
    var gradient = ReferenceTensor(prediction.shape)
    for row in 0..<target.rows {
        let mixture = PixelMixture(
            prediction.values[row * length..<(row + 1) * length], components: components, channels: channels)
        let y = target.values[row * channels..<(row + 1) * channels]
        let terms = mixture.logTerms(y)
        let all = logSumExp(terms)
        let n = row / pixels
        let factor = dloss.values[n] * weight.values[n] / Double(pixels * channels)
        let precision = exp(-2 * mixture.logDeviation)
        var squares = 0.0
        for (k, mean) in mixture.means.enumerated() {
            let r = exp(terms[k] - all)
            for (c, value) in zip(mean, y).enumerated() {
                let d = value.0 - value.1
                gradient[row, k * channels + c] = factor * r * d * precision
                squares += r * d * d
            }
            gradient[row, components * channels + k] = factor * (mixture.weights[k] - r)
        }
        gradient[row, length - 1] = factor * (Double(channels) - squares * precision) * mixture.slope
    }
    return gradient
}
