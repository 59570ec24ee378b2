import Foundation

/// SSIM of two images: the mean over all windows that lie within them, and over channels, of
///
///     (2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂)),   C = (K L)²
///
/// with a Gaussian window of 11×11 pixels and σ = 1.5, K₁ = 0.01, K₂ = 0.03, L = 255 (Wang et al. 2004, equation 13).
public enum StructuralSimilarity {
    /// Pixels of a window's side.
    public static let window = 11

    private static let weights: [Double] = {
        let raw = (0..<window).map { exp(-pow(Double($0 - window / 2), 2) / (2 * 1.5 * 1.5)) }
        return raw.map { $0 / raw.reduce(0, +) }
    }()

    /// - Parameters:
    ///   - x, y: height × width × channels, 0 … 255.
    /// - Returns: nil where an image is smaller than a window.
    public static func between(_ x: [UInt8], _ y: [UInt8], height: Int, width: Int, channels: Int) -> Double? {
        precondition(x.count == y.count && x.count == height * width * channels, "\(x.count) and \(y.count) pixels")
        guard min(height, width) >= window else { return nil }
        let (c1, c2) = (2.55 * 2.55, 7.65 * 7.65)
        var sum = 0.0
        for channel in 0..<channels {
            let places = stride(from: channel, to: x.count, by: channels)
            let (a, b) = (places.map { Double(x[$0]) }, places.map { Double(y[$0]) })
            func mean(_ values: [Double]) -> [Double] { filtered(values, height, width) }
            func products(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 * $1 } }
            let (ma, mb) = (mean(a), mean(b))
            let (aa, bb, ab) = (mean(products(a, a)), mean(products(b, b)), mean(products(a, b)))
            let values = ma.indices.map { i in
                let (va, vb, vab) = (aa[i] - ma[i] * ma[i], bb[i] - mb[i] * mb[i], ab[i] - ma[i] * mb[i])
                return (2 * ma[i] * mb[i] + c1) * (2 * vab + c2)
                    / ((ma[i] * ma[i] + mb[i] * mb[i] + c1) * (va + vb + c2))
            }
            sum += values.reduce(0, +) / Double(values.count)
        }
        return sum / Double(channels)
    }

    /// Weighted means of all windows that lie within the image, rows of them one after the other.
    private static func filtered(_ values: [Double], _ height: Int, _ width: Int) -> [Double] {
        let (rows, columns) = (height - window + 1, width - window + 1)
        var across = [Double](repeating: 0, count: height * columns)
        for row in 0..<height {
            for column in 0..<columns {
                for k in 0..<window { across[row * columns + column] += weights[k] * values[row * width + column + k] }
            }
        }
        var result = [Double](repeating: 0, count: rows * columns)
        for row in 0..<rows {
            for column in 0..<columns {
                for k in 0..<window {
                    result[row * columns + column] += weights[k] * across[(row + k) * columns + column]
                }
            }
        }
        return result
    }
}
