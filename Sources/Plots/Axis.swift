import Foundation

/// An axis: a range of values, on a linear or a logarithmic scale, and round numbers in it.
struct Axis: Equatable {
    let low: Double
    let high: Double
    let isLogarithmic: Bool
    let ticks: [(value: Double, label: String)]

    static func == (one: Axis, other: Axis) -> Bool {
        one.low == other.low && one.high == other.high && one.ticks.map(\.label) == other.ticks.map(\.label)
    }

    /// The axis of all finite `values`; on a logarithmic scale of those above 0. With none of them it goes from 0, there
    /// 1, to 1, there 10.
    ///
    /// - Parameters:
    ///   - margin: the share of the range that is added at both ends.
    ///   - wanted: about how many round numbers.
    init(_ values: some Sequence<Double>, isLogarithmic: Bool = false, margin: Double = 0.04, wanted: Int = 5) {
        var (low, high) = (Double.infinity, -Double.infinity)
        for value in values where value.isFinite && (!isLogarithmic || value > 0) {
            low = min(low, value)
            high = max(high, value)
        }
        let isEmpty = low > high
        self.isLogarithmic = isLogarithmic
        if isEmpty { (low, high) = isLogarithmic ? (1, 10) : (0, 1) }
        if isLogarithmic {
            let (first, last) = (log10(low), log10(high))
            // What differs by rounding alone does not differ.
            let room = last - first > 1e-9 ? (last - first) * margin : 0.1
            (self.low, self.high) = (pow(10, first - room), pow(10, last + room))
            ticks = Self.powers(self.low, self.high, wanted)
        } else {
            // In halves, so that the width of a range of the largest numbers is one.
            let width = high / 2 - low / 2
            let least = max(abs(low), abs(high)) * 1e-9
            let room = width > least ? 2 * width * margin : high == 0 ? 0.5 : max(abs(high), abs(low)) * 0.05
            (self.low, self.high) = (
                max(low - room, -.greatestFiniteMagnitude), min(high + room, .greatestFiniteMagnitude)
            )
            ticks = Self.roundNumbers(self.low, self.high, wanted)
        }
    }

    /// Where a value lies between the ends, 0 to 1; nil where it has no place on the scale.
    func place(of value: Double) -> Double? {
        guard value.isFinite, !isLogarithmic || value > 0 else { return nil }
        return isLogarithmic
            ? (log10(value) - log10(low)) / (log10(high) - log10(low))
            : (value / 2 - low / 2) / (high / 2 - low / 2)
    }

    private static func roundNumbers(_ low: Double, _ high: Double, _ wanted: Int) -> [(value: Double, label: String)] {
        let rough = (high / 2 - low / 2) / Double(max(1, wanted)) * 2
        guard rough.isFinite, rough > 0 else { return [] }
        let power = pow(10, floor(log10(rough)))
        // The nearest of 1, 2, 5 and 10 in ratio: borders are their geometric means.
        let distance = power * (rough < 1.41 * power ? 1 : rough < 3.16 * power ? 2 : rough < 7.07 * power ? 5 : 10)
        let (first, last) = ((low / distance).rounded(.up), (high / distance).rounded(.down))
        guard distance > 0, first <= last, last - first <= 50 else { return [] }
        let values = stride(from: first, through: last, by: 1).map { $0 == 0 ? 0 : $0 * distance }
        return values.map { ($0, label($0, distance: distance, largest: max(abs(low), abs(high)))) }
    }

    /// Powers of ten; where they are fewer than two, their doubles and fivefolds as well.
    private static func powers(_ low: Double, _ high: Double, _ wanted: Int) -> [(value: Double, label: String)] {
        let (first, last) = (Int(floor(log10(low))), Int(ceil(log10(high))))
        let step = max(1, (last - first + wanted - 1) / max(1, wanted))
        let tens = stride(from: first, through: last, by: 1).filter { $0 % step == 0 }.map { pow(10, Double($0)) }
        let inside = tens.filter { (low...high).contains($0) }
        if inside.count >= 2 { return inside.map { ($0, compact($0)) } }
        let finer = (first...last).flatMap { power in [1, 2, 5].map { $0 * pow(10, Double(power)) } }
        let shown = finer.filter { (low...high).contains($0) }
        return shown.count >= 2 ? shown.map { ($0, compact($0)) } : roundNumbers(low, high, wanted)
    }

    /// A number with as many digits as tell it from its neighbours.
    private static func label(_ value: Double, distance: Double, largest: Double) -> String {
        if value == 0 { return "0" }
        if largest >= 1e4 || largest < 1e-3 { return compact(value, distance: distance) }
        let decimals = max(0, Int(-floor(log10(distance) + 1e-9)))
        return String(format: "%.\(decimals)f", value)
    }

    /// "20k", "1.5M", "1e-4".
    private static func compact(_ value: Double, distance: Double? = nil) -> String {
        let size = abs(value)
        for (unit, letter) in [(1e6, "M"), (1e3, "k")] where size >= unit && size < unit * 1000 && size >= 1e4 {
            let decimals = distance.map { max(0, Int(-floor(log10($0 / unit) + 1e-9))) } ?? 0
            return String(format: "%.\(min(decimals, 6))f", value / unit) + letter
        }
        if size >= 1e-3 && size < 1e4 { return String(format: "%g", value) }
        let exponent = Int(floor(log10(size) + 1e-12))
        let decimals = distance.map { max(0, exponent - Int(floor(log10($0) + 1e-9))) } ?? 0
        let digits = String(format: "%.\(min(decimals, 12))f", value / pow(10, Double(exponent)))
        return (digits.hasSuffix(".0") ? String(digits.dropLast(2)) : digits) + "e\(exponent)"
    }
}
