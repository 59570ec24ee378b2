/// A mixture of `side`×`side` Gaussians of one width in the plane, their means on a square grid around the origin: the toy of
/// the SMD paper (Li et al., ICLR 2024, section 5.1), where the true distribution is known.
public struct GaussianGrid: DrawnPoints, Equatable {
    /// Gaussians along an axis.
    public let side: Int
    /// Distance between neighbouring means.
    public let spacing: Double
    /// Standard deviation of a Gaussian along each axis.
    public let deviation: Double
    /// How the Gaussians share the points.
    public let weighting: ComponentWeights
    /// Seed of the draws.
    public let seed: UInt64

    /// Without a `spacing` the means span −1…1 on both axes.
    public init(
        side: Int, spacing: Double? = nil, deviation: Double = 0.03, weighting: ComponentWeights = .equal,
        seed: UInt64 = 0
    ) {
        let spacing = spacing ?? (side > 1 ? 2 / Double(side - 1) : 1)
        precondition(
            side > 0 && side <= 4096 && spacing > 0 && spacing.isFinite && deviation >= 0 && deviation.isFinite,
            "no grid of \(side)×\(side) Gaussians \(spacing) apart with deviation \(deviation)")
        self.side = side
        self.spacing = spacing
        self.deviation = deviation
        self.weighting = weighting
        self.seed = seed
    }

    /// Number of Gaussians K² in the mixture.
    public var components: Int { side * side }

    /// The weights w_k of the mixture: [K²], sum 1.
    public var weights: [Double] { weighting.values(components) }

    /// The means μ_k: [K²][2]; the first axis varies fastest.
    public var means: [Double] { (0..<components).flatMap { [mean($0).x, mean($0).y] } }

    /// The covariances Σ_k: [K²][2][2].
    public var covariances: [Double] { mixture.covariances }

    private func mean(_ component: Int) -> SIMD2<Double> {
        let place = SIMD2(Double(component % side), Double(component / side))
        return (place - Double(side - 1) / 2) * spacing
    }

    public var distribution: StoredDistribution { .mixture(mixture) }

    private var mixture: StoredMixture { StoredMixture(weights: weights, means: means, deviation: deviation) }

    public func draw(_ range: Range<Int>) -> (points: [Float], labels: [Int32]) {
        mixture.draw(range, deviation: deviation, seed: seed)
    }
}
