import Foundation
import Philox
import Mixtures

/// A distribution that is known: what samples of it are compared with when their law is known and not only data.
public protocol KnownDistribution: Sendable {
    var dimension: Int { get }
    /// Share of each component.
    var weights: [Double] { get }
    /// A draw by its numbers: `uniform` in [0, 1), `normals` of N(0, 1).
    func point(uniform: Double, normals: [Float]) -> [Double]
    /// The component that a point most likely comes from.
    func component(of x: [Double]) -> Int
    /// Whether a point lies where a true sample would: within 4 standard deviations of a Gaussian, inside a square.
    func isInside(_ x: [Double], _ component: Int) -> Bool
    /// ln q(x).
    func logDensity(_ x: [Double]) -> Double
}

extension KnownDistribution {
    /// `count` independent draws, a function of `seed` and `round`.
    package func samples(_ count: Int, seed: UInt64, round: Int) -> PointSet {
        let draws = MixtureDraws(seed: seed, .evaluation, dimension: dimension)
        return PointSet(
            (0..<count).flatMap { i in
                let numbers = draws(round: round, i)
                return point(uniform: numbers.uniform, normals: numbers.normals)
            }, dimension: dimension)
    }
}

extension GaussianMixture: KnownDistribution {
    public func point(uniform: Double, normals: [Float]) -> [Double] { draw(uniform: uniform, normals: normals).x }

    public func component(of x: [Double]) -> Int {
        let terms = logTerms(x)
        return terms.indices.max { terms[$0] < terms[$1] } ?? 0
    }

    public func isInside(_ x: [Double], _ component: Int) -> Bool { squaredDistance(x, from: component) <= 16 }
}

/// Uniform on rectangles of one size that do not overlap, such as the dark squares of a checkerboard.
public struct UniformRectangles: KnownDistribution, Equatable {
    /// Lower corners, `[K][D]`.
    public let corners: [[Double]]
    /// Side along each axis, `[D]`.
    public let sides: [Double]

    /// - Parameters: see the properties.
    public init(corners: [[Double]], sides: [Double]) {
        precondition(
            !corners.isEmpty && corners.allSatisfy { $0.count == sides.count } && sides.allSatisfy { $0 > 0 },
            "\(corners.count) rectangles of sides \(sides)")
        (self.corners, self.sides) = (corners, sides)
    }

    public var dimension: Int { sides.count }
    public var weights: [Double] { [Double](repeating: 1 / Double(corners.count), count: corners.count) }

    public func point(uniform: Double, normals: [Float]) -> [Double] {
        let k = min(Int(uniform * Double(corners.count)), corners.count - 1)
        // Φ(n) is uniform.
        return zip(zip(corners[k], sides), normals).map { place, normal in
            place.0 + place.1 * 0.5 * erfc(-Double(normal) / 2.0.squareRoot())
        }
    }

    public func component(of x: [Double]) -> Int {
        func distance(_ k: Int) -> Double {
            zip(zip(corners[k], sides), x).reduce(0) { max($0, abs($1.1 - $1.0.0 - 0.5 * $1.0.1) / $1.0.1) }
        }
        return corners.indices.min { distance($0) < distance($1) } ?? 0
    }

    public func isInside(_ x: [Double], _ component: Int) -> Bool {
        zip(zip(corners[component], sides), x).allSatisfy { place, x in place.0 <= x && x <= place.0 + place.1 }
    }

    public func logDensity(_ x: [Double]) -> Double {
        isInside(x, component(of: x)) ? -log(sides.reduce(Double(corners.count), *)) : -.infinity
    }
}
