import Files
import Foundation
import Synchronization

/// The thread of a process's watchdog: looks at the own work, talks to the others, and ends the job when it must.
///
/// Its time is the sum of its own short waits: while the whole machine sleeps, or all of the job is stopped, no time
/// passes, and nobody is blamed for it afterwards.
///
/// Unchecked: all but `orders` belongs to the thread.
final class WatchdogThread: @unchecked Sendable {
    /// What the main thread asks for.
    private enum Order {
        case join([Introduction?], nonce: UInt64, rank: Int)
        case leave(DispatchSemaphore)
    }

    /// How a watchdog makes itself known to all others once MPI is there.
    struct Introduction: Codable {
        var host: String
        /// Hosts with the same key reach each other's Unix sockets.
        var key: String
        var addresses: [WatchdogChannel.Address]
        var process: Int32
        var mark: String
        var nonce: UInt64
    }

    /// A datagram.
    private struct Message: Codable {
        enum Kind: Codable { case report, answer, go, ending }
        var kind: Kind
        /// The job's number, which keeps strangers' messages out.
        var nonce: UInt64
        /// Sender and receiver among the members.
        var from: Int
        var to: Int
        var rank: Int
        var host: String
        var process: Int32
        var mark: String
        var report: ActivityReport
    }

    let deadline: Double
    private let program: String
    private let processes: JobProcesses?
    /// The launcher, or what it started this process through; nil when nobody launched it.
    private let parent: pid_t?
    /// Seconds between looks, and between messages.
    private let tick: Double
    private let interval: Double
    private let orders = Mutex<[Order]>([])
    private let channel: WatchdogChannel?
    private let ownKey = hostKey()

    private var now = 0.0
    /// When the ranks of the world became known.
    private var joined = 0.0
    private var lastLook = ContinuousClock.now
    private var lastMessage = -Double.infinity
    private var observer = ActivityObserver(now: 0)
    private var own: WatchdogJudge.Member
    private var judge: WatchdogJudge
    private var routes: [Int: [WatchdogChannel.Address]] = [:]
    private var nonce: UInt64
    private var warned = false
    private var leaving: DispatchSemaphore?
    /// How often rank 0 has let the others go.
    private var goodbyes = 0
    /// When another watchdog said that it ends the job.
    private var ending: Double?

    init(deadline: Double, program: String, launch: Launch?) {
        self.deadline = deadline
        self.program = program
        tick = min(1, max(0.05, deadline / 20))
        interval = min(5, tick * (deadline / 20 / tick).rounded(.down))
        parent = launch.map { _ in getppid() }
        processes = launch.flatMap { _ in JobProcesses(environment: ProcessInfo.processInfo.environment) }
        let (rank, place) = (processes?.own.rank ?? 0, processes?.own.localRank ?? 0)
        own = .init(rank: rank, host: localHostName(), heard: 0)
        nonce = processes?.number ?? 0
        // Without sockets, which a strange system may forbid, the own work is watched all the same.
        let name = processes?.socketName(place) ?? "smd-watchdog-process-\(getpid())"
        channel = launch.flatMap { _ in try? WatchdogChannel(name: name) }
        var members: [Int: WatchdogJudge.Member] = [:]
        if let processes, place > 0 {
            members[0] = .init(rank: -1, host: own.host, heard: 0)
            routes[0] = [.local(processes.socketName(0))]
        }
        judge = WatchdogJudge(deadline: deadline, me: place, isWorld: launch == nil, members: members)
    }

