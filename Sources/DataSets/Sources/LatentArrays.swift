import Arrays
import Files
import Foundation

/// Latents that another program made, with their layout and what they were multiplied by: an array of an `.npz`, `.npy` or
/// `.safetensors`, read forward.
///
/// An array with Z channels holds latents; one with 2 Z holds moments, the means and then the logarithms of the variances, as
/// the encoder of an autoencoder puts them out (Rombach et al. 2022, and diffusers' `AutoencoderKL`).
public final class LatentArrays {
    /// How an array is read.
    public struct Rules: Sendable {
        public init() {}

        /// The array of latents or moments; nil for the name that is usual in such a file.
        public var member: String?
        /// The array of labels, an integer for each.
        public var labels: String?
        /// Order of the axes; PyTorch's where it is not given.
        public var layout = PixelArray.Layout.channelsFirst
        /// What the latents were multiplied by.
        public var factor = 1.0
    }

    public let path: String
    /// Number of latents.
    public let count: Int
    /// Shape of one.
    public let sample: SampleShape
    /// Whether the array holds moments.
    public let isMoments: Bool
    public let labels: [Int]?
    private let rules: Rules
    private let rows: ArrayRows

    /// - Parameter sample: the shape of a latent of the first stage that made them.
    /// - Throws: ``DataSetError`` where the array holds no latents of that shape, or the labels are not one for each.
    public init(path: String, _ rules: Rules, sample: SampleShape) throws {
        (self.path, self.rules, self.sample) = (path, rules, sample)
        let usual = path.lowercased().hasBytes(suffix: ".safetensors") ? "latents" : "arr_0"
        (rows, labels) = try arrayErrors {
            let rows = try ArrayRows(path: path, member: rules.member ?? usual)
            return (rows, try rules.labels.map { try Self.labels(path, $0, count: rows.shape[0]) })
        }
        count = rows.shape[0]
        let axes = sample.axes
        let (isFirst, shape) = (rules.layout == .channelsFirst, Array(rows.shape.dropFirst()))
        let wanted = [1, 2].map { isFirst ? [$0 * axes[2], axes[0], axes[1]] : [axes[0], axes[1], $0 * axes[2]] }
        isMoments = shape == wanted[1]
        guard count > 0, wanted.contains(shape), !rows.isInteger else {
            throw DataSetError(
                "\(rows.name): is \(shapeText(rows.shape))\(rows.isInteger ? " of integers" : ""); of the first stage's latents, "
                    + "\(rules.layout.rawValue), wanted are N×\(shapeText(wanted[0])), or N×\(shapeText(wanted[1])) with variances"
            )
        }
    }

    private static func labels(_ path: String, _ member: String, count: Int) throws -> [Int] {
        let rows = try ArrayRows(path: path, member: member)
        guard rows.isInteger, rows.shape == [count] || rows.shape == [count, 1] else {
            throw DataSetError(
                "\(rows.name): is \(shapeText(rows.shape)), wanted is an integer for each of \(count) latents")
        }
        return try rows.read(0..<count).map { number in
            guard abs(number) <= Double(Int32.max) else {
                throw DataSetError("\(rows.name): holds \(number), too large for a label")
            }
            return Int(number)
        }
    }

    /// Some latents, of each its means and then its deviations, `[h, w, Z]` both; those before them cannot be had any more.
    ///
    /// - Throws: ``DataSetError`` where the file fails or holds what is no finite number.
    func read(_ range: Range<Int>) throws -> [Float] {
        let numbers = try arrayErrors { try rows.read(range) }
        let (size, row) = (sample.elements, rows.rowElements)
        let (pixels, channels) = (sample.axes[0] * sample.axes[1], sample.axes[2])
        var result = [Float](repeating: 0, count: 2 * size * range.count)
        for sample in 0..<range.count {
            for pixel in 0..<pixels {
                for channel in 0..<channels {
                    func number(_ channel: Int) -> Double {
                        let all = row / pixels
                        return numbers[
                            sample * row
                                + (rules.layout == .channelsFirst ? channel * pixels + pixel : pixel * all + channel)]
                    }
                    let at = 2 * sample * size + pixel * channels + channel
                    result[at] = Float(number(channel) / rules.factor)
                    if isMoments { result[at + size] = deviation(number(channels + channel)) }
                }
            }
        }
        if let bad = result.firstIndex(where: { !$0.isFinite }) {
            throw DataSetError(
                "\(rows.name): latent \(range.lowerBound + bad / (2 * size)) holds what is no finite number")
        }
        return result
    }

    /// Of the logarithm of a variance, within the bounds that it has in those programs.
    private func deviation(_ logVariance: Double) -> Float {
        Float(exp(min(max(logVariance, -30), 20) / 2) / rules.factor)
    }
}
