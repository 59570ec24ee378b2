import Foundation

/// What concerns Denoising Diffusion Samplers alone (Vargas, Grathwohl and Doucet 2023).
public struct PathConfiguration: Equatable, Sendable {
    /// s: standard deviation of where paths begin.
    public var deviation = 1.075
    /// α: how fast a step forgets.
    public var alpha = 0.6875
    /// N: steps of a path, an evaluation of the network each.
    public var steps = 64
    /// T: time that the steps add up to. A path forgets its beginning to exp(−α T).
    public var time = 6.4
    /// Units of each hidden layer of the network.
    public var width = 64
    /// Hidden layers of the network.
    public var layers = 2

    public init() {}
}

/// The steps of a path, from noise to the target: `x_{k+1} = c_k x_k + b_k² f(x_k, k) + s b_k n_k`, `c_k² + b_k² = 1`.
///
/// Without f it is an Ornstein–Uhlenbeck process that keeps N(0, s² I). Steps are long where paths begin and short where
/// they end: δ_k ∝ cos⁴(π/2 · (k/(N−1) + 0.008)/1.008), Σ δ_k = T, `c_k = exp(−α δ_k)`, at most 0.99999. This is the `exp`
/// form of the authors' code; with the other, `b_k = α √δ_k`, the product of all c_k leaves a path tied to its beginning.
public struct PathSteps: Equatable, Sendable {
    /// s.
    public let deviation: Double
    /// c_k, `[N]`.
    public let c: [Double]
    /// b_k, `[N]`; none is 0.
    public let b: [Double]

    public init(_ configuration: PathConfiguration) {
        let (n, alpha) = (configuration.steps, configuration.alpha)
        precondition(n > 1, "a path of \(n) steps")
        let shares = (0..<n).map { k in
            let cosine = cos(Double.pi / 2 * (Double(k) / Double(n - 1) + 0.008) / 1.008)
            return cosine * cosine * cosine * cosine
        }
        let sum = shares.reduce(0, +)
        c = shares.map { min(exp(-alpha * configuration.time * $0 / sum), 0.99999) }
        b = c.map { (1 - $0 * $0).squareRoot() }
        deviation = configuration.deviation
    }

    /// N.
    public var count: Int { c.count }

    /// What the network is told of step k, between 0 and 1000.
    public func time(_ k: Int) -> Float { Float(1000 * Double(k) / Double(count)) }
}
