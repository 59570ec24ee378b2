import Communication
import Files
import Foundation
import Sampling
import TensorGraph

/// Judgements on facts of all ranks: no rank is asked anything here.
extension Finding {
    /// No launcher: fine for one rank, if it was meant.
    package static func noLauncher(mpirun: String?, library: String) -> Finding {
        let check = "launch"
        guard let mpirun else {
            return .warning(
                check, "one process without a launcher, and mpirun is not on PATH",
                fix: "install Open MPI (launch/setup) to train on several ranks")
        }
        // "mpirun (Open MPI) 4.1.4" and "Open MPI v4.1.4, package: …"
        let isSame =
            mpirun.contains("Open MPI") && mpirun.split(separator: " ").last.map { library.contains("v\($0)") } ?? false
        guard isSame else {
            return .warning(
                check,
                "one process without a launcher; \(mpirun) is on PATH, but smd uses \(library.prefix { $0 != "," })",
                fix: "put the mpirun of the latter first on PATH: ranks started by another one do not find each other")
        }
        return .ok(check, "one process without a launcher; to check a job: mpirun -n RANKS smd doctor, with \(mpirun)")
    }

    package static func versions(_ facts: [RankFacts]) -> Finding {
        let check = "versions"
        let sorts: [(name: String, version: KeyPath<RankFacts, String>)] = [
            ("smd", \.smd), ("MPI", \.mpi), ("HDF5", \.hdf5),
        ]
        for sort in sorts {
            guard let other = facts.firstIndex(where: { $0[keyPath: sort.version] != facts[0][keyPath: sort.version] })
            else { continue }
            return .failure(
                check,
                "\(sort.name) is \(facts[0][keyPath: sort.version]) on rank 0 (\(facts[0].host)) but "
                    + "\(facts[other][keyPath: sort.version]) on rank \(other) (\(facts[other].host))",
                fix: "install the same build of smd and the same libraries on all hosts")
        }
        let mpi = facts[0].mpi.prefix { $0 != "," }
        return .ok(check, "smd \(facts[0].smd)" + (mpi.isEmpty ? "" : ", \(mpi)") + ", HDF5 \(facts[0].hdf5)")
    }

    /// Hosts with different numbers of ranks wait for the fullest, if they are alike.
    package static func placement(_ placement: Placement) -> Finding {
        let counts = placement.hosts.map(\.ranks)
        let check = "ranks per host"
        guard let most = counts.max(), let least = counts.min(), most != least else {
            return .ok(check, "\(placement.hosts.count) × \(counts[0])")
        }
        let text = placement.hosts.map { "\($0.name) \($0.ranks)" }.joined(separator: ", ")
        return .warning(
            check, "uneven: \(text)",
            fix: "unless the hosts differ, give each the same slots= in the hostfile, or use mpirun with "
                + "--map-by ppr:RANKS:node")
    }

    package static func binding(_ binding: Binding) -> Finding {
        guard let problem = binding.problem else { return .ok("cores", binding.summary) }
        // "what is wrong: what to do"
        let parts = problem.split(separator: ": ").map { String($0) }
        guard parts.count > 2 else { return .warning("cores", problem, fix: "see docs/cluster.md") }
        return .warning("cores", parts.dropLast().joined(separator: ": "), fix: parts[parts.count - 1])
    }

    /// Every step waits for the slowest core.
    package static func speed(_ facts: [RankFacts]) -> Finding {
        let check = "speed"
        let peaks = facts.map(\.peakGflops)
        let typical = median(peaks)
        let slow = peaks.indices.filter { peaks[$0] < 0.7 * typical }
        guard let slowest = slow.min(by: { peaks[$0] < peaks[$1] }) else {
            let range = "\(Int(peaks.min() ?? 0)) to \(Int(peaks.max() ?? 0))"
            return .ok(check, "\(peaks.count > 1 ? range : "\(Int(typical))") GFLOP/s a core (multiply-add peak)")
        }
        let ratio = String(format: "%.2f", peaks[slowest] / typical)
        let others = slow.count > 1 ? "; \(slow.count) ranks are slow" : ""
        return .warning(
            check, "rank \(slowest) on \(facts[slowest].host) computes at \(ratio) of what is usual here\(others)",
            fix:
                "look for another job on its core (top), a lower clock (cpupower frequency-info), or leave the host out"
        )
    }

