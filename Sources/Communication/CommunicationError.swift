import Files

/// A call of MPI, or of the system that launched it, that failed. One line: the call, why, and where.
public struct CommunicationError: Error, CustomStringConvertible, Equatable, Sendable {
    /// The MPI function, or what was being done.
    public let call: String
    /// MPI's text for the error, or what is wrong and what to do about it.
    public let message: String
    /// The rank that saw it; nil before the rank is known.
    public let rank: Int?
    /// The host of that rank.
    public let host: String

    /// Describes a failure of `call` on rank `rank` of host `host`, without them before the rank is known.
    public init(call: String, message: String, rank: Int? = nil, host: String = localHostName()) {
        self.call = call
        self.message = printable(message)
        self.rank = rank
        self.host = host
    }

    /// One line for a person.
    public var description: String {
        let place = rank.map { "rank \($0) on host \(host)" } ?? "host \(host)"
        return "\(call) failed, \(place): \(message)"
    }
}
