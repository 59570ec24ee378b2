import Communication
import Foundation

/// Ranks that are threads of this process. What a collective brings is copied when it begins; it ends when all have come.
final class ThreadRank: Communicator {
    let rank: Int
    let host = "here"
    private let board: Board
    private var begun: [Channel: Int] = [:]

    var size: Int { board.size }

    private init(_ rank: Int, _ board: Board) { (self.rank, self.board) = (rank, board) }

    /// Runs `body` on `size` ranks; what it returns or throws, by rank.
    static func run<T>(
        _ size: Int, _ body: @escaping @Sendable (any Communicator) throws -> T
    ) -> [Result<T, any Error>] {
        let board = Board(size)
        let results = Results<T>(size)
        for rank in 0..<size {
            let thread = Thread {
                let result = Result { try body(ThreadRank(rank, board)) }
                if case .failure(let error) = result { board.leave("rank \(rank) has left: \(error)") }
                results.end(rank, result)
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        return results.all()
    }

    /// Another rank left with an error of its own.
    struct Left: Error, CustomStringConvertible { let description: String }

    /// Collectives that may go on beside those of other kinds.
    private enum Channel { case blocking, sum, exchange, allGather }

    private struct Round: Hashable {
        var channel: Channel
        var number: Int
    }

    /// What the ranks bring to a collective, until all have taken it.
    private final class Board: @unchecked Sendable {
        let size: Int
        private let condition = NSCondition()
        private var rounds: [Round: [Int: [UInt8]]] = [:]
        private var takers: [Round: Int] = [:]
        private var left: String?

        init(_ size: Int) { self.size = size }

        func leave(_ why: String) {
            condition.withLock { left = left ?? why }
            condition.broadcast()
        }

        func bring(_ bytes: [UInt8], rank: Int, to round: Round) {
            condition.withLock { rounds[round, default: [:]][rank] = bytes }
            condition.broadcast()
        }

        /// What all brought, by rank; nil where not all have come and `waiting` is false.
        func take(_ round: Round, waiting: Bool) throws -> [[UInt8]]? {
            condition.lock()
            defer { condition.unlock() }
            while rounds[round]?.count != size {
                if let left { throw Left(description: left) }
                if !waiting { return nil }
                condition.wait()
            }
            let all = (0..<size).map { rounds[round]?[$0] ?? [] }
            takers[round, default: 0] += 1
            if takers[round] == size { (rounds[round], takers[round]) = (nil, nil) }
            return all
        }
    }

    private final class Results<T>: @unchecked Sendable {
        private let condition = NSCondition()
        private var results: [Result<T, any Error>?]

        init(_ size: Int) { results = Array(repeating: nil, count: size) }

        func end(_ rank: Int, _ result: Result<T, any Error>) {
            condition.withLock { results[rank] = result }
            condition.broadcast()
        }

        func all() -> [Result<T, any Error>] {
            condition.lock()
            defer { condition.unlock() }
            while results.contains(where: { $0 == nil }) { condition.wait() }
            return results.compactMap { $0 }
        }
    }

    private final class Pending: PendingCollective {
        private let board: Board
        private let round: Round
        private var end: (([[Float]]) -> Void)?

        init(_ board: Board, _ round: Round, _ end: @escaping ([[Float]]) -> Void) {
            (self.board, self.round, self.end) = (board, round, end)
        }

        private func complete(waiting: Bool) throws -> Bool {
            guard let end else { return true }
            guard let all = try board.take(round, waiting: waiting) else { return false }
            end(all.map { $0.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } })
            self.end = nil
            return true
        }

        func test() throws -> Bool { try complete(waiting: false) }
        func wait() throws { _ = try complete(waiting: true) }
    }

    // MARK: Collectives

    private func bring(_ bytes: [UInt8], _ channel: Channel) -> Round {
        begun[channel, default: 0] += 1
        let round = Round(channel: channel, number: begun[channel] ?? 0)
        board.bring(bytes, rank: rank, to: round)
        return round
    }

    private func begin(
        _ values: some Collection<Float>, _ channel: Channel, _ end: @escaping ([[Float]]) -> Void
    ) -> Pending {
        Pending(board, bring(Array(values).withUnsafeBytes { Array($0) }, channel), end)
    }

    func gather(_ bytes: [UInt8]) throws -> [[UInt8]] { try board.take(bring(bytes, .blocking), waiting: true) ?? [] }

    private func gather(_ values: [Double]) throws -> [[Double]] {
        try gather(values.withUnsafeBytes { Array($0) }).map { bytes in
            bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
        }
    }

    /// In the order of the ranks.
    private static func sum<T: FloatingPoint>(_ all: [[T]]) -> [T] {
        all.dropFirst().reduce(all[0]) { sums, values in zip(sums, values).map { $0 + $1 } }
    }

    func barrier() throws { _ = try gather([UInt8]()) }
    func sum(_ values: [Double]) throws -> [Double] { Self.sum(try gather(values)) }
    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws { try beginSum(values).wait() }

    func maximum(_ values: [Double]) throws -> [Double] {
        let all = try gather(values)
        return values.indices.map { i in all.map { $0[i] }.max() ?? 0 }
    }

    func beginSum(_ values: UnsafeMutableBufferPointer<Float>) throws -> any PendingCollective {
        begin(values, .sum) { _ = values.update(fromContentsOf: Self.sum($0)) }
    }

    func progress() throws {}

    func allGather(_ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]) throws {
        try beginAllGather(values, parts: parts).wait()
    }

