import Communication
import Foundation

/// What the tests run under mpirun. One argument says what:
///
///     rank-program collectives [MAXIMUM_COUNT]    checks every collective, one line a check from rank 0
///     rank-program abort RANK CODE                RANK aborts the job while the others wait for it
///     rank-program fail RANK                      RANK brings a failure to `agree`
///     rank-program lonely-error RANK              RANK throws an error the others do not know of
///     rank-program disagree RANK                  RANK was started with another configuration
///     rank-program corrupt RANK [PART]            RANK holds one other bit than the others, in PART of three
///     rank-program where                          prints rank, size, kind of group and placement
///     rank-program watched ...                    works under a watchdog; see `WatchedWork`
///     rank-program sleep                          never ends
@main
struct RankProgram {
    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let numbers = arguments.dropFirst().compactMap { Int($0) }
        if arguments.first == "watched" { return try WatchedWork(Array(arguments.dropFirst())).run() }
        if arguments.first == "collectives", let maximumCount = numbers.first {
            return try Collectives(group: MPICommunicator(maximumCount: maximumCount)).run()
        }
        let group: any Communicator
        do {
            group = try openCommunicator()
        } catch {
            say("error: \(error)", to: .standardError)
            exit(3)
        }
        do {
            switch arguments.first {
            case "collectives":
                return try Collectives(group: group).run()
            case "abort":
                if group.rank == numbers[0] { group.abort(code: Int32(numbers[1])) }
                try group.barrier()
            case "fail":
                let failure = group.rank >= numbers[0] ? "no data on rank \(group.rank)\nat all" : nil
                try group.agree(failure, phase: "opening the data set")
            case "lonely-error":
                if group.rank == numbers[0] { throw LonelyError() }
                try group.barrier()
            case "disagree":
                let digest = group.rank == numbers[0] ? "beef" : "cafe"
                try group.requireEqual([("version", "1"), ("configuration", digest), ("data", digest)])
            case "corrupt":
                var values = (0..<3000).map { Float($0) }
                let place = 1000 * (numbers.count > 1 ? numbers[1] : 0) + 777
                if group.rank == numbers[0] { values[place] = Float(bitPattern: values[place].bitPattern ^ 1) }
                try values.withUnsafeBufferPointer { all in
                    let parts = ["the parameters", "the moments", "the averages"].enumerated().map { index, name in
                        (name, UnsafeBufferPointer(rebasing: all[1000 * index..<1000 * (index + 1)]))
                    }
                    try group.requireSameBits(parts, "after step 5")
                }
            case "where":
                let placement = try group.placement()
                let kind = group is SingleProcess ? "single process" : "mpi"
                say(
                    "\(kind), rank \(group.rank) of \(group.size), local \(placement.localRank) of "
                        + "\(placement.ranksOnHost), \(placement.summary)", to: .standardOutput)
            case "sleep":
                while true { sleep(60) }
            default:
                say("unknown arguments \(arguments)", to: .standardError)
                exit(64)
            }
            try group.finalize()
        } catch {
            group.fail(with: error, program: "rank-program")
        }
    }
}

private struct LonelyError: Error, CustomStringConvertible {
    let description = "the disk is full"
}

/// One line in one write.
func say(_ line: String, to handle: FileHandle) {
    handle.write(Data("\(line)\n".utf8))
}
