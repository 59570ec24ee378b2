import Communication
import Foundation

/// Work in steps under a watchdog, as training does it, in which one rank is stopped, hangs or leaves where it is told:
///
///     rank-program watched DEADLINE [RANK FAULT PLACE]
///
/// FAULT is `stop` (SIGSTOP), `hang` (it goes on existing, but not working) or `leave` (exit status 0). PLACE is where:
/// `load` (before the watchdog), `start` (before MPI), `join` (inside MPI_Init), a phase of step 2, `collective` (inside
/// an all-reduce of step 2), `end` (before leaving), `finalize` (inside MPI_Finalize) or `exit` (after it). Without a
/// fault it ends well after three steps.
struct WatchedWork {
    private let deadline: Double
    private let victim: Int?
    private let fault: String
    private let place: String
    private let rank: Int

    init(_ arguments: [String]) {
        deadline = arguments.first.flatMap { Double($0) } ?? 0
        victim = arguments.count > 3 ? Int(arguments[1]) : nil
        fault = arguments.count > 3 ? arguments[2] : ""
        place = arguments.count > 3 ? arguments[3] : ""
        let environment = ProcessInfo.processInfo.environment
        rank = (environment["OMPI_COMM_WORLD_RANK"] ?? environment["PMIX_RANK"]).flatMap { Int($0) } ?? 0
    }

    func run() throws {
        fail(at: "load")
        Watchdog.start(deadline: deadline, program: "rank-program")
        fail(at: "start")
        failSoon(at: "join")
        let group = try openCommunicator()
        try Watchdog.join(group)
        for step in 1...3 {
            for phase in [
                Watchdog.Phase.preparation, .data, .forward, .allReduce, .update, .checkpoint, .preview, .sampling,
            ] {
                Watchdog.enter(phase, step: step)
                usleep(20_000)
                if step == 2 { fail(at: "\(phase)") }
                if phase == .allReduce { _ = try sum(group, step) }
            }
        }
        fail(at: "end")
        if place == "finalize", victim != rank { sleep(1) }
        failSoon(at: "finalize")
        try group.finalize()
        fail(at: "exit")
    }

    private func sum(_ group: any Communicator, _ step: Int) throws -> [Double] {
        if step == 2, place == "collective" {
            if victim == rank { failSoon(at: "collective") } else { sleep(1) }
        }
        return try group.sum([Double(step)])
    }

    private func fail(at place: String) {
        guard rank == victim, place == self.place else { return }
        switch fault {
        case "stop": kill(getpid(), SIGSTOP)
        case "leave": _exit(0)
        default: while true { sleep(60) }
        }
    }

    /// Stops the process a moment later, when it is inside of a call that waits for others.
    private func failSoon(at place: String) {
        guard rank == victim, place == self.place else { return }
        Thread {
            usleep(200_000)
            kill(getpid(), SIGSTOP)
        }.start()
    }
}