    /// - Parameter wanted: what the configuration asks for; nil without one.
    package static func precision(_ wanted: Precision?, _ facts: [RankFacts]) -> Finding {
        let check = "precision"
        let lacking = facts.enumerated().filter { !$1.hasBFloat16 }.map { (rank: $0, host: $1.host) }
        let job = JobPrecision(wanted ?? .bf16, lacking: lacking, ranks: facts.count)
        guard let wanted else {
            return .ok(check, job.notice == nil ? "bf16 where precision: bf16 asks for it" : "fp32, no bf16 on all")
        }
        guard job.notice != nil else { return .ok(check, wanted.rawValue) }
        let (rank, host) = lacking[0]
        return .warning(
            check,
            "bf16 will run in fp32: no fast bf16 (AMX, or AMD's AVX512_BF16) on \(lacking.count) of \(facts.count) ranks "
                + "(rank \(rank) on \(host))",
            fix: "leave these hosts out, or set precision: fp32, or bf16-emulated to try what bf16 does to a run")
    }

    /// What Open MPI needs for ranks of the same host, and what they share.
    package static func temporary(_ facts: [RankFacts], needs: RunNeeds? = nil) -> Finding {
        let check = "shared memory"
        for (rank, fact) in facts.enumerated() {
            let needed = (16 << 20) * facts.count { $0.host == fact.host }
            let shared = needs?.sharedBytes ?? 0
            for (place, free, data) in [
                ("/dev/shm", fact.sharedMemory, shared), ("TMPDIR or /tmp", fact.temporary, 0),
            ] {
                guard let free, free < needed + data else { continue }
                let what = data > 0 ? "the data set of \(mebibytes(data)) (cache: node) and MPI" : "MPI"
                return .failure(
                    check,
                    "\(fact.host) (rank \(rank)) has \(mebibytes(free)) free in \(place), too little for \(what)",
                    fix: place == "/dev/shm"
                        ? "make it larger (mount -o remount,size=…; docker run --shm-size=…)"
                        : "make room there, or set TMPDIR to another folder (launch/run --env TMPDIR)")
            }
        }
        let least = facts.compactMap(\.sharedMemory).min()
        return .ok(check, least.map { "\(mebibytes($0)) free in /dev/shm" } ?? "unknown")
    }

    /// - Parameter offsets: seconds by which each rank's clock is ahead of rank 0's.
    package static func clocks(_ offsets: [Double], hosts: [String]) -> Finding {
        let check = "clocks"
        let worst = offsets.indices.max { abs(offsets[$0]) < abs(offsets[$1]) } ?? 0
        let offset = offsets[worst]
        guard abs(offset) > 1 else {
            return .ok(check, String(format: "at most %.2g s apart", abs(offset)))
        }
        return .warning(
            check,
            String(
                format: "the clock of %@ is %.1f s %@ that of %@", hosts[worst], abs(offset),
                offset > 0 ? "ahead of" : "behind", hosts[0]),
            fix: "start chrony or ntpd on the hosts (timedatectl): files and log lines carry wrong times")
    }

