extension ImageMetric {
    public static let memorisation = ImageMetric(
        name: "memorisation",
        check: { counts, _ in try requireNeighbours(1, "the nearest image of the data", counts) },
        figures: { comparison in
            let result = Memorisation(try comparison.neighbourhoods())
            return [
                Figure("nearest_ratio", "nearest distance, of the data's own", Estimate(result.ratio)),
                Figure("nearer_than_data", "nearer than 1 % of the data", Estimate(result.nearer)),
            ]
        })
}

/// Whether samples are copies of the data: how far each is from its nearest image of the data, beside how far the data's
/// images are from the nearest of the others (as in Meehan, Chaudhuri, Dasgupta 2020, without their test).
public struct Memorisation: Equatable, Sendable {
    /// Median distance of a sample to the data over median distance of an image of the data to the others: far below 1
    /// where samples are copies.
    public let ratio: Double
    /// Share of samples that are nearer to the data than the nearest hundredth of the data to each other: 0.01 where
    /// samples are as the data, near 1 where they are copies.
    public let nearer: Double

    package init(_ around: Neighbourhoods) {
        let toData = around.nearestData.map { $0.squaredDistance.squareRoot() }
        let amongData = around.squaredDataRadii(k: 1).map { $0.squareRoot() }.sorted()
        ratio = median(toData.sorted()) / median(amongData)
        let limit = amongData[Int(0.01 * Double(amongData.count - 1))]
        nearer = share(toData.map { $0 < limit })
    }
}

/// The middle of ascending numbers; of the two in the middle, their mean.
private func median(_ sorted: [Double]) -> Double {
    (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
