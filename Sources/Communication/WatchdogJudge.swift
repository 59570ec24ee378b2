/// Decides whether a job still makes progress, from what this rank's watchdog has heard of the others. Pure: the time is
/// an argument.
///
/// Rank 0 (before MPI has started: the first rank of each host) hears all others and judges. The others hear only rank
/// 0, and judge when it is silent, or when they themselves hang and rank 0 has not said so: one after the other, so that
/// one line is printed.
package struct WatchdogJudge {
    /// A rank as it is seen from here.
    package struct Member {
        package var rank: Int
        package var host: String
        /// What it last said of itself.
        package var report: ActivityReport?
        /// When there was last a sign of life.
        package var heard: Double
        /// Whether silence means something: false until the first message has come through a network that may block it.
        package var isTrusted = true
        /// Whether it is on this host, where messages do not get lost.
        package var isLocal = true
        /// Since when its process is known to have ended.
        package var gone: Double?
        /// Number of its process, where it is on this host and known, and the path of its `ActivityMark`.
        package var process: Int32?
        package var mark = ""
        /// What was found out about it when it fell silent.
        package var finding: Finding?

        package init(rank: Int, host: String, report: ActivityReport? = nil, heard: Double) {
            (self.rank, self.host, self.report, self.heard) = (rank, host, report, heard)
        }

        /// What can be seen of a silent process of this host.
        package struct Finding: Equatable {
            package var state: JobProcesses.State
            /// Its number, where there was one.
            package var process: Int32?
            /// Where it stands.
            package var place: String?
        }
    }

    /// How long a rank that ended is left to the launcher, which ends the job by itself.
    static let launcherSeconds = 5.0
    /// How long a rank waits for messages of others that tell who is to blame.
    static let grace = 2.0

    let deadline: Double
    /// This rank's number among `members`; 0 judges.
    let me: Int
    /// Whether all ranks of the job are members, or those of this host that have been heard.
    let isWorld: Bool
    /// The members but this one.
    package var members: [Int: Member]
    private var step = 0

    package init(deadline: Double, me: Int, isWorld: Bool, members: [Int: Member]) {
        self.deadline = deadline
        self.me = me
        self.isWorld = isWorld
        self.members = members
    }

    /// What is wrong with the job, in words; nil while nothing is.
    package mutating func verdict(_ own: Member, now: Double) -> String? {
        guard let report = own.report else { return nil }
        if report.step > step {
            // A step is an exchange of all ranks: whoever took part in it was alive.
            step = report.step
            for key in members.keys { members[key]?.heard = now }
        }
        return me == 0 ? judge(own, report, now) : watchTheJudge(own, report, now)
    }

    private func judge(_ own: Member, _ report: ActivityReport, _ now: Double) -> String? {
        let others = members.sorted { $0.key < $1.key }.map(\.value)
        let all = [own] + others
        if !report.isLeaving {
            let ended = others.filter { now - ($0.gone ?? now) >= Self.launcherSeconds }
            if !ended.isEmpty { return name(ended) { "ended in the middle, last seen in \($0)" } }
        }
        let silent = others.filter {
            isSilent($0, report, now, for: deadline) && !(report.isLeaving && $0.gone != nil)
        }
        if !silent.isEmpty { return name(silent) { silence(silent[0], now, $0) } }
        let hung = all.filter { !($0.report?.isWaiting ?? true) && ($0.report?.idleSeconds ?? 0) >= deadline }
        if !hung.isEmpty { return name(hung) { hang(hung[0].report, $0) } }
        return stuck(own, all, now)
    }

    /// Nobody is silent and nobody hangs, but all wait.
    private func stuck(_ own: Member, _ all: [Member], _ now: Double) -> String? {
        let reports = all.compactMap(\.report)
        let seconds = reports.map(\.idleSeconds).min() ?? 0
        // Everybody had the time to say whether they wait, too.
        guard reports.allSatisfy(\.isWaiting), seconds >= deadline + Self.grace else { return nil }
        let unheard = all.filter { !$0.isTrusted }
        if !unheard.isEmpty {
            return name(unheard) { _ in "has never been heard, and all others wait for \(whole(seconds)) s" }
        }
        guard isWorld else {
            return "\(own.host): MPI has not started for \(whole(seconds)) s and \(all.count) "
                + "\(all.count == 1 ? "rank is" : "ranks are") waiting here: a rank on another host has not come, or the "
                + "network between hosts is blocked"
        }
        func isBefore(_ a: ActivityReport, _ b: ActivityReport) -> Bool {
            (a.step, a.phase.rawValue) < (b.step, b.phase.rawValue)
        }
        let first = reports.min(by: isBefore) ?? reports[0]
        let behind = all.filter { $0.report.map { !isBefore(first, $0) } ?? false }
        if behind.count < all.count {
            return name(behind) { "waits in \($0) for \(whole(seconds)) s, and the others wait for something else" }
        }
        return "all \(all.count) ranks wait for each other for \(whole(seconds)) s in \(reports[0].place): "
            + "messages between them got lost"
    }

    private func watchTheJudge(_ own: Member, _ report: ActivityReport, _ now: Double) -> String? {
        // In turn, so that the first can tell the others that it has seen to it.
        let turn = Self.grace / 2 + min(0.25 * Double(me - 1), Self.grace)
        if !report.isWaiting { return report.idleSeconds >= deadline + turn ? name([own]) { hang(report, $0) } : nil }
        guard let judge = members[0] else { return nil }
        if isSilent(judge, report, now, for: deadline + turn) {
            return name([judge]) { silence(judge, now, $0) }
        }
        guard !judge.isTrusted, report.idleSeconds >= deadline + Self.grace + turn else { return nil }
        return name([judge]) { _ in "has never been heard, and this rank waits for \(whole(report.idleSeconds)) s" }
    }

    /// Whether there was no sign of life of `member` for `seconds`. Over a network it counts only when this rank waits
    /// too: as long as work makes progress, lost messages are no reason to end it.
    private func isSilent(_ member: Member, _ own: ActivityReport, _ now: Double, for seconds: Double) -> Bool {
        member.isTrusted && now - member.heard >= seconds
            && (member.isLocal || own.isWaiting && own.idleSeconds >= min(1, deadline / 2))
    }

    private func silence(_ member: Member, _ now: Double, _ place: String) -> String {
        let known = member.finding?.place
        let since = "has given no sign of life for \(whole(now - member.heard)) s"
        let why =
            switch (member.finding?.state, member.finding?.process) {
            case (.stopped, let process?): "its process \(process) is stopped"
            case (.runs, let process?): "its process \(process) is there but does not run"
            case (.ended, _): "its process has ended"
            default: "it is stopped, or its host or the network to it is down"
            }
        return "\(since), \(known.map { "in \($0)" } ?? "last seen in \(place)"): \(why)"
    }

    private func hang(_ report: ActivityReport?, _ place: String) -> String {
        "has made no progress for \(whole(report?.idleSeconds ?? 0)) s in \(place)"
    }

    /// "rank 1 on host a (and 2 more: ranks 2-3) …".
    private func name(_ culprits: [Member], _ what: (_ place: String) -> String) -> String {
        let first = culprits[0]
        let more = culprits.dropFirst()
        let others = more.isEmpty ? "" : " (and \(more.count) more: \(rankList(more.map(\.rank).filter { $0 >= 0 })))"
        // Before MPI has started it may not be known which rank is the first of a host.
        let rank = first.rank < 0 ? "a rank" : "rank \(first.rank)"
        return "\(rank) on host \(first.host)\(others) \(what(first.report?.place ?? "start"))"
    }

    private func whole(_ seconds: Double) -> Int { Int(seconds.rounded(.down)) }
}