    package static func memory(_ facts: [RankFacts], needs: RunNeeds?) -> Finding {
        let check = "memory"
        for host in facts.map(\.host).firstOccurrences {
            let ranks = facts.indices.filter { facts[$0].host == host }
            guard let available = ranks.compactMap({ facts[$0].availableMemory }).min() else { continue }
            let needed = ranks.reduce(needs?.sharedBytes ?? 0) { sum, rank in
                sum + (rank == 0 ? needs?.firstRankBytes ?? 512 << 20 : needs?.rankBytes ?? 512 << 20)
            }
            if needed <= available { continue }
            let text = "\(host) has \(mebibytes(available)) available for \(ranks.count) ranks"
            guard needs != nil else {
                return .warning(check, text, fix: "see what the run needs with smd plan CONFIG --ranks N")
            }
            return .failure(
                check, "\(text), which need \(mebibytes(needed))",
                fix: "fewer ranks and more --threads there, a smaller micro_batch_size, or optimizer.sharded: true")
        }
        let least = facts.compactMap(\.availableMemory).min()
        let need = needs.map { "; a rank needs \(mebibytes($0.rankBytes)), rank 0 \(mebibytes($0.firstRankBytes))" }
        return .ok(check, (least.map { "\(mebibytes($0)) available" } ?? "unknown") + (need ?? ""))
    }

    /// - Parameters:
    ///   - free: bytes free on the disk; nil where it does not say.
    ///   - writeRate: bytes/s of a file written, synchronised and compared.
    package static func folder(_ place: String, free: Int?, writeRate: Double, needs: RunNeeds?) -> Finding {
        let check = "run folder"
        let rate = mebibytes(Int(writeRate)) + "/s written and compared"
        guard let free else { return .ok(check, "\(place): \(rate)") }
        if let needs, free < needs.diskBytes {
            return .failure(
                check, "\(place) has \(mebibytes(free)) free; the checkpoints need \(mebibytes(needs.diskBytes))",
                fix: "make room, keep fewer (keep_checkpoints), or choose another --output")
        }
        if free < 1 << 30 {
            return .warning(
                check, "\(place) has only \(mebibytes(free)) free",
                fix: "make room: a run goes on without checkpoints while they cannot be written")
        }
        let need = needs.map { " (checkpoints need \(mebibytes($0.diskBytes)))" } ?? ""
        return .ok(check, "\(place): \(mebibytes(free)) free\(need), \(rate)")
    }

    /// Rank 0 alone writes there, so a run works; but a restart that places it elsewhere finds nothing.
    package static func shared(_ place: String, isVisible: [Bool], hosts: [String]) -> Finding {
        let check = "shared folder"
        let blind = zip(isVisible, hosts).filter { !$0.0 }.map(\.1).firstOccurrences
        guard let first = blind.first else {
            let count = hosts.firstOccurrences.count
            return .ok(check, count == 1 ? "one host" : "all \(count) hosts see the same folder")
        }
        return .warning(
            check,
            "\(place) is another folder on \(first)\(blind.count > 1 ? " and \(blind.count - 1) other hosts" : "") "
                + "than on \(hosts[0])",
            fix: "use a file system that all hosts share, so that a restart finds the checkpoints wherever rank 0 runs")
    }

    /// - Parameters:
    ///   - latency: seconds of the smallest sum.
    ///   - bandwidth: size by time of a large sum, GB/s.
    package static func allReduce(latency: Double, bandwidth: Double, hosts: Int) -> Finding {
        let text = String(format: "every sum is right; %.0f µs, %.2f GB/s", latency * 1e6, bandwidth)
        // A link of 1 Gb/s gives half of 0.12.
        guard bandwidth < 0.1 else { return .ok("all-reduce", text) }
        return .warning(
            "all-reduce", text + ", which is slow",
            fix: hosts > 1
                ? "name the fast network: launch/run --mca btl_tcp_if_include SUBNET (docs/cluster.md)"
                : "are there more ranks than cores? start fewer")
    }
}

/// "1,234 MiB".
private func mebibytes(_ bytes: Int) -> String { grouped(bytes >> 20) + " MiB" }

extension [String] {
    /// Each element once, in the order of first occurrence.
    fileprivate var firstOccurrences: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