    func beginAllGather(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]
    ) throws -> any PendingCollective {
        begin(values[parts[rank]], .allGather) { all in
            for (part, found) in zip(parts, all) {
                _ = UnsafeMutableBufferPointer(rebasing: values[part]).update(fromContentsOf: found)
            }
        }
    }

    func beginExchange(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>],
        into received: UnsafeMutableBufferPointer<Float>
    ) throws -> any PendingCollective {
        begin(values, .exchange) { [rank] all in
            _ = received.update(fromContentsOf: all.flatMap { $0[parts[rank]] })
        }
    }

    func collect(
        _ part: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>], to root: Int,
        into whole: UnsafeMutableBufferPointer<Float>?
    ) throws {
        precondition(part.count == parts[rank].count && (rank != root || whole != nil), "\(parts), root \(root)")
        try begin(part, .allGather) { all in
            guard self.rank == root, let whole else { return }
            for (place, found) in zip(parts, all) {
                _ = UnsafeMutableBufferPointer(rebasing: whole[place]).update(fromContentsOf: found)
            }
        }.wait()
    }

    func distribute(
        _ whole: UnsafeMutableBufferPointer<Float>?, parts: [Range<Int>], from root: Int,
        into part: UnsafeMutableBufferPointer<Float>
    ) throws {
        precondition(part.count == parts[rank].count && (rank != root || whole != nil), "\(parts), root \(root)")
        try begin(rank == root ? whole.map { Array($0) } ?? [] : [], .allGather) { [rank] all in
            _ = part.update(fromContentsOf: all[root][parts[rank]])
        }.wait()
    }

    /// The address that rank 0 brings; never given back.
    func hostMemory(bytes: Int) throws -> HostMemory {
        var address = 0
        if rank == 0 {
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
            address = Int(bitPattern: memory.baseAddress)
        }
        let shared = try gather(withUnsafeBytes(of: address) { Array($0) })[0].withUnsafeBytes { $0.load(as: Int.self) }
        return HostMemory(
            bytes: UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(bitPattern: shared), count: bytes),
            isFirst: rank == 0)
    }

    func hostMemoryWritten() throws { try barrier() }
    func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] { try gather(rank == root ? bytes : [])[root] }
    func abort(code: Int32) -> Never { fatalError("rank \(rank) aborts with \(code)") }
    func finalize() throws {}
}
