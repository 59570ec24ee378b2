import Crypto
import Files
import Foundation

/// An error that every rank holds alike. Rank 0 reports it, once, and all ranks end together in good order; any other
/// error is known to one rank only, which must say so itself and abort the job.
public protocol AgreedError: HasExitStatus {}

extension AgreedError {
    /// Something has to be changed first.
    public var exitStatus: ExitStatus { .failure }
}

/// A phase of the job that failed on at least one rank. All ranks throw the same value.
public struct AgreedFailure: AgreedError, CustomStringConvertible, Equatable, Sendable {
    /// What was being done, for instance "opening the data set".
    public let phase: String
    /// The lowest rank that failed.
    public let rank: Int
    /// That rank's host.
    public let host: String
    /// That rank's error, one line.
    public let text: String
    /// How many further ranks failed.
    public let otherFailedRanks: Int
    /// Number of ranks in the job.
    public let size: Int
    /// What that rank's error would have ended the process with.
    public let exitStatus: ExitStatus

    /// One line for a person.
    public var description: String {
        if size == 1 { return "\(phase): \(text)" }
        let others =
            switch otherFailedRanks {
            case 0: ""
            case 1: " (1 other rank failed too)"
            default: " (\(otherFailedRanks) other ranks failed too)"
            }
        return "\(phase), rank \(rank) on host \(host): \(text)\(others)"
    }
}

/// Ranks of one job that were started with different things. All ranks throw the same value.
public struct RankDisagreement: AgreedError, CustomStringConvertible, Equatable, Sendable {
    /// What they disagree on, for instance "configuration".
    public let name: String
    /// Each value that occurs, with the ranks that hold it, in order of the lowest rank.
    public let holders: [Holder]
    /// Names of further things they disagree on.
    public let alsoDifferent: [String]

    /// A value and the ranks that hold it.
    public struct Holder: Equatable, Sendable {
        /// The value; nil when these ranks do not know the item at all.
        public let value: String?
        /// The ranks, ascending.
        public let ranks: [Int]
    }

    /// One line for a person.
    public var description: String {
        let parts = holders.map { holder in
            let ranks = "rank\(holder.ranks.count == 1 ? "" : "s") \(rankList(holder.ranks))"
            return holder.value.map { "\(ranks): \(printable($0))" } ?? "\(ranks): nothing"
        }
        let also = alsoDifferent.isEmpty ? "" : "; also on \(alsoDifferent.joined(separator: ", "))"
        return "the ranks disagree on \(name): \(parts.joined(separator: "; "))\(also)"
    }
}

/// Copies that should be the same on all ranks and are not. All ranks throw the same value.
public struct CorruptedCopy: AgreedError, CustomStringConvertible, Equatable, Sendable {
    /// What differs.
    public let name: String
    /// The ranks that hold something else than most.
    public let ranks: [Int]
    /// The host of every rank.
    public let hosts: [String]
    /// Whether more than half of the ranks agree: then the others are at fault.
    public let isMajority: Bool

    /// Started again from the last checkpoint, the job goes on with equal copies.
    public var exitStatus: ExitStatus { .tryAgain }

    /// One line for a person.
    public var description: String {
        let first = ranks.first ?? 0
        let who = ranks.count == 1 ? "rank \(first) on host \(hosts[first])" : "ranks \(rankList(ranks))"
        return "\(name) differ on \(who) from "
            + (isMajority ? "those of the other ranks" : "those of rank 0, and no more than half of the ranks agree")
            + ": memory or a processor has erred there; start again to go on from the last checkpoint, and have the host "
            + "checked if it happens again"
    }
}

extension Communicator {
    /// Ends a phase on all ranks together. Every rank brings nil when the phase went well, or its error's text, and the
    /// status that belongs to it. Collective.
    ///
    /// - Throws: `AgreedFailure`, the same on every rank, when any rank brings a text.
    public func agree(_ failure: String?, status: ExitStatus = .failure, phase: String) throws {
        // One number decides the usual case; texts travel only when there is one.
        guard try maximum([failure == nil ? 0 : 1]).first != 0 else { return }
        let texts = try gather(encode(failure.map { [host, printable($0), "\(status.rawValue)"] } ?? []))
        let failed = texts.enumerated().compactMap { rank, bytes -> (rank: Int, parts: [String])? in
            let parts = decode([String].self, bytes)
            return parts?.count == 0 ? nil : (rank, parts ?? ["unknown", "unreadable error text", "1"])
        }
        guard let first = failed.first else { return }
        throw AgreedFailure(
            phase: phase, rank: first.rank, host: first.parts[0], text: first.parts[1],
            otherFailedRanks: failed.count - 1, size: size,
            // A rank of another build may not say.
            exitStatus: first.parts.dropFirst(2).first.flatMap { Int32($0) }.flatMap(ExitStatus.init(rawValue:))
                ?? .failure)
    }

    /// Runs `body` on every rank as one phase: when it throws on any rank, all ranks throw. `body` must not communicate.
    /// Collective.
    ///
    /// - Throws: `AgreedFailure`, the same on every rank; alone, `body`'s own error.
    public func together<T>(_ phase: String, _ body: () throws -> T) throws -> T {
        if size == 1 { return try body() }
        let result = Result { try body() }
        switch result {
        case .success: try agree(nil, phase: phase)
        case .failure(let error):
            let status = (error as? any HasExitStatus)?.exitStatus ?? .failure
            try agree(String(describing: error), status: status, phase: phase)
        }
        return try result.get()
    }

