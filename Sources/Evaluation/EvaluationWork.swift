import Communication

/// Work of an evaluation over the ranks of a job: pieces of it that do not depend on how many ranks there are.
///
/// A piece is computed by one rank from start to end, and results are brought together in the order of the pieces: sums
/// over them have the same bits on any number of ranks.
public final class EvaluationWork {
    /// Where a part of the work stands.
    public struct Progress {
        /// What is done, for a person: "comparing images".
        public let task: String
        /// Pieces of this rank that are done, and all of them.
        public let (done, all): (Int, Int)
    }

    public let communicator: any Communicator
    private let report: (Progress) throws -> Void

    /// Over the ranks of `communicator`.
    ///
    /// - Parameter report: called on every rank before each piece; what it throws ends the work.
    public init(_ communicator: any Communicator, report: @escaping (Progress) throws -> Void = { _ in }) {
        self.communicator = communicator
        self.report = report
    }

    /// Computes `count` pieces, each on one rank, and gives all ranks all results. Collective.
    ///
    /// - Parameter piece: makes the results of piece number i; must not communicate.
    /// - Returns: results by piece.
    /// - Throws: `AgreedFailure` where a piece throws on any rank, alone its own error; `CommunicationError`.
    public func pieces<T: BitwiseCopyable>(
        _ task: String, _ count: Int, _ piece: (Int) throws -> [T]
    ) throws -> [[T]] {
        let (rank, size) = (communicator.rank, communicator.size)
        let mine = Array(stride(from: rank, to: count, by: size))
        let results = try communicator.together(task) {
            try mine.enumerated().map { done, number in
                try report(Progress(task: task, done: done, all: mine.count))
                return try piece(number)
            }
        }
        guard size > 1 else { return results }
        let lengths = try communicator.gather(bytes(of: results.map(\.count))).map { values(of: $0, as: Int.self) }
        let flat = try communicator.gather(bytes(of: Array(results.joined()))).map { values(of: $0, as: T.self) }
        var all = [[T]](repeating: [], count: count)
        for other in 0..<size {
            var begin = 0
            for (number, length) in zip(stride(from: other, to: count, by: size), lengths[other]) {
                all[number] = Array(flat[other][begin..<begin + length])
                begin += length
            }
        }
        return all
    }

    /// Computes something on rank 0 for all ranks. Collective.
    public func once<T: BitwiseCopyable>(_ task: String, _ body: () throws -> [T]) throws -> [T] {
        try pieces(task, 1) { _ in try body() }[0]
    }

    /// Ranges of `length` that cover 0 ..< `count`; the last may be shorter.
    static func tiles(of count: Int, length: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: length).map { $0..<min($0 + length, count) }
    }
}

private func bytes<T: BitwiseCopyable>(of values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

private func values<T: BitwiseCopyable>(of bytes: [UInt8], as: T.Type) -> [T] {
    bytes.withUnsafeBytes { bytes in
        let stride = MemoryLayout<T>.stride
        return (0..<bytes.count / stride).map { bytes.loadUnaligned(fromByteOffset: $0 * stride, as: T.self) }
    }
}
