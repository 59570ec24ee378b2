import Foundation

/// Where a rank runs among the hosts of the job.
public struct Placement: Equatable, Sendable {
    /// Name of this rank's host.
    public let host: String
    /// This rank's number among the ranks of its host, 0 ..< `ranksOnHost`.
    public let localRank: Int
    /// Number of ranks on this rank's host.
    public let ranksOnHost: Int
    /// All hosts in the order of their lowest rank, with their numbers of ranks.
    public let hosts: [Host]

    /// A host and how many ranks run on it.
    public struct Host: Equatable, Sendable {
        /// The host's name.
        public let name: String
        /// Number of ranks on it.
        public let ranks: Int
    }

    /// Placement of `rank` when rank r runs on `hostNames[r]`.
    public init(rank: Int, hostNames: [String]) {
        precondition(hostNames.indices.contains(rank), "rank \(rank) of \(hostNames.count)")
        host = hostNames[rank]
        localRank = hostNames[..<rank].count { $0 == hostNames[rank] }
        ranksOnHost = hostNames.count { $0 == hostNames[rank] }
        var counts: [String: Int] = [:]
        var names: [String] = []
        for name in hostNames {
            if counts[name] == nil { names.append(name) }
            counts[name, default: 0] += 1
        }
        hosts = names.map { Host(name: $0, ranks: counts[$0, default: 0]) }
    }

    /// One line for a person: "4 ranks on 2 hosts: a ×2, b ×2".
    public var summary: String {
        let ranks = hosts.reduce(0) { $0 + $1.ranks }
        let list = hosts.map { "\($0.name) ×\($0.ranks)" }.joined(separator: ", ")
        return "\(ranks) rank\(ranks == 1 ? "" : "s") on \(hosts.count) host\(hosts.count == 1 ? "" : "s"): \(list)"
    }
}

extension Communicator {
    /// Finds out where this rank runs among the others. Collective.
    ///
    /// - Throws: `CommunicationError`.
    public func placement() throws -> Placement {
        let names = try gather([UInt8](host.utf8)).map { String(decoding: $0, as: UTF8.self) }
        return Placement(rank: rank, hostNames: names)
    }
}