    /// Finds ranks that were started with something else than the others. Collective.
    ///
    /// - Parameter description: what should be equal on all ranks (digest of the configuration, fingerprint of the
    ///   data, version), each under a name that a person understands.
    /// - Throws: `RankDisagreement`, the same on every rank.
    public func requireEqual(_ description: [(name: String, value: String)]) throws {
        let gathered = try gather(encode(description.map { [$0.name, $0.value] }))
        if let disagreement = disagreement(among: gathered.map { decode([[String]].self, $0) ?? [] }) {
            throw disagreement
        }
    }

    /// Finds ranks whose copies of things that all hold alike have come to differ: memory or a processor that errs.
    /// Collective.
    ///
    /// - Parameters:
    ///   - copies: what all ranks hold, each under a name that a person understands.
    ///   - when: for the message, for instance "after step 5".
    /// - Throws: `CorruptedCopy`, the same on every rank, which names the ranks that differ from most.
    public func requireSameBits(
        _ copies: [(name: String, values: UnsafeBufferPointer<Float>)], _ when: String
    ) throws {
        guard size > 1 else { return }
        var own: [UInt8] = []
        for copy in copies {
            own += SHA256.hash(data: UnsafeRawBufferPointer(copy.values))
            Watchdog.beat()
        }
        let digests = try gather(own)
        var counts: [[UInt8]: Int] = [:]
        for digest in digests { counts[digest, default: 0] += 1 }
        guard counts.count > 1 else { return }
        // Of equally many, the lowest rank's.
        let most = counts.values.max() ?? 0
        let usual = digests.first { counts[$0] == most } ?? []
        let different = copies.indices.filter { index in
            let part = SHA256.byteCount * index..<SHA256.byteCount * (index + 1)
            return digests.contains { $0[part] != usual[part] }
        }
        let hosts = try gather([UInt8](host.utf8)).map { String(decoding: $0, as: UTF8.self) }
        throw CorruptedCopy(
            name: different.map { copies[$0].name }.joined(separator: ", ") + " " + when,
            ranks: digests.indices.filter { digests[$0] != usual }, hosts: hosts, isMajority: 2 * most > size)
    }

    /// Ends the job after `error`, for the outermost level of the program: one line on standard error, and the error's exit
    /// status for the whole job, 1 where it has none. An `AgreedError` is printed by rank 0 and all ranks leave in good order; any other error is
    /// printed by the rank that holds it, which then aborts the job. Lines begin with the name of the `program`.
    public func fail(with error: any Error, program: String) -> Never {
        let status = ((error as? any HasExitStatus)?.exitStatus ?? .failure).rawValue
        if error is any AgreedError || size == 1 {
            // Printed before finalize, which waits for all: a launcher ends the rest at the first non-zero exit.
            if rank == 0 { printError("\(program): error: \(error)") }
            do { try finalize() } catch { abort(code: status) }
            exit(status)
        }
        let told = error is CommunicationError ? "" : " rank \(rank) on host \(host):"
        printError("\(program): error:\(told) \(error)")
        abort(code: status)
    }
}

/// What the ranks' descriptions (by rank, pairs of name and value) disagree on, if anything.
private func disagreement(among descriptions: [[[String]]]) -> RankDisagreement? {
    var names: [String] = []
    for pair in descriptions.joined() where pair.count == 2 && !names.contains(pair[0]) { names.append(pair[0]) }
    let different = names.compactMap { name -> RankDisagreement? in
        let values = descriptions.map { $0.first { $0.first == name }?.last }
        guard let first = values.first, values.contains(where: { $0 != first }) else { return nil }
        var holders: [(value: String?, ranks: [Int])] = []
        for (rank, value) in values.enumerated() {
            if let index = holders.firstIndex(where: { $0.value == value }) {
                holders[index].ranks.append(rank)
            } else {
                holders.append((value, [rank]))
            }
        }
        return RankDisagreement(
            name: name, holders: holders.map { .init(value: $0.value, ranks: $0.ranks) }, alsoDifferent: [])
    }
    guard let first = different.first else { return nil }
    return RankDisagreement(
        name: first.name, holders: first.holders, alsoDifferent: different.dropFirst().map(\.name))
}

/// Ranks in words: "0-3, 5".
func rankList(_ ranks: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for rank in ranks {
        if let last = runs.last, last.upperBound + 1 == rank {
            runs[runs.count - 1] = last.lowerBound...rank
        } else {
            runs.append(rank...rank)
        }
    }
    return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ", ")
}

/// A value as bytes for other ranks. Strings always encode; an empty result would be read as "unreadable".
func encode(_ value: some Encodable) -> [UInt8] {
    (try? JSONEncoder().encode(value)).map { [UInt8]($0) } ?? []
}

func decode<T: Decodable>(_ type: T.Type, _ bytes: [UInt8]) -> T? {
    try? JSONDecoder().decode(type, from: Data(bytes))
}
