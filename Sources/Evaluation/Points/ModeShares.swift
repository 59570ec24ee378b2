/// How samples are spread over the components (modes) of the distribution that they should come from.
package struct ModeShares {
    /// Share of the samples that lie where true ones would (``KnownDistribution/isInside(_:_:)``) of the component that they
    /// most likely come from.
    package let inside: Estimate
    /// Components with at least one such sample.
    package let hit: Int
    /// `½ Σ_k |n_k/n − w_k|`, the total variation between the components' shares of all samples and the true ones: each
    /// sample counts for the component that it most likely comes from, near or not.
    package let totalVariation: Double

    package init(_ samples: PointSet, _ truth: any KnownDistribution) {
        var counts = [Int](repeating: 0, count: truth.weights.count)
        var hits = counts
        let insides = (0..<samples.count).map { i in
            let x = samples[i]
            let k = truth.component(of: x)
            let isInside = truth.isInside(x, k)
            counts[k] += 1
            hits[k] += isInside ? 1 : 0
            return isInside ? 1.0 : 0
        }
        inside = Estimate(meanOf: insides)
        hit = hits.filter { $0 > 0 }.count
        let n = Double(samples.count)
        totalVariation = 0.5 * zip(counts, truth.weights).reduce(0) { $0 + abs(Double($1.0) / n - $1.1) }
    }
}
