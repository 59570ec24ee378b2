/// Where the time of one step goes. A phase lasts until the next begins.
struct StepClock {
    enum Phase: Int, CaseIterable { case data, compute, communication, optimizer }

    private(set) var seconds = [Double](repeating: 0, count: Phase.allCases.count)
    private let clock = ContinuousClock()
    private var phase: Phase
    private var since: ContinuousClock.Instant
    private let start: ContinuousClock.Instant

    init(_ phase: Phase) {
        self.phase = phase
        since = clock.now
        start = since
    }

    /// Ends the phase that runs and begins `next`.
    mutating func begin(_ next: Phase) {
        let now = clock.now
        seconds[phase.rawValue] += (now - since).seconds
        (phase, since) = (next, now)
    }

    /// Ends the step; its whole duration in seconds.
    mutating func end() -> Double {
        begin(phase)
        return (since - start).seconds
    }

    subscript(_ phase: Phase) -> Double { seconds[phase.rawValue] }
}

extension Duration {
    /// As a number of seconds.
    public var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
