import ArgumentParser
import Communication

/// Runs a command's work on all ranks of its job. With several ranks an error is told by one of them and ends them
/// all; alone it goes the way of any other command's error.
func onAllRanks(_ body: (any Communicator) throws -> Void) throws {
    let communicator = try openCommunicator()
    do {
        try body(communicator)
    } catch {
        guard communicator.size > 1 else { throw error }
        if let code = error as? ExitCode {  // agreed on, and already told
            try communicator.finalize()
            throw code
        }
        communicator.fail(with: error, program: "smd")
    }
    try communicator.finalize()
}
