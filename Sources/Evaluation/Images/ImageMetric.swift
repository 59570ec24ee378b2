import Files

/// A number that an evaluation prints, with what it is called.
public struct Figure: Equatable, Sendable {
    /// For programs: "frechet_distance".
    public let key: String
    /// For people, with a parameter in parentheses where it has one: "recall (k=3)".
    public let name: String
    public let estimate: Estimate

    init(_ key: String, _ name: String, _ estimate: Estimate) {
        (self.key, self.name, self.estimate) = (key, name, estimate)
    }
}

/// A way to compare the features of samples with those of data; each one a file.
public struct ImageMetric: Sendable {
    /// What `--only` calls it.
    public let name: String
    /// Whether it needs the data's images, not only the mean and covariance of their features.
    public var needsImages = true
    /// Refuses sets that are too small: gets what they are and how many images they have, and the number of features.
    let check: @Sendable ([(what: String, count: Int)], Int) throws -> Void
    /// Computes the figures. Collective.
    let figures: @Sendable (ImageComparison) throws -> [Figure]

    /// All there are, in the order in which they are printed.
    public static let all: [ImageMetric] = [
        .frechet, .kernel, .precisionRecall, .densityCoverage, .memorisation,
    ]

    /// Those of the given names; all without names.
    ///
    /// - Throws: ``EvaluationError`` where there is none of a name.
    public static func named(_ names: [String]) throws -> [ImageMetric] {
        for name in names where !all.contains(where: { $0.name == name }) {
            throw EvaluationError(
                "there is no figure \(name); there are \(all.map(\.name).joined(separator: ", "))", status: .usage)
        }
        return names.isEmpty ? all : all.filter { names.contains($0.name) }
    }
}

/// Refuses sets that have no `k`-th nearest of the others.
func requireNeighbours(_ k: Int, _ figure: String, _ counts: [(what: String, count: Int)]) throws {
    for (what, count) in counts where count <= k {
        throw EvaluationError(
            "\(figure) (k=\(k)) wants at least \(k + 1) images, and \(what) has \(grouped(count)); give more, or leave it "
                + "out with --only")
    }
}

/// Samples beside the data, as features; what several figures are read from is computed once.
final class ImageComparison {
    /// Features of images, and what is computed from them when it is first asked for.
    final class Side {
        let features: FeatureMatrix
        private var known: (moments: Moments?, neighbours: OwnNeighbours?)

        init(_ features: FeatureMatrix) { self.features = features }

        func moments(_ work: EvaluationWork) throws -> Moments {
            if let moments = known.moments { return moments }
            let moments = try Moments(of: features, work)
            known.moments = moments
            return moments
        }

        func neighbours(_ work: EvaluationWork) throws -> OwnNeighbours {
            if let neighbours = known.neighbours { return neighbours }
            let neighbours = try OwnNeighbours("neighbours among the data", of: features, work)
            known.neighbours = neighbours
            return neighbours
        }
    }

    /// What the samples are compared with.
    enum Data {
        case images(Side)
        /// Mean and covariance of features, and how many images there are of each class, where that is known.
        case statistics(Moments, classCounts: [Int]?)
    }

    let features: any ImageFeatures
    let samples: Side
    let data: Data
    let seed: UInt64
    let subsets: KernelSubsets
    let work: EvaluationWork
    private var around: Neighbourhoods?

    init(
        _ features: any ImageFeatures, _ samples: FeatureMatrix, _ data: Data, seed: UInt64, _ subsets: KernelSubsets,
        _ work: EvaluationWork
    ) {
        self.features = features
        (self.samples, self.data) = (Side(samples), data)
        (self.seed, self.subsets, self.work) = (seed, subsets, work)
    }

    func sampleMoments() throws -> Moments { try samples.moments(work) }

    func dataMoments() throws -> Moments {
        switch data {
        case .images(let side): try side.moments(work)
        case .statistics(let moments, _): moments
        }
    }

    /// Samples of each class, and images of the data; nil where there are no classes, or these are not known of the data.
    func classCounts() -> (samples: [Int], data: [Int]?)? {
        guard let classes = features.classes else { return nil }
        let ofData =
            switch data {
            case .images(let side): classes.counts(of: side.features)
            case .statistics(_, let counts): counts
            }
        return (classes.counts(of: samples.features), ofData)
    }

    /// Of data whose images are there.
    var dataSide: Side {
        guard case .images(let side) = data else { preconditionFailure("the data are statistics") }
        return side
    }

    func neighbourhoods() throws -> Neighbourhoods {
        if let around { return around }
        let found = try Neighbourhoods(
            samples.features, dataSide.features, ownOfData: dataSide.neighbours(work), work)
        around = found
        return found
    }
}