    func start() {
        let thread = Thread { [self] in
            // Signals are for the work's threads.
            var all = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_BLOCK, &all, nil)
            while true { turn() }
        }
        thread.name = "smd watchdog"
        thread.start()
    }

    // MARK: The main thread's side

    func introduction(rank: Int, host: String) -> [UInt8] {
        let nonce = UInt64.random(in: 1 ... .max)
        return encode(
            Introduction(
                host: host, key: ownKey, addresses: channel?.addresses ?? [], process: getpid(),
                mark: Activity.mark.path,
                nonce: nonce))
    }

    func join(_ introductions: [[UInt8]], rank: Int) {
        let others = introductions.map { decode(Introduction.self, $0) }
        order(.join(others, nonce: others[0]?.nonce ?? 0, rank: rank))
    }

    /// Returns when all others are ready to leave, too.
    func leave() {
        guard channel != nil else { return }
        let ready = DispatchSemaphore(value: 0)
        order(.leave(ready))
        ready.wait()
    }

    private func order(_ order: Order) {
        orders.withLock { $0.append(order) }
        // Wakes the thread up: a datagram that says nothing.
        if let channel { channel.send([], to: channel.addresses[0]) }
    }

    // MARK: One turn

    private func turn() {
        let wait = leaving == nil ? tick : min(tick, 0.02)
        if let channel {
            channel.receive(for: wait, handle)
        } else {
            usleep(UInt32(wait * 1e6))
        }
        let instant = ContinuousClock.now
        now += min((instant - lastLook) / .seconds(1), 2 * tick)
        lastLook = instant
        for order in orders.withLock({ orders in
            defer { orders = [] }; return orders
        }) { obey(order) }
        if let parent, getppid() != parent { _exit(Watchdog.status) }  // the launcher was killed: no orphans
        own.report = observer.look(now: now)
        own.report?.isLeaving = leaving != nil
        if now - lastMessage >= interval || leaving != nil { tellOthers() }
        if !judge.isWorld, now >= deadline { findSilentProcesses() }
        lookAtSilentProcesses()
        if let ending {
            if now - ending >= 3 { _exit(Watchdog.status) }
        } else if let verdict = judge.verdict(own, now: now) {
            end(verdict)
        }
        warnOnce()
        leaveIfAllDo()
    }

    private func obey(_ order: Order) {
        switch order {
        case .join(let introductions, let nonce, let rank):
            self.nonce = nonce
            own.rank = rank
            own.host = introductions[rank]?.host ?? own.host
            routes = [:]
            var members: [Int: WatchdogJudge.Member] = [:]
            for (other, known) in introductions.enumerated() where other != rank {
                let isLocal = known?.key == ownKey && known?.addresses.isEmpty == false && channel != nil
                var member = WatchdogJudge.Member(rank: other, host: known?.host ?? "unknown", heard: now)
                (member.isTrusted, member.isLocal) = (isLocal, isLocal)
                if isLocal, let known { (member.process, member.mark) = (known.process, known.mark) }
                members[other] = member
                routes[other] = known?.addresses.filter { address in
                    if case .local = address { isLocal } else { !isLocal }
                }
            }
            judge = WatchdogJudge(deadline: deadline, me: rank, isWorld: true, members: members)
            lastMessage = -.infinity
            joined = now
        case .leave(let ready):
            leaving = ready
        }
    }

    // MARK: Messages

    private func tellOthers() {
        lastMessage = now
        // Rank 0 answers, which tells the others of it.
        if judge.me != 0 { return send(.report, to: 0) }
        // A message to a process of this host that has ended does not arrive, which is how its end is noticed.
        for (other, member) in judge.members
        where member.isLocal && (leaving != nil || now - member.heard > 2 * interval) {
            send(.answer, to: other)
        }
    }

    private func send(_ kind: Message.Kind, to other: Int) {
        guard let channel, let report = own.report else { return }
        let message = encode(
            Message(
                kind: kind, nonce: nonce, from: judge.me, to: other, rank: own.rank, host: own.host, process: getpid(),
                mark: Activity.mark.path, report: report))
        for address in routes[other] ?? [] where !channel.send(message, to: address) {
            if judge.members[other]?.gone == nil { judge.members[other]?.gone = now }
        }
    }

    private func handle(_ bytes: [UInt8], _ source: WatchdogChannel.Address?) {
        guard let message = decode(Message.self, bytes), message.nonce == nonce,
            message.to == judge.me, message.from != judge.me
        else { return }
        if judge.members[message.from] == nil {
            guard !judge.isWorld, let processes else { return }  // the first sign of a rank of this host
            judge.members[message.from] = .init(rank: message.rank, host: message.host, heard: now)
            routes[message.from] = [.local(processes.socketName(message.from))]
        }
        if var member = judge.members[message.from] {
            (member.rank, member.report, member.heard, member.isTrusted) = (message.rank, message.report, now, true)
            (member.gone, member.finding) = (nil, nil)
            if member.isLocal { (member.process, member.mark) = (message.process, message.mark) }
            judge.members[message.from] = member
        }
        if let source, judge.me == 0 { routes[message.from] = [source] }
        switch message.kind {
        case .report: send(leaving != nil && allAreLeaving ? .go : .answer, to: message.from)
        case .answer: break
        case .go: letGo()
        case .ending: ending = ending ?? now
        }
    }

    /// Before MPI has started only processes of this host that have been heard are known; looks for the others.
    private func findSilentProcesses() {
        guard let processes else { return }
        let found = processes.others()
        var expected = Set(found.keys).union(judge.members.keys)
        if let count = processes.countHere { expected.formUnion(0..<count) }
        for other in expected where other != judge.me && (judge.me == 0 || other == 0) {
            var member = judge.members[other] ?? .init(rank: -1, host: own.host, heard: 0)
            // Where all ranks are on this host, their numbers here are their numbers.
            let number = processes.countHere == processes.count && processes.count != nil ? other : member.rank
            member.rank = found[other]?.rank ?? number
            if member.report == nil { member.process = found[other]?.process }
            judge.members[other] = member
        }
        observer.forgive()
    }

    /// Looks at processes of this host that should have spoken.
    private func lookAtSilentProcesses() {
        for (other, member) in judge.members where member.isLocal && now - member.heard >= deadline {
            let place = ActivityMark.read(member.mark).map { ActivityReport(phase: $0.phase, step: $0.step).place }
            judge.members[other]?.finding = .init(
                state: member.process.map { JobProcesses.state($0) } ?? .ended, process: member.process, place: place)
        }
    }

    /// Says when messages do not get through between hosts.
    private func warnOnce() {
        guard !warned, judge.isWorld, judge.me == 0, leaving == nil else { return }
        // Not by when they were last heard: a step that all took counts as a word of each.
        guard now - joined >= min(30, deadline / 2) else { return }
        let unheard = judge.members.values.filter { !$0.isTrusted }
        guard !unheard.isEmpty else { return }
        warned = true
        let hosts = Set(unheard.map(\.host)).sorted()
        printError(
            "\(program): warning: no messages of the watchdogs on \(hosts.prefix(4).joined(separator: ", ")) arrive here (UDP between "
                + "the hosts blocked?): a rank that stops there is noticed, but cannot be named")
    }

    // MARK: The end

    /// Whether every other rank has said that it wants to leave, or has left.
    private var allAreLeaving: Bool {
        judge.members.values.allSatisfy { $0.report?.isLeaving == true || $0.gone != nil || !$0.isTrusted }
    }

    private func leaveIfAllDo() {
        guard leaving != nil else { return }
        if judge.me != 0 {
            if let first = judge.members[0], first.gone == nil, first.isTrusted { return }
            return letGo()
        }
        guard allAreLeaving else { return }
        for (other, member) in judge.members where member.gone == nil { send(.go, to: other) }
        // Other hosts' ranks get several messages, should one be lost; those of this host are seen out.
        goodbyes += 1
        let isAlone = judge.members.values.allSatisfy { !$0.isTrusted || $0.isLocal }
        if judge.members.values.allSatisfy({ !$0.isLocal || $0.gone != nil }), isAlone || goodbyes >= 5 { letGo() }
    }

    private func letGo() {
        leaving?.signal()
        leaving = nil
        judge.members = [:]
        routes = [:]
    }

    /// Ends the whole job.
    private func end(_ verdict: String) -> Never {
        if !judge.isWorld, let processes {
            // The others of this host, of whom only the first is known here.
            for other in 0..<(processes.countHere ?? 1024) where other != judge.me {
                routes[other] = [.local(processes.socketName(other))]
            }
        }
        for other in routes.keys { send(.ending, to: other) }
        let deadThread = Thread {
            // Should the line or MPI be stuck, too.
            sleep(2)
            _exit(Watchdog.status)
        }
        deadThread.start()
        printError(
            "\(program): error: \(verdict); the job ends here (status \(Watchdog.status)), --resume auto continues it")
        abortMPI(code: Watchdog.status)
        _exit(Watchdog.status)
    }
}

/// The same for processes that reach each other's Unix sockets: this start of the kernel, and the network namespace.
private func hostKey() -> String {
    let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? localHostName()
    let space = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")) ?? ""
    return boot.filter { !$0.isNewline } + space
}
