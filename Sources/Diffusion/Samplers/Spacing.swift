import Foundation

/// Which of the T times a sampler visits.
public enum Spacing: String, Codable, CaseIterable, Sendable {
    /// At equal distances in t.
    case linear
    /// At equal distances in λ = ln(α/σ).
    case logSNR = "log_snr"
    /// At equal distances in σ̃^(1/7), σ̃ = σ/α, from 80 or the noisiest time, whichever is less noisy (Karras et al. 2022,
    /// equation 5).
    case karras

    /// `steps` times of `schedule`, ascending.
    func times(_ steps: Int, of schedule: NoiseSchedule) -> [Int] {
        let (ratios, count) = (schedule.alphaBars.map { ((1 - $0) / $0).squareRoot() }, schedule.timesteps)
        switch self {
        case .linear: return Self.linear(steps, of: count)
        case .logSNR: return Self.nearest(steps, in: ratios, from: ratios[count - 1], log, exp)
        case .karras:
            return Self.nearest(steps, in: ratios, from: min(80, ratios[count - 1]), { pow($0, 1 / 7) }, { pow($0, 7) })
        }
    }

    /// linspace(−1, T−1, S+1) without its first, truncated: S ascending times of which the last is T−1.
    ///
    /// From both ends inwards in double precision, as the reference does it: where S divides a product exactly, the
    /// rounding decides which of two neighbours is taken.
    static func linear(_ steps: Int, of timesteps: Int) -> [Int] {
        let (last, step) = (Double(timesteps - 1), Double(timesteps) / Double(steps))
        return (1...steps).map { Int($0 < (steps + 1) / 2 ? -1 + step * Double($0) : last - step * Double(steps - $0)) }
    }

    /// The times whose σ̃ is nearest, in its logarithm, to values at equal distances in `scale` from the noisiest, `from`, to
    /// the first; each time once.
    private static func nearest(
        _ steps: Int, in ratios: [Double], from noisiest: Double, _ scale: (Double) -> Double,
        _ inverse: (Double) -> Double
    ) -> [Int] {
        let (low, high) = (scale(ratios[0]), scale(noisiest))
        var times: [Int] = []
        for left in (0..<steps).reversed() {
            let part = steps == 1 ? 1 : Double(left) / Double(steps - 1)
            let wanted = log(inverse(low + part * (high - low)))
            let above = ratios.firstIndex { log($0) >= wanted } ?? ratios.count - 1
            let isBelowNearer = above > 0 && wanted - log(ratios[above - 1]) < log(ratios[above]) - wanted
            // Below the last one taken, with room for those that follow.
            times.append(max(left, min(isBelowNearer ? above - 1 : above, (times.last ?? ratios.count) - 1)))
        }
        return times.reversed()
    }
}
