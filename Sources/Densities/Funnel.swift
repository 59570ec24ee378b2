import Diffusion
import Foundation

/// Neal's funnel (2003): `x_0 ~ N(0, 9)`, and the other coordinates `N(0, exp(x_0))` each. Z = 1.
public struct Funnel: TargetDensity {
    public let dimension: Int

    /// - Parameter dimension: 2 or more.
    public init(dimension: Int) {
        precondition(dimension > 1, "a funnel in \(dimension) dimensions")
        self.dimension = dimension
    }

    public var words: String { "a funnel in \(dimension) dimensions" }
    public var fingerprint: String { digest(of: "funnel", [Double(dimension)]) }
    public var logPartition: Double? { 0 }

    public func logDensity(_ x: [Double], score: inout [Double]) -> Double {
        let (v, others) = (x[0], Double(dimension - 1))
        let precision = exp(-v)
        var squares = 0.0
        for i in 1..<dimension {
            squares += x[i] * x[i]
            score[i] = -x[i] * precision
        }
        score[0] = -v / 9 - others / 2 + squares * precision / 2
        let ofFirst = -v * v / 18 - log(2 * Double.pi * 9) / 2
        return ofFirst - squares * precision / 2 - others / 2 * (v + log(2 * Double.pi))
    }
}
