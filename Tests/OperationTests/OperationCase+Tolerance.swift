import TensorGraph

extension OperationCase {
    /// Largest allowed error of a float32 backend, relative to the largest element of an output (or of a part of it).
    ///
    /// A few units of float32 rounding, 6e-8, times what the operation adds up; not to be widened so that a test passes.
    var tolerance: Double {
        switch operation {
        case .convolution, .convolutionInputGradient, .convolutionParameterGradient:
            return 2e-6
        case .linear, .linearInputGradient, .linearParameterGradient:
            return 1e-6
        case .groupNorm, .groupNormSiLU:
            // At a mean of 1000 an element carries its own rounding of 6e-5, against results of about 2 before gains.
            return values == .offset ? 2e-6 : 1e-6
        case .groupNormGradient, .groupNormSiLUGradient:
            return 2e-6
        case .rmsNorm, .rmsNormGradient, .rankOneUpdate, .rankOneUpdateGradient:
            return 1e-6
        case .hyperNetwork, .hyperNetworkGradient:
            return 3e-6
        case .modulate, .modulateGradient, .weightedSquaredErrorGradient, .sinusoidalEmbedding:
            return 5e-7
        case .silu, .siluGradient, .gelu, .geluGradient:
            return 1e-6
        case .weightedSquaredError:
            return 1e-6
        case .linearAttention, .linearAttentionGradient:
            return 3e-6
        case .linearAttentionBlock, .linearAttentionBlockGradient:
            // A logit of 80 is a sum that is rounded by 8e-6 or more, and its exponential is off by as much.
            return values == .saturated ? 3e-5 : 3e-6
        case .fullAttention, .fullAttentionGradient:
            // A logit of 80 is rounded by 4e-6, and its exponential is off by as much.
            return values == .saturated ? 1e-5 : 3e-6
        case .add:
            return 1e-7
        case .upsampleNearestGradient:
            return 3e-7
        case .concatenateChannels, .constant, .sliceChannels, .upsampleNearest:
            return 0
        }
    }
}

/// The largest |a − b| relative to the largest |b|, part by part of the last axis; the worst part counts.
///
/// A part of zeros (rounding left aside) is measured against the whole. Infinite when `a` is not finite.
func relativeError(_ a: [Double], _ b: [Double], shape: [Int], parts: Int) -> Double {
    let columns = shape[shape.count - 1]
    let largest = b.map(abs).max() ?? 0
    var worst = 0.0
    for part in 0..<parts {
        let indices = b.indices.filter { $0 % columns / (columns / parts) == part }
        let largestOfPart = indices.map { abs(b[$0]) }.max() ?? 0
        let scale = largestOfPart > 1e-6 * largest ? largestOfPart : largest
        for index in indices {
            let difference = abs(a[index] - b[index])
            guard difference != 0 else { continue }
            worst = difference.isFinite && scale > 0 ? max(worst, difference / scale) : .infinity
        }
    }
    return worst
}
