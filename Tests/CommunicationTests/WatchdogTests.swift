import Foundation
import TestSupport
import Testing

/// Ranks that are stopped, hang or vanish, on real processes. One at a time: the machine may have two cores.
@Suite(.serialized, .enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct WatchdogTests {
    /// Seconds without progress after which jobs of these tests end.
    private static let deadline = 3.0
    /// Where a rank can be stopped (see `WatchedWork`), and what the line calls it where that is certain.
    private static let places: [(place: String, name: String?)] = [
        ("load", "start"), ("start", "start"), ("join", nil), ("preparation", "preparation of step 2"),
        ("data", "data of step 2"), ("forward", "forward of step 2"), ("allReduce", "all-reduce of step 2"),
        ("collective", "all-reduce of step 2"), ("update", "update of step 2"), ("checkpoint", "checkpoint of step 2"),
        ("preview", "preview of step 2"), ("sampling", "sampling of step 2"), ("end", "sampling of step 3"),
        ("finalize", "end"),
    ]

    /// Any rank, rank 0 too, stopped anywhere: the job ends in time, and says who it was and where.
    @Test func stoppedRanks() throws {
        var random = SplitMix64(seed: Torture.seed)
        let all = [2, 4].flatMap { ranks in
            (0..<ranks).flatMap { victim in Self.places.indices.map { (ranks: ranks, victim: victim, place: $0) } }
        }
        // All 84 in a long run, some of them in a short one.
        for (ranks, victim, place) in all.shuffled(using: &random).prefix(Torture.amount("stops", short: 2)) {
            try expectEnd(
                ranks, victim, "stop", Self.places[place].place, "no sign of life", in: Self.places[place].name)
        }
    }

    /// A rank that has left MPI but does not end, and one that never leaves its phase.
    @Test func ranksThatNeitherStopNorGetOn() throws {
        try expectEnd(2, 1, "stop", "exit", "no sign of life", in: "end")
        try expectEnd(2, 1, "hang", "checkpoint", "no progress", in: "checkpoint of step 2")
    }

    /// One process without a launcher that hangs ends itself.
    @Test func oneProcess() throws {
        let result = try run([product("rank-program"), "watched", "1", "0", "hang", "data"], timeout: 60)
        #expect(result.status == 75)
        #expect(result.errors.hasPrefix("rank-program: error: rank 0 on host "), "\(result.errors)")
        #expect(result.errors.contains("has made no progress for 1 s in data of step 2"), "\(result.errors)")
    }

    /// A rank that leaves with status 0 in the middle ends the others, before MPI has started, too.
    @Test(arguments: ["start", "data"])
    func ranksThatLeave(place: String) throws {
        let result = try mpirun(2, work(1, "leave", place), timeout: 60)
        #expect(result.status != 0, "\(result.errors)")
    }

    @Test func nobodyIsBlamedForGoodWork() throws {
        for ranks in [1, 2, 4] {
            let result = try mpirun(ranks, [product("rank-program"), "watched", "\(Self.deadline)"], timeout: 60)
            #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
        }
    }

    /// A job that is stopped as a whole, as when a laptop sleeps, goes on afterwards; one whose launcher is killed leaves
    /// no process.
    @Test func wholeJobStoppedAndLauncherKilled() throws {
        let marker = UUID().uuidString
        let command = work(0, "hang", "data", deadline: 3, marker: marker).joined(separator: " ")
        let script = """
            mpirun -n 2 \(command) & launcher=$!
            until [ "$(pgrep -c -P $launcher)" = 2 ]; do sleep 0.05; done
            sleep 0.2
            ranks=$(pgrep -P $launcher)
            kill -STOP $ranks; sleep 4; kill -CONT $ranks; sleep 0.5
            kill -0 $ranks || exit 3
            kill -9 $launcher; wait $launcher
            for try in $(seq 100); do pgrep -f '^[^ ]*rank-program watched .*\(marker)' || exit 0; sleep 0.1; done
            exit 4
            """
        let result = try run(["bash", "-c", script], environment: try localMPISettings(), timeout: 60)
        #expect(result.status == 0, "\(result)")
        #expect(!result.errors.contains("error: rank"), "\(result.errors)")
    }

    // MARK: -

    private func work(
        _ victim: Int, _ fault: String, _ place: String, deadline: Double = deadline, marker: String = ""
    ) -> [String] {
        [product("rank-program"), "watched", "\(deadline)", "\(victim)", fault, place, marker]
    }

    private func expectEnd(
        _ ranks: Int, _ victim: Int, _ fault: String, _ place: String, _ what: String, in phase: String?
    ) throws {
        let marker = UUID().uuidString
        let start = ContinuousClock.now
        let result = try mpirun(ranks, work(victim, fault, place, marker: marker), timeout: 60)
        // The work itself, and MPI's start and end, take seconds on a busy machine.
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let told = "\(fault) of rank \(victim) of \(ranks) at \(place), seed \(Torture.seed), \(seconds) s: \(result)"
        #expect(result.status == 75, "\(told)")
        #expect(seconds < Self.deadline + 5 + 4, "\(told)")
        let lines = result.errors.split(separator: "\n").filter { $0.hasPrefix("rank-program: error: ") }
        #expect(lines.count == 1, "\(told)")
        let line = String(lines.first ?? "")
        #expect(line.hasPrefix("rank-program: error: rank \(victim) on host "), "\(told)")
        #expect(line.contains(what) && line.contains("in \(phase ?? "")"), "\(told)")
        let left = try processesLeft(matching: marker)
        #expect(left.isEmpty, "\(told); left: \(left)")
    }
}
