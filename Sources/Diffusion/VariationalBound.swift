import Foundation

/// A term of the variational bound of a step with a learned variance (Nichol and Dhariwal 2021, section 3.1), in double
/// precision: at small deviations a difference of two float32 distribution functions has no digits left.
public struct VariationalBound: Sendable {
    private let process: ForwardProcess
    private let logVarianceSmall: [Double]
    private let logVarianceLarge: [Double]

    /// The bound of the steps of `process`.
    public init(_ process: ForwardProcess) {
        self.process = process
        logVarianceSmall = process.schedule.logVarianceSmall
        logVarianceLarge = process.schedule.logVarianceLarge
    }

    /// What of an image depends on its t, as ``Tensor/variationalBound(target:x0:terms:errorWeight:boundWeight:held:)``
    /// has it: the distance of the means for one of output and target, ln β̃, ln β − ln β̃, and 1 at t = 0.
    public func terms(_ t: Int) -> [Double] {
        let ofOutput = process.objective.x0(alphaBar: process.schedule.alphaBars[t]).output
        return [
            process.schedule.posteriorMeanX0[t] * ofOutput, logVarianceSmall[t],
            logVarianceLarge[t] - logVarianceSmall[t], t == 0 ? 1 : 0,
        ]
    }

    /// ln σ² of v: from ln β̃ at −1 to ln β at 1.
    public func logVariance(_ v: Double, _ t: Int) -> Double {
        logVarianceSmall[t] + (v + 1) / 2 * (logVarianceLarge[t] - logVarianceSmall[t])
    }

    /// The bound of one image, bits an element, and its gradient with respect to `output`. x̂_0 is not clamped.
    ///
    /// - Parameters:
    ///   - output: of each pixel C estimates, then C numbers v, `[H·W, 2C]`.
    ///   - x0: the clean image in [−1, 1], `[H·W, C]`.
    ///   - xt: x_t, `[H·W, C]`.
    public func callAsFunction(
        output: [Double], x0: [Double], xt: [Double], t: Int, channels: Int
    ) -> (bits: Double, gradient: [Double]) {
        precondition(output.count == 2 * x0.count && xt.count == x0.count, "\(output.count), \(x0.count), \(xt.count)")
        let estimate = process.objective.x0(alphaBar: process.schedule.alphaBars[t])
        let (ofX0, width) = (process.schedule.posteriorMeanX0[t], logVarianceLarge[t] - logVarianceSmall[t])
        let scale = 1 / (log(2) * Double(x0.count))
        var (bits, gradient) = (0.0, output)
        for i in x0.indices {
            let o = i / channels * 2 * channels + i % channels
            let distance = ofX0 * (estimate.xt * xt[i] + estimate.output * output[o] - x0[i])
            let logVariance = logVariance(output[o + channels], t)
            let term =
                t == 0
                ? Self.likelihood(x0[i], distance, logVariance)
                : Self.divergence(distance, logVarianceSmall[t], logVariance)
            bits += scale * term.nats
            gradient[o] = scale * term.byDistance * ofX0 * estimate.output
            gradient[o + channels] = scale * term.byLogVariance * width / 2
        }
        return (bits, gradient)
    }

    /// One element's part in nats, and its derivatives with respect to the distance of the means and ln σ².
    public typealias Term = (nats: Double, byDistance: Double, byLogVariance: Double)

    /// KL(N(μ, e^small) ‖ N(μ + distance, e^logVariance)).
    public static func divergence(_ distance: Double, _ small: Double, _ logVariance: Double) -> Term {
        let (ratio, precision) = (exp(small - logVariance), exp(-logVariance))
        return (
            (logVariance - small - 1 + ratio + distance * distance * precision) / 2, distance * precision,
            (1 - ratio - distance * distance * precision) / 2
        )
    }

    /// −ln of the mass that N(x0 + distance, e^logVariance) has within 1/255 of x0, a pixel's bin; those of black and white
    /// are open. The distribution function is `½(1 + tanh(√(2/π)(u + 0.044715 u³)))`, masses are at least 1e-12.
    public static func likelihood(_ x0: Double, _ distance: Double, _ logVariance: Double) -> Term {
        let inverse = exp(-logVariance / 2)
        let (above, below) = ((1.0 / 255 - distance) * inverse, (-1.0 / 255 - distance) * inverse)
        let upper = x0 > 0.999 ? (value: 1, density: 0) : cumulative(above)
        let lower = x0 < -0.999 ? (value: 0, density: 0) : cumulative(below)
        let mass = upper.value - lower.value
        if mass < 1e-12 { return (-log(1e-12), 0, 0) }
        return (
            -log(mass), (upper.density - lower.density) * inverse / mass,
            (upper.density * above - lower.density * below) / (2 * mass)
        )
    }

    private static func cumulative(_ u: Double) -> (value: Double, density: Double) {
        let slope = (2 / Double.pi).squareRoot()
        let t = tanh(slope * (u + 0.044715 * (u * u * u)))
        return ((1 + t) / 2, (1 - t * t) / 2 * slope * (1 + 3 * 0.044715 * u * u))
    }
}
