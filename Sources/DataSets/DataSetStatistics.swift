/// What the samples of a data set are like.
public struct DataSetStatistics: Encodable, Sendable {
    /// Of a channel of images, 0…255, or a coordinate of points.
    public struct Channel: Encodable, Sendable {
        public let mean: Double
        /// Of all values around the mean, divided by their number.
        public let deviation: Double
        public let minimum: Double
        public let maximum: Double
    }

    public let count: Int
    public let channels: [Channel]
    /// Samples of each label; nil where there are none.
    public let classes: [DataSetInfo.LabelCount]?
    /// Images whose values deviate by less than one level from their mean, at most the first 100 places.
    public let nearConstant: [Int]
    public let nearConstantCount: Int
    /// Samples that are exact copies of one before: their place, and that one's; at most the first 100.
    public let duplicates: [[Int]]
    public let duplicateCount: Int
    /// Means over the images of each label, or of all: [classes][height × width × channels].
    public let means: [[Double]]

    private enum CodingKeys: String, CodingKey {
        case count, channels, classes, nearConstant, nearConstantCount, duplicates, duplicateCount
    }

    private static let listed = 100

    /// Of all samples of a set.
    ///
    /// - Parameter progress: gets the samples read and all.
    /// - Throws: ``DataSetError`` or `HDF5Error` where a file fails.
    public init(_ set: DataSet, progress: (Int, Int) throws -> Void) throws {
        let labels = try set.labels()
        let channelCount = set.sample.axes.last ?? 1
        let groups = Dictionary(
            Set(labels ?? [0]).sorted().enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        var sums = ChannelSums(channelCount)
        var means = [[Double]](repeating: [Double](repeating: 0, count: set.sample.elements), count: groups.count)
        var members = [Double](repeating: 0, count: groups.count)
        var first: [ContentDigest: Int] = [:]
        var (constant, copies): ([Int], [[Int]]) = ([], [])
        for index in 0..<set.count {
            let values = try Self.values(set, index)
            sums.add(values)
            let group = groups[labels?[index] ?? 0] ?? 0
            members[group] += 1
            for place in values.indices { means[group][place] += values[place] }
            if case .image = set.sample, Self.isNearConstant(values, channelCount) { constant.append(index) }
            let digest = ContentDigest(of: values.withUnsafeBytes { Array($0) })
            if let other = first[digest] { copies.append([index, other]) } else { first[digest] = index }
            try progress(index + 1, set.count)
        }
        count = set.count
        channels = sums.channels
        classes = try DataSetInfo(set.source, fingerprint: set.fingerprint).classes
        (nearConstant, nearConstantCount) = (Array(constant.prefix(Self.listed)), constant.count)
        (duplicates, duplicateCount) = (Array(copies.prefix(Self.listed)), copies.count)
        self.means = zip(means, members).map { sum, count in sum.map { $0 / max(1, count) } }
    }

    private static func values(_ set: DataSet, _ index: Int) throws -> [Double] {
        if case .image = set.sample { return try set.pixels(index).map { Double($0) } }
        return try set.samples([index]).map { Double($0) }
    }

    private static func isNearConstant(_ values: [Double], _ channels: Int) -> Bool {
        (0..<channels).allSatisfy { channel in
            let own = stride(from: channel, to: values.count, by: channels).map { values[$0] }
            let mean = own.reduce(0, +) / Double(own.count)
            return own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(own.count) < 1
        }
    }

    /// Sums over all values of each channel; around the first value, so that squares lose nothing.
    private struct ChannelSums {
        private var origin: [Double]?
        private var counts = 0.0
        private var sums: [Double]
        private var squares: [Double]
        private var lows: [Double]
        private var highs: [Double]

        init(_ channels: Int) {
            (sums, squares) = ([Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels))
            (lows, highs) = (sums.map { _ in .infinity }, sums.map { _ in -.infinity })
        }

        mutating func add(_ values: [Double]) {
            let origin = origin ?? Array(values[..<sums.count])
            self.origin = origin
            counts += Double(values.count / sums.count)
            for (place, value) in values.enumerated() {
                let channel = place % sums.count
                let difference = value - origin[channel]
                sums[channel] += difference
                squares[channel] += difference * difference
                lows[channel] = min(lows[channel], value)
                highs[channel] = max(highs[channel], value)
            }
        }

        var channels: [Channel] {
            sums.indices.map { channel in
                let shift = sums[channel] / counts
                return Channel(
                    mean: (origin?[channel] ?? 0) + shift,
                    deviation: max(0, squares[channel] / counts - shift * shift).squareRoot(), minimum: lows[channel],
                    maximum: highs[channel])
            }
        }
    }
}
