import Communication
import Foundation

/// Checks every collective with values that depend on the rank, so that a wrong rank, order or count shows.
struct Collectives {
    let group: any Communicator

    /// Runs all checks. Rank 0 prints "ok NAME" after each that all ranks passed; the first that fails ends the job.
    func run() throws {
        let checks: [(String, () throws -> String?)] = [
            ("barrier", barrier), ("sum of floats", sumOfFloats), ("sum of doubles", sumOfDoubles),
            ("maximum", maximum), ("pending sums", pendingSums), ("pending sum of nothing", pendingSumOfNothing),
            ("broadcast", broadcast), ("gather", gather), ("all-gather of parts", allGatherParts),
            ("exchanges and gathers under way", pendingParts),
            ("parts at one rank", partsAtOneRank), ("agree", agree), ("together", together),
            ("requireEqual", requireEqual), ("placement", placement), ("host memory", hostMemory),
        ]
        do {
            for (name, check) in checks {
                try group.agree(try check(), phase: name)
                if group.rank == 0 { say("ok \(name)", to: .standardOutput) }
            }
            if group.rank == 0 { say("\(checks.count) checks on \(group.size) ranks", to: .standardOutput) }
            try group.finalize()
        } catch {
            group.fail(with: error, program: "rank-program")
        }
    }

    /// Σ over ranks of (rank + 1), the factor that rank-keyed values pick up in a sum.
    private var rankSum: Int { group.size * (group.size + 1) / 2 }

    /// `count` small integers that depend on the rank: their sums over ranks are exact in single precision.
    private func values(count: Int, seed: Int = 0) -> [Float] {
        (0..<count).map { Float(($0 + seed) % 97 * (group.rank + 1)) }
    }

    private func expectedSum(count: Int, seed: Int = 0) -> [Float] {
        (0..<count).map { Float(($0 + seed) % 97 * rankSum) }
    }

    private func barrier() throws -> String? {
        for _ in 0..<3 { try group.barrier() }
        return nil
    }

    private func sumOfFloats() throws -> String? {
        for count in [0, 1, 7, 64, 1001] {
            var data = values(count: count)
            try data.withUnsafeMutableBufferPointer { try group.sum($0) }
            if data != expectedSum(count: count) { return "sum of \(count) floats is \(data.prefix(8))…" }
        }
        return nil
    }

    private func sumOfDoubles() throws -> String? {
        for count in [0, 1, 5, 33] {
            // Tenths beyond single precision: a detour through Float would show.
            let mine = (0..<count).map { Double($0) + 1e-12 * Double(group.rank + 1) }
            let sum = try group.sum(mine)
            let expected = (0..<count).map { Double($0 * group.size) + 1e-12 * Double(rankSum) }
            let error = zip(sum, expected).map { abs($0 - $1) }.max() ?? 0
            if sum.count != count || error > 1e-13 { return "sum of \(count) doubles is off by \(error)" }
        }
        return nil
    }

    private func maximum() throws -> String? {
        // Each rank holds the largest value at some places.
        let mine = (0..<11).map { Double($0 % group.size == group.rank ? $0 : -$0 - group.rank) }
        let result = try group.maximum(mine)
        return result == (0..<11).map(Double.init) ? nil : "maximum is \(result)"
    }

    private func pendingSums() throws -> String? {
        let counts = [13, 1, 400, 7, 64]
        let buffers = counts.enumerated().map { index, count in
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
            _ = buffer.initialize(from: values(count: count, seed: index))
            return buffer
        }
        defer { buffers.forEach { $0.deallocate() } }
        // Twice, so that slots of finished sums are used again.
        for round in 0..<2 {
            for (index, buffer) in buffers.enumerated() {
                _ = buffer.update(from: values(count: counts[index], seed: index + round))
            }
            let sums = try buffers.map { try group.beginSum($0) }
            for _ in 0..<3 { try group.progress() }
            // One by polling, the others by waiting, not in the order begun.
            while try !sums[2].test() {}
            for index in [4, 0, 3, 1] { try sums[index].wait() }
            if try !sums.allSatisfy({ try $0.test() }) { return "a sum is incomplete after wait" }
            try sums[0].wait()
            for (index, buffer) in buffers.enumerated()
            where Array(buffer) != expectedSum(count: counts[index], seed: index + round) {
                return "pending sum \(index) of round \(round) is \(buffer.prefix(8).map { $0 })…"
            }
        }
        return nil
    }

