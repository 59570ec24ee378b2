/// A figure that says how far samples are from what they should be.
public struct PointMetric: Sendable {
    /// What it is called in tables, and in JSON.
    public let name: String
    public let key: String
    /// What else it stands on.
    let value: @Sendable (PointSet, _ reference: PointSet, Context) -> Estimate?

    /// What metrics share: chosen once for a comparison.
    struct Context: Sendable {
        let directions: [[Double]]
        let kernel: MaximumMeanDiscrepancy
        let truth: (any KnownDistribution)?
    }

    /// Points of each side that figures of all pairs look at, the first ones: their time grows with the square.
    public static let pairedPoints = 10_000

    /// All of them; those of `known` distributions need the truth.
    public static let all = distances + known

    static let distances = [
        PointMetric(name: "sliced Wasserstein 1", key: "sliced_wasserstein_1") { x, y, context in
            Estimate(SlicedWasserstein(power: 1, directions: context.directions)(x, y))
        },
        PointMetric(name: "sliced Wasserstein 2", key: "sliced_wasserstein_2") { x, y, context in
            Estimate(SlicedWasserstein(power: 2, directions: context.directions)(x, y))
        },
        PointMetric(name: "energy distance", key: "energy_distance") { x, y, _ in
            Estimate(energyDistance(x.prefix(pairedPoints), y.prefix(pairedPoints)))
        },
        PointMetric(name: "MMD², RBF", key: "mmd_squared") { x, y, context in
            context.kernel(x.prefix(pairedPoints), y.prefix(pairedPoints))
        },
    ]

    static let known = [
        PointMetric(name: "share inside", key: "share_inside") { x, _, context in
            context.truth.map { ModeShares(x, $0).inside }
        },
        PointMetric(name: "modes hit", key: "modes_hit") { x, _, context in
            context.truth.map { Estimate(Double(ModeShares(x, $0).hit)) }
        },
        PointMetric(name: "total variation of modes", key: "mode_total_variation") { x, _, context in
            context.truth.map { Estimate(ModeShares(x, $0).totalVariation) }
        },
        PointMetric(name: "negative log-likelihood, nats", key: "negative_log_likelihood") { x, _, context in
            context.truth.flatMap { negativeLogLikelihood(x, $0) }
        },
    ]
}

/// `−E ln q(x)` of samples under the truth, nil where one of them is impossible. Of true samples it is the entropy.
package func negativeLogLikelihood(_ samples: PointSet, _ truth: any KnownDistribution) -> Estimate? {
    let found = Estimate(meanOf: (0..<samples.count).map { -truth.logDensity(samples[$0]) })
    return found.value.isFinite ? found : nil
}
