/// A mean with its standard error.
public struct Estimate: Equatable, Sendable {
    public let value: Double
    /// Standard deviation of ``value``; nil where it is not known.
    public let error: Double?

    public init(_ value: Double, error: Double? = nil) {
        self.value = value
        self.error = error
    }

    /// The mean of independent draws of one distribution; its error is s/√n with the unbiased s, from two draws on.
    public init(meanOf draws: [Double]) {
        precondition(!draws.isEmpty, "no draws to take the mean of")
        let n = Double(draws.count)
        let mean = draws.reduce(0, +) / n
        let squares = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        self.init(mean, error: n > 1 ? (squares / (n - 1) / n).squareRoot() : nil)
    }
}

extension Estimate {
    /// The ratio of two means over the same independent draws, `Σ a_i / Σ b_i`; its error is that of the mean of
    /// `(a_i − ratio·b_i)/b̄` (delta method).
    public init(ratioOf numerators: [Double], to denominators: [Double]) {
        precondition(numerators.count == denominators.count, "\(numerators.count) and \(denominators.count) draws")
        let (above, below) = (Estimate(meanOf: numerators), Estimate(meanOf: denominators))
        let ratio = above.value / below.value
        let rest = zip(numerators, denominators).map { ($0 - ratio * $1) / below.value }
        self.init(ratio, error: Estimate(meanOf: rest).error)
    }
}
