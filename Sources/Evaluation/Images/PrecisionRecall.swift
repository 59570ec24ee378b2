extension ImageMetric {
    static let precisionRecall = ImageMetric(
        name: "precision-recall",
        check: { counts, _ in try requireNeighbours(PrecisionRecall.neighbours, "precision and recall", counts) },
        figures: { comparison in
            let result = PrecisionRecall(try comparison.neighbourhoods())
            return [
                Figure("precision", "precision (k=\(PrecisionRecall.neighbours))", Estimate(result.precision)),
                Figure("recall", "recall (k=\(PrecisionRecall.neighbours))", Estimate(result.recall)),
            ]
        })
}

/// Improved precision and recall (Kynkäänniemi et al. 2019): the share of samples that lie in the manifold of the data,
/// and of the data that lie in that of the samples. A manifold is the union of balls around its points, each as large as
/// the distance to the k-th nearest of the others.
public struct PrecisionRecall: Equatable, Sendable {
    static let neighbours = 3
    public let precision: Double
    public let recall: Double

    package init(_ around: Neighbourhoods) {
        let k = Self.neighbours
        precision = share(around.dataBalls(k: k).map { $0 > 0 })
        recall = share(around.sampleBalls(k: k).map { $0 > 0 })
    }
}

/// The share of `true`.
func share(_ facts: [Bool]) -> Double { Double(facts.count { $0 }) / Double(facts.count) }
