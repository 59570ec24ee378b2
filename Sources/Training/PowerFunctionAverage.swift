import Configuration
import Foundation

/// An average of the parameters over training in which those of time τ weigh as a power of it (Karras et al. 2024,
/// arXiv:2312.02696, section 3.1): at time t with the density `p(τ) = (γ+1) τ^γ / t^(γ+1)` over 0 ≤ τ ≤ t.
///
/// As parameters stay the same from one step to the next, those of step s weigh `(s/t)^(γ+1) − ((s−1)/t)^(γ+1)`.
public struct PowerFunctionAverage: Equatable, Sendable {
    /// The deviation σ of the density, as a share of t.
    public let width: Double
    /// γ, at least 0.
    public let exponent: Double

    /// Solves `σ = √(γ+1) / ((γ+2) √(γ+3))`, which falls with γ, for γ by bisection.
    public init(width: Double) {
        precondition(
            EMAConfiguration.possibleWidths ~= width, "a width of \(width), wanted \(EMAConfiguration.possibleWidths)")
        self.width = width
        var (low, high) = (0.0, 1 / width)
        while true {
            let middle = (low + high) / 2
            if middle <= low || middle >= high { break }
            if Self.width(exponent: middle) > width { low = middle } else { high = middle }
        }
        exponent = low
    }

    /// σ of a density with the exponent γ.
    private static func width(exponent γ: Double) -> Double { (γ + 1).squareRoot() / ((γ + 2) * (γ + 3).squareRoot()) }

    /// β of `θ̂(t) = β θ̂(t−1) + (1 − β) θ(t)`, `(1 − 1/t)^(γ+1)`; 0 at the first step, 1.
    public func decay(step: Int) -> Double { pow(1 - 1 / Double(step), exponent + 1) }
}

/// The density of a power-function average at a step.
public struct AverageProfile: Equatable, Sendable {
    public let average: PowerFunctionAverage
    /// t, at least 1.
    public let step: Int

    public init(width: Double, step: Int) {
        precondition(step >= 1, "an average at step \(step)")
        (average, self.step) = (PowerFunctionAverage(width: width), step)
    }

    /// `∫ p q dτ` of two densities, with a ≤ b their times and α, β their exponents
    /// `(α+1)(β+1) (a/b)^β / ((α+β+1) b)`; a number a step.
    public func product(_ other: AverageProfile) -> Double {
        let (early, late) = step <= other.step ? (self, other) : (other, self)
        let (α, β) = (early.average.exponent, late.average.exponent)
        let ratio = Double(early.step) / Double(late.step)
        return (α + 1) * (β + 1) * pow(ratio, β) / ((α + β + 1) * Double(late.step))
    }
}
