import Evaluation
import Foundation
import Testing

/// PSNR and SSIM beside scikit-image 0.26: `structural_similarity` with gaussian_weights, sigma 1.5,
/// use_sample_covariance=False and data_range 255, mean over channels, and `peak_signal_noise_ratio`.
@Suite struct RestorationFigureTests {
    private static func image(_ count: Int, _ k: Int) -> [UInt8] {
        (0..<count).map { UInt8(($0 * 37 * k + ($0 / 7) * 11 + ($0 * $0) % (53 + k) * 3) % 256) }
    }

    @Test(arguments: [
        (16, 16, 1, 0.9067455942060367, 19.145822904932274), (13, 20, 3, 0.9116604814650753, 19.583073357079613),
    ])
    func figuresOfAnImage(_ height: Int, _ width: Int, _ channels: Int, _ ssim: Double, _ psnr: Double) {
        let clean = Self.image(height * width * channels, 1)
        let other = zip(clean, Self.image(clean.count, 2)).map { UInt8((Int($0) * 3 + Int($1)) / 4) }
        let found = RestorationFigures.judge(other, clean: clean, height: height, width: width, channels: channels)
        #expect(abs(found[0] - psnr) < 1e-9 && abs(found[1] - ssim) < 1e-9, "\(found)")
        let same = RestorationFigures.judge(clean, clean: clean, height: height, width: width, channels: channels)
        #expect(same[0] == 120 && abs(same[1] - 1) < 1e-12)
    }

    @Test func figuresOfSeveralImages() {
        let figures = RestorationFigures([20, 0.5, 30, 0.7])
        #expect(figures.psnr == Estimate(25, error: 5))
        #expect(abs((figures.ssim?.value ?? 0) - 0.6) < 1e-12 && abs((figures.ssim?.error ?? 0) - 0.1) < 1e-12)
        let small = RestorationFigures.judge(
            Self.image(100, 1), clean: Self.image(100, 2), height: 10, width: 10, channels: 1)
        #expect(small[1].isNaN && RestorationFigures(small).ssim == nil)
    }
}
