/// Points of the plane that are drawn from a known distribution.
public protocol DrawnPoints: Sendable {
    /// The distribution, which is stored with the points.
    var distribution: StoredDistribution { get }
    /// Draws the points numbered `range`. Point i is a function of (seed, i) alone, so that pieces drawn apart join up.
    ///
    /// - Returns: Points, range.count × 2, and the component each was drawn from.
    func draw(_ range: Range<Int>) -> (points: [Float], labels: [Int32])
}

/// How the components of a mixture of K share the points.
public enum ComponentWeights: String, CaseIterable, Sendable {
    /// 1/K each.
    case equal
    /// Proportional to 1, 2, … K.
    case linear
    /// Falling by one factor from each component to the next; the last has a hundredth of the first.
    case geometric

    /// The weights of K components, sum 1.
    public func values(_ count: Int) -> [Double] {
        precondition(count > 0, "weights of \(count) components")
        let shares: [Double] =
            switch self {
            case .equal: [Double](repeating: 1, count: count)
            case .linear: (1...count).map(Double.init)
            case .geometric:
                // By repeated products, not pow: every machine gets the same bits.
                (0..<count).reduce(into: [Double]()) { shares, _ in
                    shares.append(shares.last.map { $0 * Self.factor(count) } ?? 1)
                }
            }
        let sum = shares.reduce(0, +)
        return shares.map { $0 / sum }
    }

    /// The (K − 1)-th root of 1/100, by bisection.
    private static func factor(_ count: Int) -> Double {
        var (low, high) = (0.0, 1.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            let power = (1..<count).reduce(1.0) { product, _ in product * middle }
            if power < 0.01 { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }
}
