import Foundation
import Philox

/// A mixture of equal Gaussians in the plane, their means at equal distances on a circle around the origin: the ring of
/// eight on which mode collapse is commonly shown (Metz et al., *Unrolled Generative Adversarial Networks*, 2017, section 3.1).
public struct GaussianRing: DrawnPoints, Equatable {
    /// Number of Gaussians K.
    public let components: Int
    /// Distance of the means from the origin.
    public let radius: Double
    /// Standard deviation of a Gaussian along each axis.
    public let deviation: Double
    /// How the Gaussians share the points.
    public let weighting: ComponentWeights
    /// Seed of the draws.
    public let seed: UInt64

    /// All of it; see the properties.
    public init(
        components: Int = 8, radius: Double = 1, deviation: Double = 0.03, weighting: ComponentWeights = .equal,
        seed: UInt64 = 0
    ) {
        precondition(
            components > 0 && components <= 1 << 20 && radius > 0 && radius.isFinite && deviation >= 0
                && deviation.isFinite,
            "no ring of \(components) Gaussians of deviation \(deviation) at radius \(radius)")
        (self.components, self.radius, self.deviation) = (components, radius, deviation)
        (self.weighting, self.seed) = (weighting, seed)
    }

    public var distribution: StoredDistribution { .mixture(mixture) }

    private var mixture: StoredMixture {
        let means = (0..<components).flatMap { k in
            let angle = 2 * Double.pi * Double(k) / Double(components)
            return [radius * cos(angle), radius * sin(angle)]
        }
        return StoredMixture(weights: weighting.values(components), means: means, deviation: deviation)
    }

    public func draw(_ range: Range<Int>) -> (points: [Float], labels: [Int32]) {
        mixture.draw(range, deviation: deviation, seed: seed)
    }
}
