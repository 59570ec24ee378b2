import ArgumentParser
import Communication
import Files
import Foundation

/// How long a job waits before it ends itself.
struct DeadlineOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Seconds after which a job that makes no progress ends with status 75, naming the rank; 0: never.",
            valueName: "seconds"))
    var deadline = Watchdog.usualDeadline

    func validate() throws {
        guard deadline == 0 || (1...1e6).contains(deadline) else {
            throw ValidationError("--deadline is \(deadline); it must be 0 (never) or in 1 ... 1000000 seconds")
        }
    }
}

/// Runs a command's work on all ranks of its job. With several ranks one of them prints an error, which ends them
/// all; a single one treats it as any other command does.
///
/// - Parameter deadline: seconds without progress after which the watchdog ends the job; 0: never.
func onAllRanks(deadline: Double = Watchdog.usualDeadline, _ body: (any Communicator) throws -> Void) throws {
    if deadline > 0 { Watchdog.start(deadline: deadline, program: "smd") }
    let communicator = try joinedRanks()
    do {
        try Watchdog.join(communicator)
        Watchdog.enter(.preparation)
        try body(communicator)
    } catch {
        guard communicator.size > 1 else { throw error }
        if let code = error as? ExitCode {  // agreed on, and already printed
            try communicator.finalize()
            throw code
        }
        communicator.fail(with: error, program: "smd")
    }
    try communicator.finalize()
}

/// All ranks of the job; where they cannot join, rank 0 tells of it for all that the launcher ends then.
private func joinedRanks() throws -> any Communicator {
    if let doubt = Launch.doubt(in: ProcessInfo.processInfo.environment) { warn(doubt) }
    do {
        return try openCommunicator()
    } catch let error as CommunicationError {
        if error.rank ?? 0 > 0 { Thread.sleep(forTimeInterval: 3) }
        throw error
    }
}

/// Runs `body` in the middle of work in which ranks do not meet: an error of it ends them all, wherever they are.
func endingAllRanks(_ communicator: any Communicator, _ body: () throws -> Void) throws {
    do {
        try body()
    } catch {
        guard communicator.size > 1 else { throw error }
        // A signal has usually come to all: then rank 0 alone tells of it, and the launcher ends the others meanwhile.
        if communicator.rank > 0 { Thread.sleep(forTimeInterval: 5) }
        printError("smd: error: \(describeOnOneLine(error))")
        communicator.abort(code: ExitStatus(error).rawValue)
    }
}
