import Foundation

extension GaussianMixture {
    /// ln q(x), and ∇ ln q(x) into `score [D]`: without an array of matrices' size on the way.
    package func logDensity(_ x: [Double], score: inout [Double]) -> Double {
        precondition(x.count == dimension && score.count == dimension, "\(x.count) and \(score.count) of \(dimension)")
        let (d, precisions) = (dimension, shapes.precisions)
        // Σ_k⁻¹ (μ_k − x) of every component, and its ln w_k N(x; μ_k, Σ_k).
        var pulls = [Double](repeating: 0, count: components * d)
        var terms = shapes.logHeights
        for k in 0..<components {
            var square = 0.0
            for i in 0..<d {
                var sum = 0.0
                for j in 0..<d { sum += precisions[(k * d + i) * d + j] * (means[k * d + j] - x[j]) }
                pulls[k * d + i] = sum
                square += sum * (means[k * d + i] - x[i])
            }
            terms[k] += log(weights[k]) - square / 2
        }
        let density = logSumExp(terms)
        for i in 0..<d { score[i] = 0 }
        for k in 0..<components {
            let share = exp(terms[k] - density)
            for i in 0..<d { score[i] += share * pulls[k * d + i] }
        }
        return density
    }
}
