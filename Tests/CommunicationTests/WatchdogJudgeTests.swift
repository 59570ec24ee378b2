import Testing

import Communication

/// Whom the watchdog blames, with a deadline of 10 s.
@Suite struct WatchdogJudgeTests {
    private static func member(
        _ rank: Int, _ phase: Watchdog.Phase = .forward, step: Int = 7, idle: Double = 0, waits: Bool = false,
        heard: Double = 100, isLocal: Bool = true, isTrusted: Bool = true
    ) -> WatchdogJudge.Member {
        let report = ActivityReport(phase: phase, step: step, isWaiting: waits, idleSeconds: idle)
        var member = WatchdogJudge.Member(rank: rank, host: "host\(rank)", report: report, heard: heard)
        (member.isLocal, member.isTrusted) = (isLocal, isTrusted)
        return member
    }

    private static func verdict(_ members: [WatchdogJudge.Member], at me: Int = 0, now: Double = 100) -> String? {
        let others = members.filter { $0.rank != me }
        var judge = WatchdogJudge(
            deadline: 10, me: me, isWorld: true, members: .init(uniqueKeysWithValues: others.map { ($0.rank, $0) }))
        // Not the first look at this step: else it would be a sign of life of all.
        var own = members[me]
        own.report?.idleSeconds = 0
        _ = judge.verdict(own, now: 0)
        for other in others { judge.members[other.rank]?.heard = other.heard }
        return judge.verdict(members[me], now: now)
    }

    @Test func nobodyIsBlamedWhileOthersWork() {
        let waits = Self.member(0, .allReduce, idle: 500, waits: true)
        #expect(Self.verdict([waits, Self.member(1, idle: 9)]) == nil)
        #expect(Self.verdict([Self.member(0), Self.member(1, idle: 9)]) == nil)
        #expect(Self.verdict([waits, Self.member(1, idle: 9), Self.member(2, idle: 500, waits: true)]) == nil)
    }

    @Test func silence() throws {
        let waits = Self.member(0, .allReduce, idle: 11, waits: true)
        #expect(Self.verdict([waits, Self.member(1, heard: 91)]) == nil)
        let line = try #require(Self.verdict([waits, Self.member(1, heard: 89), Self.member(2)]))
        #expect(
            line.hasPrefix("rank 1 on host host1 has given no sign of life for 11 s, last seen in forward of step 7"))
        // Over a network, lost messages do no harm as long as the work gets on.
        #expect(Self.verdict([Self.member(0), Self.member(1, heard: 80, isLocal: false)]) == nil)
        #expect(Self.verdict([waits, Self.member(1, heard: 80, isLocal: false)])?.contains("rank 1") == true)
    }

    @Test func stepsAreSignsOfLife() {
        var judge = WatchdogJudge(deadline: 10, me: 0, isWorld: true, members: [1: Self.member(1, heard: 0)])
        var own = Self.member(0, .allReduce, step: 8, idle: 5, waits: true)
        #expect(judge.verdict(own, now: 50) == nil)
        own.report?.step = 9
        #expect(judge.verdict(own, now: 59) == nil)
        #expect(judge.verdict(own, now: 68) == nil)
        #expect(judge.verdict(own, now: 70) != nil)
    }

    @Test func hanging() {
        let waits = Self.member(0, .allReduce, idle: 11, waits: true)
        #expect(
            Self.verdict([waits, Self.member(1, .checkpoint, idle: 10)])
                == "rank 1 on host host1 has made no progress for 10 s in checkpoint of step 7")
        #expect(Self.verdict([Self.member(0, .data, idle: 12)])?.contains("rank 0 on host host0 has made no") == true)
        // Another than rank 0 says so itself when rank 0 does not.
        #expect(Self.verdict([waits, Self.member(1, .data, idle: 10.5)], at: 1) == nil)
        #expect(Self.verdict([waits, Self.member(1, .data, idle: 14)], at: 1)?.hasPrefix("rank 1 on") == true)
    }

    /// Rank 0 is judged by the others, one after the other.
    @Test func silenceOfRank0() {
        func line(_ silent: Double, at me: Int) -> String? {
            let others = (1...3).map { Self.member($0, idle: silent, waits: true) }
            return Self.verdict([Self.member(0, heard: 100 - silent)] + others, at: me)
        }
        #expect(line(10.5, at: 1) == nil)
        #expect(line(11.1, at: 1)?.hasPrefix("rank 0 on host host0 has given no sign of life for 11 s") == true)
        #expect(line(11.1, at: 2) == nil)
        #expect(line(11.6, at: 3)?.contains("rank 0") == true)
    }

    @Test func allWaitForEachOther() {
        func waits(_ rank: Int, _ phase: Watchdog.Phase = .allReduce, step: Int = 7) -> WatchdogJudge.Member {
            Self.member(rank, phase, step: step, idle: 13, waits: true)
        }
        #expect(
            Self.verdict([waits(0), waits(1)])
                == "all 2 ranks wait for each other for 13 s in all-reduce of step 7: messages between them got lost")
        #expect(
            Self.verdict([waits(0), waits(1, .checkpoint, step: 6)])
                == "rank 1 on host host1 waits in checkpoint of step 6 for 13 s, and the others wait for something else"
        )
        #expect(Self.verdict([waits(0), Self.member(1, idle: 11.5, waits: true)]) == nil)
        var unheard = waits(1)
        unheard.isTrusted = false
        unheard.report = nil
        #expect(Self.verdict([waits(0), unheard])?.hasPrefix("rank 1 on host host1 has never been heard") == true)
        // Where messages never get through, a rank that works is not blamed.
        #expect(Self.verdict([Self.member(0), unheard]) == nil)
    }

    @Test func ranksThatEnd() {
        var gone = Self.member(1)
        gone.gone = 96
        #expect(Self.verdict([Self.member(0), gone]) == nil)  // the launcher sees to it first
        gone.gone = 94
        #expect(Self.verdict([Self.member(0), gone])?.hasPrefix("rank 1 on host host1 ended in the middle") == true)
    }

    @Test func severalAreNamed() {
        let waits = Self.member(0, .allReduce, idle: 11, waits: true)
        let line = Self.verdict([waits] + (1...4).map { Self.member($0, heard: $0 == 2 ? 100 : 80) })
        #expect(line?.hasPrefix("rank 1 on host host1 (and 2 more: 3-4) has given no sign") == true, "\(line ?? "")")
    }
}
