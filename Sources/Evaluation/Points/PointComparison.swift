import Philox

/// Samples against the truth or data, in all figures of ``PointMetric``, beside the same figures of true samples.
public struct PointComparison: Sendable {
    /// What samples are compared with.
    public enum Reference: Sendable {
        /// A known distribution, which reference samples are drawn from.
        case truth(any KnownDistribution)
        /// Data, divided at random into two halves.
        case data(PointSet)
    }

    /// A figure of the samples, and of true ones.
    public struct Figure: Sendable {
        public let metric: PointMetric
        /// Of the samples; nil where it has no value.
        public let samples: Estimate?
        /// Mean of as many true samples against others; nil where it has no value.
        public let truth: Double?
        /// Standard deviation of one such comparison.
        public let deviation: Double?
    }

    public let figures: [Figure]
    /// Points of the reference, and of each side of a comparison of true samples.
    public let referenceCount: Int
    /// h of the kernel of MMD.
    public let bandwidth: Double

    /// What decides the figures besides the samples.
    public struct Settings: Sendable {
        /// Directions of sliced distances.
        public var projections = 64
        /// Comparisons of true samples.
        public var repetitions = 4
        /// Seed of directions and true samples.
        public var seed: UInt64 = 0

        public init() {}
    }

    /// The fewest samples, and data of a half, that are compared: fewer say nothing.
    public static let leastPoints = 100

    /// - Parameters:
    ///   - progress: called with (figures computed, all) after each.
    public init(
        _ samples: PointSet, with reference: Reference, _ settings: Settings,
        progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        let pairs = (0..<max(settings.repetitions, 1)).map { reference.pair($0, samples.count, settings.seed) }
        let (first, _) = pairs[0]
        precondition(
            first.count >= Self.leastPoints && first.dimension == samples.dimension,
            "\(samples.count) samples of \(samples.dimension) coordinates with \(first.count) of \(first.dimension)")
        let context = PointMetric.Context(
            directions: SlicedWasserstein.directions(
                settings.projections, dimension: samples.dimension, seed: settings.seed),
            kernel: MaximumMeanDiscrepancy(medianOf: first), truth: reference.truth)
        let metrics = context.truth == nil ? PointMetric.distances : PointMetric.all
        var done = 0
        func value(_ metric: PointMetric, _ x: PointSet, _ y: PointSet) throws -> Estimate? {
            defer { done += 1 }
            try progress(done, metrics.count * (settings.repetitions + 1))
            return metric.value(x, y, context)
        }
        figures = try metrics.map { metric in
            let of = try value(metric, samples, first)
            let truths = try pairs.prefix(settings.repetitions).map { try value(metric, $1, $0)?.value }
            let all = truths.compactMap { $0 }
            let spread = all.count == truths.count && !all.isEmpty ? Estimate(meanOf: all) : nil
            return Figure(
                metric: metric, samples: of, truth: spread?.value,
                deviation: spread?.error.map { $0 * Double(all.count).squareRoot() })
        }
        referenceCount = first.count
        bandwidth = context.kernel.bandwidth
    }
}

extension PointComparison.Reference {
    var truth: (any KnownDistribution)? { if case .truth(let truth) = self { truth } else { nil } }

    /// At most `count` reference points: those that samples are compared with.
    public func points(_ count: Int, seed: UInt64) -> PointSet { pair(0, count, seed).0 }

    /// The `repetition`-th pair of sets of true samples, of at most `count` points each.
    func pair(_ repetition: Int, _ count: Int, _ seed: UInt64) -> (PointSet, PointSet) {
        switch self {
        case .truth(let truth):
            return (
                truth.samples(count, seed: seed, round: 2 * repetition),
                truth.samples(count, seed: seed, round: 2 * repetition + 1)
            )
        case .data(let data):
            let order = RandomStream(seed: seed, purpose: .evaluation).permutation(
                count: data.count, epoch: repetition)
            let half = data.count / 2
            return (
                data.picked(order.prefix(min(half, count))), data.picked(order.dropFirst(half).prefix(min(half, count)))
            )
        }
    }
}
