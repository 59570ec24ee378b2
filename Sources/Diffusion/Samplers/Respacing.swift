/// Which of T times a sampler visits, as OpenAI's code spells it: `ddim25`, `250`, `10,10,20` (Nichol and Dhariwal 2021,
/// section 4).
public enum Respacing {
    /// The word for no such choice.
    public static let none = "none"

    /// The times that `text` stands for, ascending, or what is wrong with it.
    ///
    /// `ddimS`: 0, i, 2i, … with the smallest stride i that gives S times. `S1,S2,…`: T is cut into as many sections, the
    /// first T mod n of them one longer; of each S times are taken, evenly spaced with both ends, rounded half to even.
    public static func times(_ text: String, of timesteps: Int) -> (times: [Int], fault: String?) {
        if text.hasPrefix("ddim") { return strided(text, of: timesteps) }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let counts = parts.compactMap { Int($0.filter { $0 != " " }) }
        guard counts.count == parts.count, counts.allSatisfy({ $0 > 0 }) else {
            return ([], "is '\(text)', wanted ddimS or S1,S2,… such as ddim25, 250 or 10,10,20")
        }
        guard counts.count <= timesteps else {
            return ([], "is '\(text)': \(counts.count) sections of \(timesteps) steps")
        }
        var (times, start) = ([Int](), 0)
        for (section, count) in counts.enumerated() {
            let size = timesteps / counts.count + (section < timesteps % counts.count ? 1 : 0)
            guard count <= size else {
                return ([], "is '\(text)', but section \(section + 1) has \(size) steps, fewer than \(count)")
            }
            let stride = count > 1 ? Double(size - 1) / Double(count - 1) : 1
            var at = 0.0
            for _ in 0..<count {
                times.append(start + Int(at.rounded(.toNearestOrEven)))
                at += stride
            }
            start += size
        }
        return (times, nil)
    }

    private static func strided(_ text: String, of timesteps: Int) -> (times: [Int], fault: String?) {
        guard let count = Int(text.dropFirst(4)), count > 0 else {
            return ([], "is '\(text)', wanted ddim and a number of steps, such as ddim25")
        }
        func visits(_ stride: Int) -> Int { (timesteps + stride - 1) / stride }
        if let stride = (1..<max(timesteps, 2)).first(where: { visits($0) == count }) {
            return ((0..<count).map { $0 * stride }, nil)
        }
        let possible = Set((1...timesteps).map(visits)).sorted()
        let near = [possible.last { $0 < count }, possible.first { $0 > count }].compactMap { $0 }
        return (
            [],
            "is '\(text)', but no whole stride over \(timesteps) steps visits \(count) of them; near are "
                + near.map { "ddim\($0)" }.joined(separator: " and ")
        )
    }
}

extension DiffusionConfiguration {
    /// Why ``respacing`` means nothing; nil where it does.
    public var respacingFault: String? {
        respacing == Respacing.none ? nil : Respacing.times(respacing, of: reach).fault
    }

    /// The times of `schedule` that a sampler visits, ascending.
    func visitedTimes(of schedule: NoiseSchedule) -> [Int] {
        if respacing == Respacing.none { return spacing.times(samplingSteps, of: schedule) }
        let (times, fault) = Respacing.times(respacing, of: reach)
        precondition(fault == nil, "respacing \(fault ?? "")")
        return times
    }
}
