import Foundation
import Storage

/// A tensor in numbers. Means and extremes are those of its finite elements; a figure that there is none of, or that is
/// not finite, is null.
public struct TensorStatistics: Encodable, Equatable, Sendable {
    /// The group that the tensor is in, as `ema`.
    public let group: String
    public let name: String
    public let shape: [Int]
    /// L2 norm over all elements.
    public let norm: Double?
    public let mean: Double?
    /// Standard deviation about the mean, over the number of elements.
    public let deviation: Double?
    public let minimum: Double?
    public let maximum: Double?
    public let notFinite: Int
    /// How many of the finite elements lie in each of ``binCount`` parts of equal width from the smallest to the largest
    /// one; all are in the first where these are the same.
    public let histogram: [Int]

    /// Parts of a histogram.
    public static let binCount = 16

    public init(_ tensor: NamedTensor, group: String) {
        (self.group, name, shape) = (group, tensor.name, tensor.shape)
        var (sum, squares, count) = (0.0, 0.0, 0)
        var (low, high) = (Double.infinity, -Double.infinity)
        for value in tensor.values {
            let value = Double(value)
            squares += value * value
            guard value.isFinite else { continue }
            sum += value
            count += 1
            low = min(low, value)
            high = max(high, value)
        }
        norm = finite(squares.squareRoot())
        notFinite = tensor.values.count - count
        let mean = sum / Double(count)
        let scale = high > low ? Double(Self.binCount) / (high - low) : 0
        var about = 0.0
        var bins = [Int](repeating: 0, count: Self.binCount)
        for value in tensor.values where value.isFinite {
            let value = Double(value)
            about += (value - mean) * (value - mean)
            bins[min(Int((value - low) * scale), Self.binCount - 1)] += 1
        }
        self.mean = finite(mean)
        deviation = finite((about / Double(count)).squareRoot())
        (minimum, maximum, histogram) = (finite(low), finite(high), bins)
    }

    /// The histogram as one line of ``binCount`` characters: eighths of a block, or where the terminal has none of these,
    /// marks that grow. What is not empty is not blank.
    public func histogramLine(unicode: Bool) -> String {
        let marks = Array(unicode ? " ▁▂▃▄▅▆▇█" : " .:-=+*#@")
        let most = histogram.max() ?? 0
        return String(histogram.map { $0 == 0 ? marks[0] : marks[max(1, ($0 * (marks.count - 1) + most / 2) / most)] })
    }
}
