/// Where the time of one step goes. A phase lasts until the next begins.
struct StepClock {
    enum Phase: Int, CaseIterable { case data, compute, communication, optimizer }

    /// Seconds so far by phase, the running one up to its last `begin`.
    private(set) var seconds = [Double](repeating: 0, count: Phase.allCases.count)
    private let clock = ContinuousClock()
    private var phase: Phase
    private var since: ContinuousClock.Instant
    private let start: ContinuousClock.Instant

    /// Begins a step with `phase`.
    ///
    /// - Parameter communicated: seconds of communication from before, which count in the phases but not in the duration.
    init(_ phase: Phase, communicated: Double = 0) {
        self.phase = phase
        seconds[Phase.communication.rawValue] = communicated
        since = clock.now
        start = since
    }

    /// Ends the phase that runs and begins `next`.
    mutating func begin(_ next: Phase) {
        let now = clock.now
        seconds[phase.rawValue] += (now - since).seconds
        (phase, since) = (next, now)
    }

    /// Counts `more` seconds, measured elsewhere, to `phase`, as part of the phase that runs.
    mutating func attribute(_ more: Double, to phase: Phase) {
        seconds[phase.rawValue] += more
        seconds[self.phase.rawValue] -= more
    }

    /// Ends the step; its whole duration in seconds.
    mutating func end() -> Double {
        begin(phase)
        return (since - start).seconds
    }

    subscript(_ phase: Phase) -> Double { seconds[phase.rawValue] }
}

/// Where the time of one step went on every rank.
struct RankSeconds {
    /// `[ranks, phases]`.
    private let seconds: ArraySlice<Double>
    private static let phases = StepClock.Phase.allCases.count

    init(_ seconds: ArraySlice<Double>) {
        precondition(seconds.count.isMultiple(of: Self.phases), "\(seconds.count) numbers for \(Self.phases) phases")
        self.seconds = seconds
    }

    /// This rank's row among zeros: the sum over ranks holds everybody's.
    static func row(_ clock: StepClock, rank: Int, of ranks: Int) -> [Double] {
        var rows = [Double](repeating: 0, count: ranks * phases)
        rows.replaceSubrange(rank * phases..<(rank + 1) * phases, with: clock.seconds)
        return rows
    }

    /// Seconds of `phase` by rank.
    subscript(_ phase: StepClock.Phase) -> [Double] {
        stride(from: seconds.startIndex + phase.rawValue, to: seconds.endIndex, by: Self.phases).map { seconds[$0] }
    }

    /// The rank that computed longest, its data included: the one that others wait for.
    var slowestRank: Int {
        let busy = zip(self[.data], self[.compute]).map { $0 + $1 }
        return busy.indices.max { busy[$0] < busy[$1] } ?? 0
    }
}
