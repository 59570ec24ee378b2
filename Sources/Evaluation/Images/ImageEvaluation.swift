import Arrays
import DataSets
import Files
import LinearAlgebra
import Philox

/// Samples compared with data, image by image: what `smd evaluate images` computes.
public struct ImageEvaluation {
    /// What is asked for.
    public struct Settings: Sendable {
        /// As `--features` spells them.
        public var features: String
        public var metrics: [ImageMetric]
        public var subsets: KernelSubsets
        public var seed: UInt64
        /// Whether ``Result/statistics`` are wanted.
        public var wantsStatistics = false

        public init(features: String, metrics: [ImageMetric], subsets: KernelSubsets, seed: UInt64) {
            (self.features, self.metrics, self.subsets, self.seed) = (features, metrics, subsets, seed)
        }
    }

    /// The figures of the samples, and of true images in their place.
    public struct Result: Sendable {
        public let featuresName: String
        public let featuresDigest: String
        public let dimension: Int
        public let figures: [Figure]
        /// The same figures of true images in the place of the samples, and how many these are; nil where there are none.
        public let baseline: (figures: [Figure], count: Int)?
        /// Samples and images of the data by class, where the features tell classes apart.
        public let classCounts: (samples: [Int], data: [Int]?)?
        /// Of each sample, its nearest image of the data, where that was looked for.
        public let nearestData: [Neighbour]?
        /// What a file of statistics of the data holds, where that is wanted.
        public let statistics: [(name: String, content: NPZ.Content)]?
    }

    private let samples: DataSet
    private let reference: ImageReference
    private let baseline: DataSet?
    private let settings: Settings
    private let work: EvaluationWork

    /// Prepares a comparison, and refuses what cannot be compared.
    ///
    /// - Parameters:
    ///   - samples: images to be judged.
    ///   - reference: what they are compared with.
    ///   - baseline: true images that are to be judged beside them; without them some of the data are held out.
    /// - Throws: ``EvaluationError``.
    public init(
        _ samples: DataSet, against reference: ImageReference, baseline: DataSet?, _ settings: Settings,
        _ work: EvaluationWork
    ) throws {
        (self.samples, self.reference, self.baseline) = (samples, reference, baseline)
        (self.settings, self.work) = (settings, work)
        for set in [samples, baseline].compactMap({ $0 }) {
            guard case .image = set.sample else { throw Self.points(set) }
            guard case .images(let data) = reference else { continue }
            guard case .image = data.sample else { throw Self.points(data) }
            guard data.sample.with(conditions: 0) == set.sample.with(conditions: 0) else {
                throw EvaluationError(
                    "\(set.path) holds \(set.sample.words), \(data.path) \(data.sample.words): only images of one size can "
                        + "be compared")
            }
        }
        if case .statistics(let file) = reference, let metric = settings.metrics.first(where: \.needsImages) {
            throw EvaluationError(
                "\(file.path) holds statistics, and the figure \(metric.name) wants images; give a data set, or --only "
                    + ImageMetric.frechet.name, status: .usage)
        }
    }

    private static func points(_ set: DataSet) -> EvaluationError {
        EvaluationError("\(set.path) holds \(set.sample.words); smd evaluate points compares points")
    }

    /// Computes all figures. Collective.
    ///
    /// - Throws: ``EvaluationError`` where there are too few images; what reading and computing throws.
    public func run() throws -> Result {
        let features = try FeatureKind.features(settings.features, for: reference, work)
        try work.communicator.together("comparing images") { try check(features) }
        let data = try self.data(features)
        let sampleFeatures = try features.features(of: samples, "features of samples", work)
        let comparison = compare(features, sampleFeatures, data)
        let needsNeighbours = settings.metrics.contains { $0.name == ImageMetric.memorisation.name }
        return Result(
            featuresName: features.name, featuresDigest: features.digest, dimension: features.dimension,
            figures: try figures(comparison), baseline: try baselineFigures(features, data),
            classCounts: comparison.classCounts(),
            nearestData: needsNeighbours ? try comparison.neighbourhoods().nearestData : nil,
            statistics: settings.wantsStatistics
                ? try comparison.dataMoments().members(of: features, classCounts: comparison.classCounts()?.data) : nil)
    }

    /// Those that are asked for, and that of classes where there are any.
    private func figures(_ comparison: ImageComparison) throws -> [Figure] {
        try (settings.metrics + [.classes]).flatMap { try $0.figures(comparison) }
    }

    private func compare(
        _ features: any ImageFeatures, _ samples: FeatureMatrix, _ data: ImageComparison.Data
    ) -> ImageComparison {
        ImageComparison(features, samples, data, seed: settings.seed, settings.subsets, work)
    }

    private func data(_ features: any ImageFeatures) throws -> ImageComparison.Data {
        switch reference {
        case .images(let set):
            return .images(.init(try features.features(of: set, "features of the data", work)))
        case .statistics(let file):
            return try work.communicator.together("reading \(file.path)") {
                .statistics(
                    try Moments(of: features, from: file), classCounts: try features.classes?.counts(from: file))
            }
        }
    }

    private func check(_ features: any ImageFeatures) throws {
        var counts = [(what: samples.path, count: samples.count)]
        if case .images(let set) = reference { counts.append((set.path, set.count)) }
        if let baseline { counts.append((baseline.path, baseline.count)) }
        for metric in settings.metrics { try metric.check(counts, features.dimension) }
        for set in [samples, baseline].compactMap({ $0 }) { try features.check(set) }
    }

    /// True images in the place of samples, as many as these where there are so many: of the baseline, or else of the
    /// data, which then are compared with the rest of the data. Nil where there are too few of these for a figure.
    private func baselineFigures(
        _ features: any ImageFeatures, _ data: ImageComparison.Data
    ) throws -> (figures: [Figure], count: Int)? {
        let stream = RandomStream(seed: settings.seed, purpose: .evaluation)
        let order = { (count: Int) in stream.permutation(count: count, epoch: Int(UInt32.max)).map(Int.init) }
        let comparison: ImageComparison
        if let baseline {
            let chosen = order(baseline.count).prefix(samples.count).sorted()
            let all = try features.features(of: baseline, "features of the baseline", work)
            comparison = compare(features, all.selecting(chosen), data)
        } else {
            guard case .images(let side) = data else { return nil }
            let order = order(side.features.count)
            let held = min(samples.count, side.features.count / 2)
            let parts = [order.prefix(held), order.dropFirst(held)].map { side.features.selecting($0.sorted()) }
            let counts = parts.map { ("a part of the data", $0.count) }
            guard (try? settings.metrics.forEach { try $0.check(counts, features.dimension) }) != nil else {
                return nil
            }
            comparison = compare(features, parts[0], .images(.init(parts[1])))
        }
        return (try figures(comparison), comparison.samples.features.count)
    }
}
