import CPUBackend
import Communication
import Foundation
import HDF5

/// What one rank knows of itself and its host, for ``Doctor``.
package struct RankFacts: Codable, Equatable {
    package var host: String
    /// Versions of smd, the MPI library and libhdf5.
    package var smd = ""
    package var mpi = ""
    package var hdf5 = ""
    /// Multiply-add peak of the rank's core while all ranks measure, GFLOP/s.
    package var peakGflops = 0.0
    /// Whether the processor has a unit for bfloat16.
    package var hasBFloat16 = false
    /// Bytes that the host can still give to programs; nil where the kernel does not say.
    package var availableMemory: Int?
    /// Free bytes where ranks of one host exchange messages (/dev/shm), and where MPI keeps its session (TMPDIR, /tmp).
    package var sharedMemory: Int?
    package var temporary: Int?

    /// Nothing but the host's name is known yet.
    package init(host: String) { self.host = host }

    /// Those of this rank. Collective, so that all measure at the same time.
    static func current(_ communicator: any Communicator, version: String) throws -> Self {
        let backend = try communicator.together("preparing the processor") { try CPUBackend() }
        try communicator.barrier()
        // The best of several: a short disturbance is no property of the core.
        let peak = (0..<5).map { _ in backend.measurePeak() }.max() ?? 0
        let folder = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        var facts = Self(host: communicator.host)
        facts.smd = version
        facts.mpi = communicator.size > 1 ? MPICommunicator.mpiVersion : ""
        facts.hdf5 = HDF5Library.version
        facts.peakGflops = peak
        facts.hasBFloat16 = CPUBackend.bfloat16Unit != nil
        facts.availableMemory = availableMemoryBytes()
        facts.sharedMemory = DurableFile.freeBytes(at: "/dev/shm")
        facts.temporary = DurableFile.freeBytes(at: folder)
        return facts
    }

    /// MemAvailable of the kernel, or the limit of the process's group of processes where that is lower.
    private static func availableMemoryBytes() -> Int? {
        let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        guard let kibibytes = line?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        return min(kibibytes << 10, groupLimitBytes() ?? Int.max)
    }

    /// What the control group of a container or batch job leaves; nil without a limit.
    private static func groupLimitBytes() -> Int? {
        func number(_ name: String) -> Int? {
            (try? String(contentsOfFile: "/sys/fs/cgroup/" + name, encoding: .utf8))
                .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        }
        guard let limit = number("memory.max"), let used = number("memory.current") else { return nil }
        return max(0, limit - used)
    }
}
