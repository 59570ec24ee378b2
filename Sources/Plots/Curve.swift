/// Values over steps, to be drawn as one line.
public struct Curve: Sendable {
    /// What a legend calls it.
    public let name: String
    /// Number of its colour.
    public let color: Int
    /// Ascending.
    public let x: [Double]
    /// Of the length of `x`. Where a value is not finite, the line is interrupted.
    public let y: [Double]

    public init(name: String, color: Int, x: [Double], y: [Double]) {
        precondition(x.count == y.count, "\(x.count) places for \(y.count) values")
        (self.name, self.color, self.x, self.y) = (name, color, x, y)
    }

    /// The same without the values that were not measured, so that the line goes on between those that were.
    public var measured: Curve {
        let kept = y.indices.filter { !y[$0].isNaN }
        return Curve(name: name, color: color, x: kept.map { x[$0] }, y: kept.map { y[$0] })
    }

    /// The exponential moving average m ← w·m + (1 − w)·y, divided by 1 − wⁿ after n values: without that a beginning at
    /// 0 would show (the correction of Adam's moments; Kingma and Ba, 2015, section 3). Values that are not finite are
    /// passed over.
    ///
    /// - Parameter weight: w, at least 0 and below 1.
    public func smoothed(_ weight: Double) -> Curve {
        precondition((0..<1).contains(weight), "a weight of \(weight)")
        var (average, left) = (0.0, 1.0)
        let values = y.map { value -> Double in
            guard value.isFinite else { return value }
            average = weight * average + (1 - weight) * value
            left *= weight
            return average / (1 - left)
        }
        return Curve(name: name, color: color, x: x, y: values)
    }

    /// At most about `count` × 2 points that look the same: of each of `count` equal ranges of x the lowest and the
    /// highest value, in their order. Interruptions stay.
    func thinned(to count: Int, from low: Double, to high: Double) -> Curve {
        guard y.count > 2 * count, high > low else { return self }
        var kept: [Int] = []
        var start = 0
        while start < x.count {
            let cell = ((x[start] - low) / (high - low) * Double(count)).rounded(.down)
            var end = start
            var (least, most, gap): (Int?, Int?, Int?) = (nil, nil, nil)
            while end < x.count, ((x[end] - low) / (high - low) * Double(count)).rounded(.down) == cell {
                if y[end].isFinite {
                    if least.map({ y[end] < y[$0] }) ?? true { least = end }
                    if most.map({ y[end] > y[$0] }) ?? true { most = end }
                } else {
                    gap = gap ?? end
                }
                end += 1
            }
            kept += Set([least, most, gap].compactMap { $0 }).sorted()
            start = end
        }
        return Curve(name: name, color: color, x: kept.map { x[$0] }, y: kept.map { y[$0] })
    }
}
