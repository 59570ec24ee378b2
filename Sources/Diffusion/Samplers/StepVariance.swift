/// The variance of a single Gaussian step: what is added to the step's mean beside the estimate of x_0.
public enum VarianceKind: String, Codable, CaseIterable, Sendable {
    /// β̃ = β (1 − ᾱ')/(1 − ᾱ): right where the estimate of x_0 is a true draw, or x_0 is known (Ho et al. 2020).
    case small
    /// β: right where the data are N(0, I) (Ho et al. 2020).
    case large
    /// The best one number a step: β̃ + c²σ²(t), with σ²(t) the mean squared error of the estimate of x_0, measured, and c
    /// the estimate's coefficient in the step (Bao et al. 2022, of the mean over elements).
    case optimal
    /// Of each element as the network says, between β̃ and β: `ln σ² = (1 − w) ln β̃ + w ln β`, w = (v + 1)/2 (Nichol and
    /// Dhariwal 2021, equation 15). Of ancestral steps; the other samplers, whose steps have their own noise, leave it alone.
    case learned

    /// Why `configuration`, whose variance this is, means nothing, and what to set.
    func fault(_ configuration: DiffusionConfiguration) -> String? {
        if configuration.sampler.variances.contains(self) { return nil }
        return "diffusion.variance is \(rawValue), which \(configuration.sampler.rawValue) has no place for; set "
            + "diffusion.variance=small or diffusion.sampler=ancestral"
    }
}

extension DiffusionConfiguration {
    /// Why a sampler's settings do not fit together, and what to set; nil where they do.
    public var samplerFault: String? { variance.fault(self) ?? drawsFault }

    private var drawsFault: String? {
        if sampler.takesDraws || loss.estimatesMeans { return nil }
        return "diffusion.sampler is \(sampler.rawValue), which wants the mean of x0, but a network that "
            + "\(loss.rawValue) trains gives another draw of x0 at each evaluation: set diffusion.sampler=ancestral, ddim or "
            + "dpm_solver"
    }
}

/// σ²(t), the mean over data, noise and elements of (x_0 − x̂_0)², as measured at some timesteps.
public struct X0Variance: Equatable, Sendable {
    /// Ascending.
    public let timesteps: [Int]
    /// One each.
    public let values: [Double]

    public init(timesteps: [Int], values: [Double]) {
        precondition(
            timesteps.count == values.count && !values.isEmpty
                && zip(timesteps, timesteps.dropFirst()).allSatisfy { $0 < $1 }
                && values.allSatisfy { $0 >= 0 && $0.isFinite }, "\(values) at \(timesteps)")
        self.timesteps = timesteps
        self.values = values
    }

    /// The timesteps at which a diffusion of T steps is measured: all of them up to 100, or 100 with both ends.
    public static func timesteps(of count: Int) -> [Int] {
        let points = min(count, 100)
        return points == 1 ? [0] : (0..<points).map { $0 * (count - 1) / (points - 1) }
    }

    /// σ²(t), a straight line between the timesteps measured.
    public subscript(t: Int) -> Double {
        guard let above = timesteps.firstIndex(where: { $0 >= t }) else { return values[values.count - 1] }
        if above == 0 || timesteps[above] == t { return values[above] }
        let (low, high) = (timesteps[above - 1], timesteps[above])
        let part = Double(t - low) / Double(high - low)
        return values[above - 1] + part * (values[above] - values[above - 1])
    }
}
