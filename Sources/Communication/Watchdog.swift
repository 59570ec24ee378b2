import Foundation
import Synchronization

/// Ends a job that makes no progress.
///
/// A launcher notices a rank that dies but not one that is stopped or hangs: all others wait for it, for ever. With a
/// watchdog every rank has a thread that looks whether the work makes progress and reports to the other ranks' threads,
/// past MPI (`WatchdogChannel`). A rank of which nothing is heard, or that stays where it is, for longer than the
/// deadline is named in one line, and the whole job ends with status 75: started again, it goes on from its last
/// checkpoint.
///
/// A process is one rank, so this is one thing for the process: where the work stands costs a store to an atomic.
public enum Watchdog {
    /// What a rank is doing.
    public enum Phase: UInt8, Codable, CaseIterable, Sendable {
        /// Joining the other ranks.
        case start
        /// Reading configuration, data set and checkpoint, building the network.
        case preparation
        /// Reading samples.
        case data
        /// Forward and backward passes.
        case forward
        /// Bringing sums of all ranks together.
        case allReduce
        /// Updating parameters.
        case update
        /// Writing a checkpoint.
        case checkpoint
        /// Drawing samples to look at.
        case preview
        /// Drawing samples.
        case sampling
        /// Comparing samples or networks with data.
        case evaluation
        /// Leaving the other ranks.
        case end

        var name: String { self == .allReduce ? "all-reduce" : String(describing: self) }
    }

    /// Status of a job that the watchdog ended (EX_TEMPFAIL of sysexits.h).
    public static let status: Int32 = 75
    /// Seconds without any progress after which a job ends, where nobody says otherwise.
    public static let usualDeadline = 600.0

    // MARK: What the work tells

    /// The work enters `phase`, of step `step` (0: none). Cheap; from any thread.
    public static func enter(_ phase: Phase, step: Int = 0) {
        Activity.mark.place.pointee.store(ActivityMark.word(phase, step), ordering: .relaxed)
        beat()
    }

    /// The work got on: to be called in long phases, more often than the deadline. Cheap; from any thread.
    public static func beat() {
        Activity.beats.add(1, ordering: .relaxed)
    }

    /// Runs `body`, which waits for other ranks: however long that takes, this rank is not the one to blame.
    static func waiting<T>(_ body: () throws -> T) rethrows -> T {
        Activity.waits.add(1, ordering: .relaxed)
        defer { Activity.waits.add(1, ordering: .relaxed) }
        return try body()
    }

    // MARK: Life

    private static let thread = Mutex<WatchdogThread?>(nil)

    /// Starts to watch; to be called before MPI starts, so that ranks that never arrive are noticed too.
    ///
    /// - Parameters:
    ///   - deadline: seconds without progress after which the job ends.
    ///   - program: what the line begins with.
    public static func start(deadline: Double, program: String) {
        precondition(deadline > 0, "a deadline of \(deadline) s")
        thread.withLock { thread in
            guard thread == nil else { return }
            let new = WatchdogThread(
                deadline: deadline, program: program, launch: .detect(in: ProcessInfo.processInfo.environment))
            new.start()
            thread = new
        }
    }

    /// Seconds without progress after which this job ends; nil where nothing watches.
    public static var deadline: Double? { thread.withLock { $0?.deadline } }

    /// From now on watches all ranks of `communicator`. Collective.
    ///
    /// - Throws: `CommunicationError`.
    public static func join(_ communicator: any Communicator) throws {
        guard let watching = thread.withLock({ $0 }) else { return }
        let gathered = try communicator.gather(watching.introduction(rank: communicator.rank, host: communicator.host))
        watching.join(gathered, rank: communicator.rank)
    }

    /// Leaves together with the other ranks' watchdogs: until all have come, those who have not are watched.
    static func leave() {
        enter(.end)
        guard let watching = thread.withLock({ $0 }) else { return }
        waiting { watching.leave() }
    }
}

/// Where the work of this process stands.
enum Activity {
    /// Step and phase.
    static let mark = ActivityMark()
    /// Goes up when the work makes progress.
    static let beats = Atomic<UInt64>(0)
    /// Goes up when the work begins to wait for other ranks, and when it ends to: odd while it waits.
    static let waits = Atomic<UInt64>(0)
}

/// What a rank's watchdog tells the others about its rank.
package struct ActivityReport: Codable, Equatable, Sendable {
    package var phase = Watchdog.Phase.start
    package var step = 0
    /// Whether it waits for other ranks.
    package var isWaiting = false
    /// Seconds since its last progress, in time that its watchdog saw pass.
    package var idleSeconds = 0.0
    /// It has done everything and wants to leave.
    package var isLeaving = false

    package init(
        phase: Watchdog.Phase = .start, step: Int = 0, isWaiting: Bool = false, idleSeconds: Double = 0
    ) {
        (self.phase, self.step, self.isWaiting, self.idleSeconds) = (phase, step, isWaiting, idleSeconds)
    }

    /// "forward of step 12".
    var place: String { step > 0 ? "\(phase.name) of step \(step)" : phase.name }
}

/// Looks again and again whether the work of this process makes progress.
struct ActivityObserver {
    private var beats: UInt64 = 0
    private var waits: UInt64 = 0
    private var bytes: UInt64 = 0
    private var since: Double

    init(now: Double) { since = now }

    /// What there is to report at the time `now`.
    mutating func look(now: Double) -> ActivityReport {
        let (phase, step) = ActivityMark.parts(Activity.mark.place.pointee.load(ordering: .relaxed))
        let (newBeats, newWaits) = (
            Activity.beats.load(ordering: .relaxed), Activity.waits.load(ordering: .relaxed)
        )
        let isWaiting = newWaits % 2 == 1
        if newBeats != beats || newWaits != waits { since = now }
        // A long read or write is progress as long as bytes move; MPI's own do not count.
        if !isWaiting, let moved = bytesMoved() {
            if moved > bytes + 4096 { since = now }
            bytes = moved
        }
        (beats, waits) = (newBeats, newWaits)
        return ActivityReport(phase: phase, step: step, isWaiting: isWaiting, idleSeconds: now - since)
    }

    /// What was read since the last look was not work.
    mutating func forgive() { bytes = bytesMoved() ?? bytes }

    /// Bytes that this process has read and written so far, as the kernel counts them.
    private func bytesMoved() -> UInt64? {
        guard let text = try? String(contentsOfFile: "/proc/self/io", encoding: .utf8) else { return nil }
        return text.split(separator: "\n").reduce(into: UInt64(0)) { sum, line in
            guard line.hasPrefix("rchar:") || line.hasPrefix("wchar:") else { return }
            sum += UInt64(line.dropFirst(6).trimmingCharacters(in: .whitespaces)) ?? 0
        }
    }
}
