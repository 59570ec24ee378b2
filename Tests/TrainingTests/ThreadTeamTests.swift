import Foundation
import Synchronization
import Testing
import Training

@Suite struct ThreadTeamTests {
    private struct Trouble: Error, Equatable { let number: Int }

    /// Every number once a run, number 0 on the thread that calls, and what threads wrote is there afterwards.
    @Test(arguments: [1, 2, 3, 8]) func everyThreadRunsOnceARun(size: Int) throws {
        let team = ThreadTeam(size: size)
        final class Place {
            var runs = 0
            var thread: Thread?
        }
        let places = (0..<size).map { _ in Place() }
        for run in 1...500 {
            try team.run { number in
                places[number].runs += 1
                places[number].thread = Thread.current
            }
            #expect(places.allSatisfy { $0.runs == run })
        }
        #expect(places[0].thread === Thread.current)
        #expect(Set(places.map { $0.thread.map(ObjectIdentifier.init) }).count == size)
    }

    /// The error of a thread comes out where the team was asked, after all threads are done; the team goes on working.
    @Test func anErrorOfAThreadIsThrownOnceAllAreDone() throws {
        let team = ThreadTeam(size: 4)
        let done = Atomic<Int>(0)
        for failing in [[2], [0], [3, 1], [0, 2], [0, 1, 2, 3]] {
            done.store(0, ordering: .relaxed)
            let error = #expect(throws: Trouble.self) {
                try team.run { number in
                    defer { done.add(1, ordering: .relaxed) }
                    if failing.contains(number) { throw Trouble(number: number) }
                    usleep(2000)
                }
            }
            #expect(error == failing.min().map(Trouble.init))
            let count = done.load(ordering: .relaxed)
            #expect(count == 4)
            try team.run { _ in done.add(1, ordering: .relaxed) }
            let countAgain = done.load(ordering: .relaxed)
            #expect(countAgain == 8)
        }
    }

    /// The calling thread does what it was given while it waits; an error of that is thrown, too.
    @Test func theCallerIsNotIdleWhileItWaits() throws {
        let team = ThreadTeam(size: 2)
        let polls = Atomic<Int>(0)
        try team.run(whileWaiting: { polls.add(1, ordering: .relaxed) }) { number in
            while number == 1, polls.load(ordering: .relaxed) < 3 { usleep(100) }
        }
        let polled = polls.load(ordering: .relaxed)
        #expect(polled >= 3)
        let finished = Atomic<Bool>(false)
        #expect(throws: Trouble(number: 9)) {
            try team.run(whileWaiting: { throw Trouble(number: 9) }) { number in
                guard number == 1 else { return }
                usleep(20_000)
                finished.store(true, ordering: .releasing)
            }
        }
        let isFinished = finished.load(ordering: .acquiring)
        #expect(isFinished)
    }

    /// Threads of a team that is gone end, and what a job held is released with it.
    @Test func threadsEndWithTheTeam() throws {
        func threads() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count }
        final class Held {}
        weak var held: Held?
        for _ in 0..<50 {
            let team = ThreadTeam(size: 5)
            let object = Held()
            held = object
            try team.run { _ in withExtendedLifetime(object) {} }
        }
        #expect(held == nil)
        // Others of this process come and go; 200 that stayed would show.
        for _ in 0..<200 where try threads() >= 100 { usleep(10_000) }
        #expect(try threads() < 100)
    }
}
