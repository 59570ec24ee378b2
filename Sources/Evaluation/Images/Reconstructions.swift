import Foundation

/// How far decoded images are from the originals, and what their latents are like: sums over any number of images, which add
/// up over ranks.
public struct Reconstructions: Sendable {
    /// Per image, in order: mean squared error and mean absolute error, in units of the full range 0 … 1; divergence of its
    /// latents to N(0, 1), nats; mean and mean square of draws of its latents.
    public static let figures = 5

    /// The figures of one image.
    ///
    /// - Parameters:
    ///   - decoded: in −1 … 1, as `original`; what lies outside counts as the nearest.
    ///   - moments: `[h, w, 2Z]`, means of a pixel and then logarithms of variances.
    ///   - channels: Z.
    public static func judge(
        original: ArraySlice<Float>, decoded: ArraySlice<Float>, moments: ArraySlice<Float>, channels: Int
    ) -> [Double] {
        precondition(original.count == decoded.count, "\(original.count) and \(decoded.count) numbers")
        var (squares, absolutes) = (0.0, 0.0)
        for (x, y) in zip(original, decoded) {
            let difference = (Double(x) - Double(max(-1, min(1, y)))) / 2
            squares += difference * difference
            absolutes += abs(difference)
        }
        var (divergence, sum, sumOfSquares) = (0.0, 0.0, 0.0)
        for pixel in stride(from: moments.startIndex, to: moments.endIndex, by: 2 * channels) {
            for c in pixel..<pixel + channels {
                let (mean, l) = (Double(moments[c]), Double(max(-30, min(20, moments[c + channels]))))
                divergence += (mean * mean + expm1(l) - l) / 2
                sum += mean
                sumOfSquares += mean * mean + exp(l)
            }
        }
        let (pixels, latents) = (Double(original.count), Double(moments.count / 2))
        return [squares / pixels, absolutes / pixels, divergence, sum / latents, sumOfSquares / latents]
    }

    /// Mean over images of 10 log₁₀(1/MSE), decibels, and its standard error.
    public let psnr: Estimate
    /// Mean absolute error, of the full range.
    public let absoluteError: Double
    /// Nats an image.
    public let divergence: Double
    /// Standard deviation of draws of the latents over all images and numbers: the inverse of the scale that a diffusion
    /// wants them in.
    public let latentDeviation: Double

    /// - Parameter rows: ``judge(original:decoded:moments:channels:)`` of each image, one after the other.
    public init(_ rows: [Double]) {
        precondition(!rows.isEmpty && rows.count % Self.figures == 0, "\(rows.count) figures")
        func column(_ k: Int) -> [Double] { stride(from: k, to: rows.count, by: Self.figures).map { rows[$0] } }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        // An image that comes back to the bit would have no end of decibels.
        psnr = Estimate(meanOf: column(0).map { 10 * log10(1 / max($0, 1e-12)) })
        absoluteError = mean(column(1))
        divergence = mean(column(2))
        let average = mean(column(3))
        latentDeviation = max(0, mean(column(4)) - average * average).squareRoot()
    }
}
