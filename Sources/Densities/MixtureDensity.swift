import Crypto
import Diffusion
import Foundation
import Mixtures

/// `Z Σ_k w_k N(μ_k, Σ_k)`, a mixture of Gaussians as a target.
public struct MixtureDensity: TargetDensity {
    public let mixture: GaussianMixture
    /// ln Z.
    public let scale: Double
    public let words: String

    /// - Parameter mixture: with a density.
    public init(_ mixture: GaussianMixture, scale: Double = 0, words: String) {
        precondition(mixture.hasDensity, "a mixture with a component of no width has no density")
        (self.mixture, self.scale, self.words) = (mixture, scale, words)
    }

    public var dimension: Int { mixture.dimension }
    public var logPartition: Double? { scale }
    public var fingerprint: String {
        digest(of: "mixture", [scale] + mixture.weights + mixture.means + mixture.covariances)
    }

    public func logDensity(_ x: [Double], score: inout [Double]) -> Double {
        scale + mixture.logDensity(x, score: &score)
    }

    /// Ten Gaussians of the plane around (±1; 0, ±1, ±2), of variance 0.05 and height 1: Z = π, the first example of the
    /// authors' code.
    public static func tenGaussians() throws -> MixtureDensity {
        let means: [Double] = [-1, 1].flatMap { x in (-2...2).flatMap { [x, Double($0)] } }
        let mixture = try GaussianMixture(
            weights: [Double](repeating: 1, count: 10), means: means,
            covariances: (0..<10).flatMap { _ in [0.05, 0, 0, 0.05] }, dimension: 2)
        return MixtureDensity(mixture, scale: log(Double.pi), words: "ten Gaussians")
    }
}

/// SHA-256 of a density's kind and numbers, in hexadecimal.
func digest(of kind: String, _ numbers: [Double]) -> String {
    var hash = SHA256()
    hash.update(data: Data("density \(kind) ".utf8))
    numbers.withUnsafeBytes { hash.update(bufferPointer: $0) }
    return hash.finalize().map { String(format: "%02x", $0) }.joined()
}