    private func pendingSumOfNothing() throws -> String? {
        let sum = try group.beginSum(UnsafeMutableBufferPointer(start: nil, count: 0))
        let complete = try sum.test()
        try sum.wait()
        return complete ? nil : "incomplete"
    }

    private func broadcast() throws -> String? {
        for (count, root) in [(0, 0), (1, group.size - 1), (3, 0), (3_000_001, group.size - 1)] {
            let expected = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ root) }
            // Other ranks bring something else, of another length.
            let result = try group.broadcast(group.rank == root ? expected : [9, 9, 9, 9], from: root)
            if result != expected { return "broadcast of \(count) bytes from rank \(root) gave \(result.count) bytes" }
        }
        return nil
    }

    private func gather() throws -> String? {
        // A different length on each rank; in the last case only the last rank has anything.
        let lengths: [(Int) -> Int] = [
            { _ in 0 }, { $0 + 1 }, { 5 - $0 }, { 10_000 * ($0 + 1) + 7 }, { $0 == group.size - 1 ? 50 : 0 },
        ]
        for length in lengths {
            let bytes = { (rank: Int) in (0..<length(rank)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ rank) } }
            let result = try group.gather(bytes(group.rank))
            if result != (0..<group.size).map(bytes) { return "gather gave lengths \(result.map(\.count))" }
        }
        return nil
    }

    /// Parts of different lengths, that of rank 1 empty, with a gap before each and after the last.
    private var gappedParts: [Range<Int>] {
        var parts: [Range<Int>] = []
        for rank in 0..<group.size {
            let start = (parts.last?.upperBound ?? 0) + 3
            parts.append(start..<start + (rank == 1 ? 0 : 10 + 7 * rank))
        }
        return parts
    }

    /// What an array looks like once all parts are together: rank-keyed inside of parts, −1 in the gaps.
    private func together(_ parts: [Range<Int>]) -> [Float] {
        var whole = [Float](repeating: -1, count: parts[group.size - 1].upperBound + 2)
        for (rank, part) in parts.enumerated() { for index in part { whole[index] = Float(1000 * rank + index) } }
        return whole
    }

    private func allGatherParts() throws -> String? {
        let parts = gappedParts
        let expected = together(parts)
        var data = [Float](repeating: -1, count: expected.count)
        for index in parts[group.rank] { data[index] = expected[index] }
        try data.withUnsafeMutableBufferPointer { try group.allGather($0, parts: parts) }
        return data == expected ? nil : "all-gather gave \(data)"
    }

    /// Several exchanges and gathers under way at once; ranks begin their gathers at different times among them.
    private func pendingParts() throws -> String? {
        let parts = gappedParts
        let own = parts[group.rank]
        let rounds = 3
        func value(_ round: Int, _ rank: Int, _ index: Int) -> Float { Float(10_000 * round + 100 * rank + index) }
        func buffer(_ count: Int, _ fill: (Int) -> Float) -> UnsafeMutableBufferPointer<Float> {
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
            _ = buffer.initialize(from: (0..<count).map(fill))
            return buffer
        }
        let count = parts[group.size - 1].upperBound + 2
        let sent = (0..<rounds).map { round in buffer(count) { value(round, group.rank, $0) } }
        let received = (0..<rounds).map { _ in buffer(own.count * group.size) { _ in -1 } }
        let gathered = (0..<rounds).map { round in
            buffer(count) { own.contains($0) ? value(round, group.rank, $0) : -1 }
        }
        defer { (sent + received + gathered).forEach { $0.deallocate() } }
        var exchanges: [any PendingCollective] = []
        var gathers: [any PendingCollective] = []
        for round in 0..<rounds {
            if group.rank.isMultiple(of: 2) {
                gathers.append(try group.beginAllGather(gathered[round], parts: parts))
            }
            exchanges.append(try group.beginExchange(sent[round], parts: parts, into: received[round]))
        }
        while try !exchanges[1].test() {}
        for round in 0..<rounds where !group.rank.isMultiple(of: 2) {
            gathers.append(try group.beginAllGather(gathered[round], parts: parts))
        }
        for pending in (exchanges + gathers).reversed() { try pending.wait() }
        for round in 0..<rounds {
            let expected = (0..<group.size).flatMap { rank in own.map { value(round, rank, $0) } }
            if Array(received[round]) != expected { return "exchange \(round) gave \(Array(received[round]))" }
            for (owner, part) in parts.enumerated()
            where part.contains(where: { index in
                gathered[round][index] != value(round, owner, index)
            }) { return "gather \(round) lacks the part of rank \(owner)" }
            if gathered[round][0] != -1 { return "gather \(round) wrote into a gap" }
        }
        return nil
    }

    private func partsAtOneRank() throws -> String? {
        let parts = gappedParts
        let expected = together(parts)
        let root = group.size - 1
        var part = Array(expected[parts[group.rank]])
        var whole = [Float](repeating: -1, count: expected.count)
        try part.withUnsafeMutableBufferPointer { part in
            try whole.withUnsafeMutableBufferPointer { whole in
                try group.collect(part, parts: parts, to: root, into: group.rank == root ? whole : nil)
            }
        }
        if group.rank == root && whole != expected { return "collected \(whole)" }
        if group.rank != root && whole.contains(where: { $0 != -1 }) { return "a rank that is not the root got parts" }
        part = [Float](repeating: 0, count: part.count)
        whole = whole.map { $0 == -1 ? -1 : $0 + 0.5 }
        try part.withUnsafeMutableBufferPointer { part in
            try whole.withUnsafeMutableBufferPointer { whole in
                try group.distribute(group.rank == root ? whole : nil, parts: parts, from: root, into: part)
            }
        }
        return part == expected[parts[group.rank]].map { $0 + 0.5 } ? nil : "was handed \(part)"
    }

    private func agree() throws -> String? {
        try group.agree(nil, phase: "nothing fails")
        // The two highest ranks fail; all must hold the lower one's text.
        let lowest = max(0, group.size - 2)
        do {
            try group.agree(group.rank >= lowest ? "text of \(group.rank)\nline two" : nil, phase: "phase")
            return "no failure thrown"
        } catch let failure as AgreedFailure {
            let right =
                failure.rank == lowest && failure.text == "text of \(lowest) line two" && failure.phase == "phase"
                && failure.otherFailedRanks == group.size - 1 - lowest && failure.size == group.size
            return right ? nil : "wrong failure: \(failure)"
        }
    }

    private func together() throws -> String? {
        let mine = try group.together("fine") { group.rank * 10 }
        if mine != group.rank * 10 { return "result is \(mine)" }
        struct Broken: Error {}
        do {
            try group.together("half") { if group.rank == group.size - 1 { throw Broken() } }
            return "no failure thrown"
        } catch let failure as AgreedFailure {
            return failure.rank == group.size - 1 && failure.text == "Broken()" ? nil : "wrong failure: \(failure)"
        } catch is Broken where group.size == 1 {
            return nil
        }
    }

    private func requireEqual() throws -> String? {
        try group.requireEqual([])
        try group.requireEqual([("version", "1"), ("configuration", "same")])
        guard group.size > 1 else { return nil }
        let last = group.size - 1
        do {
            let value = group.rank == last ? "other" : "same"
            try group.requireEqual([("version", "1"), ("data", value), ("configuration", value)])
            return "no disagreement thrown"
        } catch let found as RankDisagreement {
            let right =
                found.name == "data" && found.holders.map(\.ranks) == [Array(0..<last), [last]]
                && found.holders.map(\.value) == ["same", "other"] && found.alsoDifferent == ["configuration"]
            return right ? nil : "wrong disagreement: \(found)"
        }
    }

    private func placement() throws -> String? {
        // All ranks of the test run on this machine.
        let placement = try group.placement()
        let right = placement.localRank == group.rank && placement.ranksOnHost == group.size
        return right && placement.hosts.map(\.ranks) == [group.size] ? nil : "placement is \(placement)"
    }

    /// One rank of the host writes, all see it; twice, and more than there is is refused on all.
    private func hostMemory() throws -> String? {
        for (round, count) in [1000, 5].enumerated() {
            let memory = try group.hostMemory(bytes: count)
            guard memory.bytes.count == count else { return "not \(count) bytes" }
            guard try group.sum([memory.isFirst ? 1 : 0]) == [1] else { return "not one rank is the first" }
            if memory.isFirst { for i in 0..<count { memory.bytes[i] = UInt8((i + round) % 251) } }
            try group.hostMemoryWritten()
            guard memory.bytes.indices.allSatisfy({ memory.bytes[$0] == UInt8(($0 + round) % 251) }) else {
                return "what the first rank wrote is not there"
            }
        }
        guard group.size > 1 else { return nil }
        do {
            _ = try group.hostMemory(bytes: 1 << 50)
            return "a host has a petabyte"
        } catch let error as AgreedFailure {
            return error.text.contains("/dev/shm has") ? nil : error.text
        }
    }
}
