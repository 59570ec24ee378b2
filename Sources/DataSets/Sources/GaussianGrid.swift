import Philox

/// A mixture of `side`×`side` equal Gaussians in the plane, their means on a square grid around the origin: the toy of
/// the SMD paper (Li et al., ICLR 2024, section 5.1), where the true distribution is known.
public struct GaussianGrid: Equatable, Sendable {
    /// Gaussians along an axis.
    public let side: Int
    /// Distance between neighbouring means.
    public let spacing: Double
    /// Standard deviation of a Gaussian along each axis.
    public let deviation: Double
    /// Seed of the draws.
    public let seed: UInt64

    /// Without a `spacing` the means span −1…1 on both axes.
    public init(side: Int, spacing: Double? = nil, deviation: Double = 0.03, seed: UInt64 = 0) {
        let spacing = spacing ?? (side > 1 ? 2 / Double(side - 1) : 1)
        precondition(
            side > 0 && side <= 4096 && spacing > 0 && spacing.isFinite && deviation >= 0 && deviation.isFinite,
            "no grid of \(side)×\(side) Gaussians \(spacing) apart with deviation \(deviation)")
        self.side = side
        self.spacing = spacing
        self.deviation = deviation
        self.seed = seed
    }

    /// Number of Gaussians K² in the mixture.
    public var components: Int { side * side }

    /// The weights w_k of the mixture: [K²], sum 1.
    public var weights: [Double] { [Double](repeating: 1 / Double(components), count: components) }

    /// The means μ_k: [K²][2]; the first axis varies fastest.
    public var means: [Double] { (0..<components).flatMap { [mean($0).x, mean($0).y] } }

    /// The covariances Σ_k: [K²][2][2].
    public var covariances: [Double] {
        let variance = deviation * deviation
        return (0..<components).flatMap { _ in [variance, 0, 0, variance] }
    }

    private func mean(_ component: Int) -> SIMD2<Double> {
        let place = SIMD2(Double(component % side), Double(component / side))
        return (place - Double(side - 1) / 2) * spacing
    }

    /// Draws the points numbered `range`. Point i is a function of (seed, i) alone, so that pieces drawn apart join up.
    ///
    /// - Returns: Points, range.count × 2, and the Gaussian each was drawn from.
    public func draw(_ range: Range<Int>) -> (points: [Float], labels: [Int32]) {
        precondition(range.lowerBound >= 0, "cannot draw the points \(range)")
        let stream = RandomStream(seed: seed, purpose: .data)
        var points: [Float] = []
        var labels: [Int32] = []
        points.reserveCapacity(2 * range.count)
        labels.reserveCapacity(range.count)
        for i in range {
            // Two epochs, because the same place of a stream gives the same bits to every kind of draw.
            let component = stream.integer(below: components, epoch: 0, position: i)
            let normals = stream.normals(count: 2, epoch: 1, position: i)
            let mean = mean(component)
            points.append(Float(mean.x + deviation * Double(normals[0])))
            points.append(Float(mean.y + deviation * Double(normals[1])))
            labels.append(Int32(component))
        }
        return (points, labels)
    }
}
