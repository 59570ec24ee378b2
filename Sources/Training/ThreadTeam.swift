import Foundation
import Synchronization

/// The compute threads of one rank: the thread that calls is number 0, the others live as long as the team and sleep
/// while there is nothing to do.
///
/// A hand-over is a counter that goes up: those who wait for it look a few microseconds, then sleep on a condition, so
/// that waiting threads take no core away from others.
public final class ThreadTeam {
    /// Number of threads, the caller's included.
    public let size: Int
    private let shared: Shared

    /// Starts `size` − 1 threads; `size` is 1 or more.
    public init(size: Int) {
        precondition(size > 0, "a team of \(size) threads")
        self.size = size
        shared = Shared(helpers: size - 1)
        for number in 1..<max(size, 1) {
            let thread = Thread { [shared] in shared.help(as: number) }
            thread.name = "smd thread \(number)"
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    deinit { shared.dismiss() }

    /// Calls `body` on every thread with the thread's number and returns when all have done it.
    ///
    /// - Parameter whileWaiting: called now and then while this thread is done and others are not.
    /// - Throws: the error of the lowest number that threw, when all are done; else that of `whileWaiting`.
    public func run(whileWaiting: (() throws -> Void)? = nil, _ body: @escaping (Int) throws -> Void) throws {
        if size == 1 { return try body(0) }
        shared.begin(body)
        let own = Result { try body(0) }
        let waiting = Result { try shared.waitForHelpers(whileWaiting) }
        if case .failure = waiting { shared.waitForHelpersOnly() }
        let error = shared.end()
        try own.get()
        if let error { throw error }
        try waiting.get()
    }

    /// What `body` makes on each thread, in the order of their numbers.
    ///
    /// - Throws: as ``run(whileWaiting:_:)``.
    package func map<Result>(_ body: @escaping (Int) throws -> Result) throws -> [Result] {
        let places = (0..<size).map { _ in Place<Result>() }
        try run { places[$0].result = try body($0) }
        return places.compactMap(\.result)
    }
}

/// Where a thread leaves what it made.
private final class Place<Result> { var result: Result? }

/// What the threads of a team share. It outlives the team until the last thread has left.
///
/// Unchecked: `job` and `failure` change hands with `round` and `busy`; `failure` and `present` are guarded by the
/// condition.
private final class Shared: @unchecked Sendable {
    /// Looks before a thread goes to sleep; some microseconds, as long as a sleep and a wake-up would cost.
    private static let looks = 4000
    /// How often a waiting thread does what it was given to do meanwhile.
    private static let pollSeconds = 100e-6

    private let helpers: Int
    /// Number of jobs begun.
    private let round = Atomic<Int>(0)
    /// Helpers that are not done with the current job.
    private let busy = Atomic<Int>(0)
    private let dismissed = Atomic<Bool>(false)
    private let condition = NSCondition()
    private var job: ((Int) throws -> Void)?
    private var failure: (number: Int, error: any Error)?

    package init(helpers: Int) { self.helpers = helpers }

    // MARK: The caller's side

    package func begin(_ job: @escaping (Int) throws -> Void) {
        self.job = job
        busy.store(helpers, ordering: .relaxed)
        advance()
    }

    /// Returns when all helpers are done.
    package func waitForHelpers(_ meanwhile: (() throws -> Void)?) throws {
        guard let meanwhile else { return waitForHelpersOnly() }
        while true {
            try meanwhile()
            for _ in 0..<Self.looks where busy.load(ordering: .acquiring) == 0 { return }
            condition.lock()
            if busy.load(ordering: .acquiring) > 0 {
                _ = condition.wait(until: Date(timeIntervalSinceNow: Self.pollSeconds))
            }
            condition.unlock()
        }
    }

    package func waitForHelpersOnly() {
        for _ in 0..<Self.looks where busy.load(ordering: .acquiring) == 0 { return }
        condition.lock()
        while busy.load(ordering: .acquiring) > 0 { condition.wait() }
        condition.unlock()
    }

    /// Forgets the job; the error of the lowest helper that failed in it.
    package func end() -> (any Error)? {
        job = nil
        defer { failure = nil }
        return failure?.error
    }

    /// Lets the helpers go, who are waiting for a job.
    package func dismiss() {
        dismissed.store(true, ordering: .relaxed)
        advance()
    }

    private func advance() {
        condition.lock()
        round.add(1, ordering: .releasing)
        condition.broadcast()
        condition.unlock()
    }

    // MARK: A helper's side

    package func help(as number: Int) {
        var seen = 0
        while true {
            waitForRound(after: seen)
            seen += 1
            if dismissed.load(ordering: .relaxed) { return }
            perform(number)
            if busy.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
                condition.lock()
                condition.broadcast()
                condition.unlock()
            }
        }
    }

    private func waitForRound(after seen: Int) {
        for _ in 0..<Self.looks where round.load(ordering: .acquiring) > seen { return }
        condition.lock()
        while round.load(ordering: .acquiring) == seen { condition.wait() }
        condition.unlock()
    }

    /// A function of its own, so that the helper holds no reference to the job when it says that it is done.
    @inline(never)
    private func perform(_ number: Int) {
        do {
            try job?(number)
        } catch {
            condition.lock()
            if failure.map({ number < $0.number }) ?? true { failure = (number, error) }
            condition.unlock()
        }
    }
}
