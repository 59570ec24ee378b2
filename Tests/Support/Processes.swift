import Foundation

/// The processes whose command line matches `pattern` (a regular expression) and that are still there after at most
/// `seconds`: numbers, one a line; empty when all have ended. A process that was killed takes a moment to end.
public func processesLeft(matching pattern: String, within seconds: Double = 5) throws -> String {
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
        let left = try run(["pgrep", "-f", "--", pattern], timeout: 20).output
        if left.isEmpty || ContinuousClock.now >= end { return left }
        usleep(100_000)
    }
}
