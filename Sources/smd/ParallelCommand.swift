import ArgumentParser
import Communication
import Foundation

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

/// Runs `body` in the middle of work in which ranks do not meet: an error of it ends them all, wherever they are.
func endingAllRanks(_ communicator: any Communicator, _ body: () throws -> Void) throws {
    do {
        try body()
    } catch {
        guard communicator.size > 1 else { throw error }
        // A signal has usually come to all: then rank 0 alone tells of it, and the launcher ends the others meanwhile.
        if communicator.rank > 0 { Thread.sleep(forTimeInterval: 5) }
        FileHandle.standardError.write(Data("smd: error: \(describeOnOneLine(error))\n".utf8))
        communicator.abort(code: ExitStatus(error).rawValue)
    }
}
