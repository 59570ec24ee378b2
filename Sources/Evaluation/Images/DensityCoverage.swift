extension ImageMetric {
    static let densityCoverage = ImageMetric(
        name: "density-coverage",
        check: { counts, _ in try requireNeighbours(DensityCoverage.neighbours, "density and coverage", counts) },
        figures: { comparison in
            let result = DensityCoverage(try comparison.neighbourhoods())
            return [
                Figure("density", "density (k=\(DensityCoverage.neighbours))", Estimate(result.density)),
                Figure("coverage", "coverage (k=\(DensityCoverage.neighbours))", Estimate(result.coverage)),
            ]
        })
}

/// Density and coverage (Naeem et al. 2020). With a ball around every image of the data, as large as the distance to the
/// k-th nearest of the others: how many balls hold a sample, divided by k, in the mean over samples; and the share of
/// balls that hold a sample.
public struct DensityCoverage: Equatable, Sendable {
    static let neighbours = 5
    public let density: Double
    public let coverage: Double

    package init(_ around: Neighbourhoods) {
        let k = Self.neighbours
        let holding = around.dataBalls(k: k)
        density = Double(holding.reduce(0, +)) / Double(k * holding.count)
        coverage = share(around.samplesInBall(k: k).map { $0 > 0 })
    }
}
