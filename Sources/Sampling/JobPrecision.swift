import CPUBackend
import Communication
import Configuration
import TensorGraph

/// The format that a job computes in: the one asked for, unless a processor of the job lacks it.
public struct JobPrecision: Equatable, Sendable {
    /// What runs, the same on all ranks.
    public var precision: Precision
    /// Why it is not what was asked for, one line; nil where it is.
    public var notice: String?

    /// That of a job of this process alone.
    public init(_ wanted: Precision) {
        self.init(wanted, lacking: CPUBackend.bfloat16Unit != nil ? [] : [nil], ranks: 1)
    }

    /// - Parameter lacking: ranks whose processor has no unit for bfloat16, with their hosts; nil for the
    ///   process itself.
    package init(_ wanted: Precision, lacking: [(rank: Int, host: String)?], ranks: Int) {
        guard wanted == .bf16, let first = lacking.first else {
            self.precision = wanted
            return
        }
        var whose = "this processor has"
        if let first {
            let others = lacking.count - 1
            whose =
                "the processor of \(ranks == 1 ? "" : "rank \(first.rank) on ")host \(first.host) "
                + (others == 0 ? "has" : "and \(others == 1 ? "1 other" : "\(others) others") have")
        }
        precision = .fp32
        notice =
            "precision: bf16 runs in fp32: \(whose) no fast bf16 (AMX, or AMD's AVX512_BF16); "
            + "precision: bf16-emulated rounds as AMX does on any"
    }

    /// Finds what all ranks can compute in. Collective.
    ///
    /// - Throws: `CommunicationError`.
    public static func agree(_ wanted: Precision, _ communicator: any Communicator) throws -> Self {
        // An empty answer is a rank that has what is wanted.
        let answers = try communicator.gather(CPUBackend.bfloat16Unit != nil ? [] : [UInt8](communicator.host.utf8))
        let lacking = answers.enumerated().filter { !$1.isEmpty }.map { rank, host in
            (rank: rank, host: String(decoding: host, as: UTF8.self))
        }
        return Self(wanted, lacking: lacking, ranks: communicator.size)
    }
}
