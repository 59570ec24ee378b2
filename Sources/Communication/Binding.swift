import Foundation

/// Which cores the ranks of a job may use, and whether they are enough.
///
/// A CPU is what the kernel schedules on: a core, or one of the hardware threads of a core. Two hardware threads share
/// one core's multipliers, so it is cores that count.
public struct Binding: Sendable {
    /// The CPUs that one rank may use.
    public struct Rank: Codable, Equatable, Sendable {
        /// Name of the rank's host.
        public var host: String
        /// CPUs that the rank may use, ascending.
        public var cpus: [Int]
        /// The core of each of them, named by the lowest of its CPUs.
        public var cores: [Int]
        /// Cores of the host, those included that the rank may not use.
        public var coresOnHost: Int

        /// A rank on `host` that may use `cpus`, which lie on `cores`.
        public init(host: String, cpus: [Int], cores: [Int], coresOnHost: Int) {
            precondition(cpus.count == cores.count, "\(cpus.count) CPUs on \(cores.count) cores")
            self.host = host
            self.cpus = cpus
            self.cores = cores
            self.coresOnHost = coresOnHost
        }
    }

    /// By rank.
    public let ranks: [Rank]
    /// Compute threads of every rank.
    public let threads: Int

    /// The job whose rank r runs `threads` threads on `ranks[r]`.
    public init(_ ranks: [Rank], threads: Int) {
        precondition(!ranks.isEmpty && threads > 0, "\(ranks.count) ranks of \(threads) threads")
        self.ranks = ranks
        self.threads = threads
    }

    private var hosts: [Placement.Host] { Placement(rank: 0, hostNames: ranks.map(\.host)).hosts }

    /// One line for a person: "2 hosts (a, b), 64 ranks × 1 thread, 64 cores".
    public var summary: String {
        let hosts = hosts
        let names = hosts.prefix(3).map(\.name).joined(separator: ", ") + (hosts.count > 3 ? ", …" : "")
        var cores = 0
        var cpus = 0
        for host in hosts {
            let there = ranks.filter { $0.host == host.name }
            cores += Set(there.flatMap(\.cores)).count
            cpus += Set(there.flatMap(\.cpus)).count
        }
        let hardwareThreads = cpus > cores ? " (\(cpus) hardware threads)" : ""
        return "\(counted(hosts.count, "host")) (\(names)), \(counted(ranks.count, "rank")) × "
            + "\(counted(threads, "thread")), \(counted(cores, "core"))\(hardwareThreads)"
    }

    /// What slows the job down and how to mend it, one line; nil when every thread can have a core of its own, or its
    /// share of a host that has not enough of them but is used in full, hardware threads included.
    public var problem: String? {
        let problems = hosts.compactMap { host in problem(on: host.name) }
        guard let first = problems.first else { return nil }
        return problems.count == 1 ? first : "\(first) (and likewise on \(counted(problems.count - 1, "other host")))"
    }

    /// Ranks that are confined to the same CPUs need as many cores there as they have threads.
    private func problem(on host: String) -> String? {
        let there = ranks.indices.filter { ranks[$0].host == host }
        let coreOf = Dictionary(there.flatMap { zip(ranks[$0].cpus, ranks[$0].cores) }, uniquingKeysWith: { a, _ in a })
        let coresOnHost = ranks[there[0]].coresOnHost
        let masks = there.map { Set(ranks[$0].cpus) }
        var worst: (confined: [Int], cpus: Set<Int>, cores: Int, excess: Double)?
        for cpus in Set(masks + [Set(coreOf.keys)]).sorted(by: { ($0.min() ?? 0) < ($1.min() ?? 0) }) {
            let confined = zip(there, masks).filter { $1.isSubset(of: cpus) }.map { $0.0 }
            let needed = confined.count * threads
            let cores = Set(cpus.compactMap { coreOf[$0] }).count
            // On a host with too few cores, hardware threads are used because there is nothing else.
            let isShort = needed > cpus.count || (needed > cores && there.count * threads <= coresOnHost)
            let excess = Double(needed) / Double(max(cores, 1))
            if isShort, (worst?.excess ?? 0, worst?.confined.count ?? 0) < (excess, confined.count) {
                worst = (confined, cpus, cores, excess)
            }
        }
        return worst.map {
            describe($0.confined, on: host, $0.cpus.sorted(), $0.cores, needed: there.count * threads, coresOnHost)
        }
    }

    private func describe(
        _ confined: [Int], on host: String, _ cpus: [Int], _ cores: Int, needed: Int, _ coresOnHost: Int
    ) -> String {
        let whose = confined.count == 1 ? "rank \(confined[0]) has" : "ranks \(rankList(confined)) share"
        let what =
            "\(host): \(whose) \(counted(cores, "core")) (CPU\(cpus.count == 1 ? "" : "s") \(rankList(cpus))) for "
            + counted(confined.count * threads, "thread")
        guard needed <= coresOnHost else {
            return "\(what), and the host has \(counted(coresOnHost, "core")): start fewer ranks or threads there"
        }
        let usual = cores == 1 ? "; mpirun by itself binds each of one or two ranks to a single core" : ""
        return "\(what), so they wait for each other\(usual): start with launch/run -n RANKS --threads \(threads), "
            + "or with mpirun --map-by slot:PE=\(threads) --bind-to core"
    }
}

extension Binding.Rank {
    /// Where this process may run.
    static func current(host: String) -> Self {
        let cpus = allowedCPUs()
        let online = cpuList((try? String(contentsOfFile: sysfs + "/online", encoding: .utf8)) ?? "") ?? cpus
        return Self(
            host: host, cpus: cpus, cores: cpus.map(core), coresOnHost: Set(online.map(core) + cpus.map(core)).count)
    }
}

extension Communicator {
    /// Finds out which cores the ranks may use. Collective; every rank runs `threads` compute threads.
    ///
    /// - Throws: `CommunicationError`.
    public func binding(threads: Int) throws -> Binding {
        let own = Binding.Rank.current(host: host)
        return Binding(
            try gather(encode(own)).map { decode(Binding.Rank.self, $0) ?? own }, threads: threads)
    }
}

private let sysfs = "/sys/devices/system/cpu"

/// The kernel's affinity mask of this process; all CPUs where it does not say.
private func allowedCPUs() -> [Int] {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let key = "Cpus_allowed_list:"
    let line = status.split(separator: "\n").first { $0.hasPrefix(key) }
    return line.flatMap { cpuList(String($0.dropFirst(key.count))) }
        ?? Array(0..<ProcessInfo.processInfo.activeProcessorCount)
}

/// The lowest CPU on the core of `cpu`; `cpu` itself where the kernel does not say.
private func core(of cpu: Int) -> Int {
    let siblings = try? String(contentsOfFile: "\(sysfs)/cpu\(cpu)/topology/thread_siblings_list", encoding: .utf8)
    return siblings.flatMap(cpuList)?.first ?? cpu
}

/// The numbers of a list as the kernel writes it, "0-3,8"; nil for anything else.
func cpuList(_ text: String) -> [Int]? {
    var numbers: [Int] = []
    for part in text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ",") {
        let ends = part.split(separator: "-").map { Int($0) }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last else {
            return nil
        }
        numbers += first...last
    }
    return numbers.isEmpty ? nil : numbers
}

/// "1 core", "2 cores".
private func counted(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
