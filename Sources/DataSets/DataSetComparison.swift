import Files

/// Which samples two data sets do not share.
public struct DataSetComparison: Encodable, Sendable {
    /// Samples of the first and the second.
    public let counts: [Int]
    /// Places of the first set with another sample in the second; nil where the counts differ.
    public let changed: [Int]?
    /// Places of samples that the other set has nowhere.
    public let onlyInFirst: [Int]
    public let onlyInSecond: [Int]
    /// Places where both have the same sample with another label, by name where it has one.
    public let relabelled: [Int]
    /// Whether only one has labels.
    public let labelsMissing: Bool

    /// Whether all samples and labels are the same, in the same order.
    public var isSame: Bool { changed == [] && relabelled.isEmpty && !labelsMissing }
    /// Whether all samples are the same, in another order.
    public var isReordered: Bool {
        changed != [] && onlyInFirst.isEmpty && onlyInSecond.isEmpty && counts[0] == counts[1]
    }

    /// Of two sets.
    ///
    /// - Parameter progress: gets the samples read and all.
    /// - Throws: ``DataSetError`` where samples are of different shapes, or a file fails.
    public init(_ first: DataSet, _ second: DataSet, progress: (Int, Int) throws -> Void) throws {
        guard first.sample == second.sample else {
            throw DataSetError("\(first.path): holds \(first.sample.words), \(second.path) \(second.sample.words)")
        }
        let all = first.count + second.count
        func digests(_ set: DataSet, after done: Int) throws -> [ContentDigest] {
            try (0..<set.count).map { index in
                try progress(done + index, all)
                return ContentDigest(of: try set.stored(index))
            }
        }
        let (one, two) = (try digests(first, after: 0), try digests(second, after: first.count))
        counts = [one.count, two.count]
        changed = one.count == two.count ? one.indices.filter { one[$0] != two[$0] } : nil
        onlyInFirst = Self.surplus(one, two)
        onlyInSecond = Self.surplus(two, one)
        // Numbers are compared where only one set names them.
        let named = try first.labelNames() != nil && second.labelNames() != nil
        let labels = (try Self.labels(of: first, named), try Self.labels(of: second, named))
        labelsMissing = (labels.0 == nil) != (labels.1 == nil)
        if let a = labels.0, let b = labels.1 {
            relabelled = (0..<min(one.count, two.count)).filter { one[$0] == two[$0] && !a[$0].hasSameBytes(as: b[$0]) }
        } else {
            relabelled = []
        }
    }

    private static func labels(of set: DataSet, _ isNamed: Bool) throws -> [String]? {
        let names = isNamed ? try set.labelNames() : nil
        return try set.labels()?.map { names?[$0] ?? "\($0)" }
    }

    /// Places of the samples of `one` that are there more often than in `other`.
    private static func surplus(_ one: [ContentDigest], _ other: [ContentDigest]) -> [Int] {
        var left = other.reduce(into: [ContentDigest: Int]()) { $0[$1, default: 0] += 1 }
        return one.indices.filter { place in
            guard let count = left[one[place]], count > 0 else { return true }
            left[one[place]] = count - 1
            return false
        }
    }
}
