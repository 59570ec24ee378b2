import Foundation

/// How near images are to clean ones.
public struct RestorationFigures: Sendable {
    /// Mean over images of 10 log₁₀(1/MSE), decibels; values in 0 … 1.
    public let psnr: Estimate
    /// Mean over images of ``StructuralSimilarity``; nil where images are smaller than its window.
    public let ssim: Estimate?

    /// The figures of one image, `[PSNR, SSIM]`; not a number in the place of an SSIM that there is not.
    public static func judge(
        _ image: [UInt8], clean: [UInt8], height: Int, width: Int, channels: Int
    ) -> [Double] {
        precondition(image.count == clean.count, "\(image.count) and \(clean.count) pixels")
        let squares = zip(image, clean).reduce(0) { $0 + pow((Double($1.0) - Double($1.1)) / 255, 2) }
        // An image that is right to the bit would have no end of decibels.
        let psnr = 10 * log10(1 / max(squares / Double(image.count), 1e-12))
        let ssim = StructuralSimilarity.between(image, clean, height: height, width: width, channels: channels)
        return [psnr, ssim ?? .nan]
    }

    /// - Parameter rows: ``judge(_:clean:height:width:channels:)`` of each image, one after the other.
    public init(_ rows: [Double]) {
        precondition(!rows.isEmpty && rows.count % 2 == 0, "\(rows.count) figures")
        psnr = Estimate(meanOf: stride(from: 0, to: rows.count, by: 2).map { rows[$0] })
        let similarities = stride(from: 1, to: rows.count, by: 2).map { rows[$0] }
        ssim = similarities.contains(where: \.isNaN) ? nil : Estimate(meanOf: similarities)
    }
}
