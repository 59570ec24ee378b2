import Communication
import Foundation

/// Ranks that are threads of this process: collectives end when all have come, and those that only begin end at once.
final class ThreadRank: Communicator {
    let rank: Int
    let host = "here"
    private let board: Board
    private var round = 0

    var size: Int { board.size }

    private init(_ rank: Int, _ board: Board) { (self.rank, self.board) = (rank, board) }

    /// Runs `body` on `size` ranks; what it returns or throws, by rank.
    static func run<T>(_ size: Int, _ body: @escaping @Sendable (any Communicator) throws -> T) -> [Result<
        T, any Error
    >] {
        let board = Board(size)
        let results = Results<T>(size)
        let threads = (0..<size).map { rank in
            Thread {
                let result = Result { try body(ThreadRank(rank, board)) }
                if case .failure(let error) = result { board.leave("rank \(rank) has left: \(error)") }
                results.end(rank, result)
            }
        }
        for thread in threads {
            thread.stackSize = 8 << 20
            thread.start()
        }
        return results.all()
    }

    struct Left: Error, CustomStringConvertible { let description: String }

    /// What ranks bring to a round, until all have taken it.
    private final class Board: @unchecked Sendable {
        let size: Int
        private let condition = NSCondition()
        private var rounds: [Int: [Int: [UInt8]]] = [:]
        private var takers: [Int: Int] = [:]
        private var left: String?

        init(_ size: Int) { self.size = size }

        func leave(_ why: String) {
            condition.withLock { left = left ?? why }
            condition.broadcast()
        }

        func exchange(_ bytes: [UInt8], rank: Int, round: Int) throws -> [[UInt8]] {
            condition.lock()
            defer { condition.unlock() }
            rounds[round, default: [:]][rank] = bytes
            condition.broadcast()
            while rounds[round]?.count != size {
                if let left { throw Left(description: left) }
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

    // MARK: Collectives, all from one

    func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        round += 1
        return try board.exchange(bytes, rank: rank, round: round)
    }

    private func gather<T: BitwiseCopyable>(_ values: some Collection<T>) throws -> [[T]] {
        try gather(Array(values).withUnsafeBytes { Array($0) }).map { bytes in
            bytes.withUnsafeBytes { Array($0.bindMemory(to: T.self)) }
        }
    }

    /// In the order of a binary tree, as MPI's sum of two and four ranks here is.
    private static func sum<T: FloatingPoint>(_ all: [[T]]) -> [T] {
        var all = all
        while all.count > 1 {
            all = stride(from: 0, to: all.count, by: 2).map { i in
                i + 1 < all.count ? zip(all[i], all[i + 1]).map { $0 + $1 } : all[i]
            }
        }
        return all[0]
    }

    func barrier() throws { _ = try gather([]) }

    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
        _ = values.update(fromContentsOf: Self.sum(try gather(values)))
    }

    func sum(_ values: [Double]) throws -> [Double] { Self.sum(try gather(values)) }

    func maximum(_ values: [Double]) throws -> [Double] {
        let all = try gather(values)
        return values.indices.map { i in all.map { $0[i] }.max() ?? 0 }
    }

    func beginSum(_ values: UnsafeMutableBufferPointer<Float>) throws -> any PendingCollective {
        try sum(values)
        return Complete()
    }

    func progress() throws {}

    func allGather(_ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]) throws {
        for (part, found) in zip(parts, try gather(values[parts[rank]])) {
            _ = UnsafeMutableBufferPointer(rebasing: values[part]).update(fromContentsOf: found)
        }
    }

    func beginExchange(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>],
        into received: UnsafeMutableBufferPointer<Float>
    ) throws -> any PendingCollective {
        _ = received.update(fromContentsOf: try gather(values).flatMap { $0[parts[rank]] })
        return Complete()
    }

    func beginAllGather(
        _ values: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>]
    ) throws -> any PendingCollective {
        try allGather(values, parts: parts)
        return Complete()
    }

    func collect(
        _ part: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>], to root: Int,
        into whole: UnsafeMutableBufferPointer<Float>?
    ) throws {
        precondition(part.count == parts[rank].count && (whole != nil) == (rank == root), "\(parts), root \(root)")
        for (place, found) in zip(parts, try gather(part)) {
            guard let whole else { continue }
            _ = UnsafeMutableBufferPointer(rebasing: whole[place]).update(fromContentsOf: found)
        }
    }

    func distribute(
        _ whole: UnsafeMutableBufferPointer<Float>?, parts: [Range<Int>], from root: Int,
        into part: UnsafeMutableBufferPointer<Float>
    ) throws {
        precondition(part.count == parts[rank].count && (whole != nil) == (rank == root), "\(parts), root \(root)")
        let all = try gather(whole.map { Array($0) } ?? [])
        _ = part.update(fromContentsOf: all[root][parts[rank]])
    }

    func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] { try gather(rank == root ? bytes : [])[root] }
    func abort(code: Int32) -> Never { fatalError("rank \(rank) aborts with \(code)") }
    func finalize() throws {}

    private final class Complete: PendingCollective {
        func test() throws -> Bool { true }
        func wait() throws {}
    }
}
