import Foundation

/// The processes of this job on this host, found by what the launcher wrote into their environment: what can be known
/// of ranks that never said a word.
package struct JobProcesses {
    /// A rank's process.
    struct Rank: Equatable {
        let rank: Int
        /// Number of the rank among those of its host.
        let localRank: Int
        /// Number of its process.
        let process: Int32
    }

    /// This process.
    let own: Rank
    /// How many ranks of the job run on this host, and in all; nil when the launcher does not say.
    let (countHere, count): (Int?, Int?)
    /// A number of the job, the same on all its ranks.
    let number: UInt64
    /// Variables that are the same in all processes of a job.
    private let job: [String: String]

    /// Nil when the launcher does not say enough.
    init?(environment: [String: String]) {
        let job = environment.filter { Self.jobNames.contains($0.key) }
        guard !job.isEmpty, let own = Self.rank(environment, process: getpid()) else { return nil }
        self.job = job
        self.own = own
        countHere = environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap { Int($0) }
        count = environment["OMPI_COMM_WORLD_SIZE"].flatMap { Int($0) }
        // FNV-1a: Swift's own hashes differ from process to process.
        let text = "\(getuid())" + job.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined()
        number = text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    private static let jobNames = ["PMIX_NAMESPACE", "OMPI_MCA_orte_hnp_uri", "SLURM_JOB_ID", "SLURM_STEP_ID"]

    private static func rank(_ environment: [String: String], process: Int32) -> Rank? {
        func first(_ names: String...) -> Int? { names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first }
        guard let rank = first("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"),
            let local = first("OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
        else { return nil }
        return Rank(rank: rank, localRank: local, process: process)
    }

    /// Name of the watchdog's socket of the rank with the number `localRank` on its host.
    func socketName(_ localRank: Int) -> String { "smd-watchdog-\(String(number, radix: 16))-\(localRank)" }

    /// Processes of the other ranks of this host, by local rank.
    func others() -> [Int: Rank] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var found: [Int: Rank] = [:]
        for process in entries.compactMap({ Int32($0) }) where process != getpid() {
            guard let environment = Self.environment(of: process),
                job.allSatisfy({ environment[$0.key] == $0.value }),
                let rank = Self.rank(environment, process: process), rank.localRank != own.localRank
            else { continue }
            // A rank may be a shell that started the program: the one of them that is stopped explains the silence.
            if found[rank.localRank] == nil || Self.state(process) == .stopped { found[rank.localRank] = rank }
        }
        return found
    }

    private static func environment(of process: Int32) -> [String: String]? {
        guard let bytes = FileManager.default.contents(atPath: "/proc/\(process)/environ") else { return nil }
        var environment: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            let text = String(decoding: entry, as: UTF8.self)
            guard let equals = text.firstIndex(of: "=") else { continue }
            environment[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return environment
    }

    /// What the kernel says of a process.
    package enum State {
        case runs, stopped, ended
    }

    /// Whether `process` is stopped, as by SIGSTOP or a debugger, or is not there any more.
    static func state(_ process: Int32) -> State {
        // "PID (name) STATE …", where the name may hold anything.
        guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let end = status.lastIndex(of: ")"), let letter = status[end...].dropFirst(2).first
        else { return .ended }
        return "Tt".contains(letter) ? .stopped : "ZXx".contains(letter) ? .ended : .runs
    }
}
