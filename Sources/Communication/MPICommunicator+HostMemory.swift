import CMPI
import Foundation

/// Memory that the ranks of a host share.
extension MPICommunicator {
    /// Where Open MPI keeps such memory.
    private static let place = "/dev/shm"

    /// - Throws: on all ranks, when a host has no room for it: writing to memory that is not there would end the process.
    package func hostMemory(bytes: Int) throws -> HostMemory {
        try together("sharing \(bytes >> 20) MiB among the ranks of a host") {
            var facts = statvfs()
            guard statvfs(Self.place, &facts) == 0 else { return }
            let free = Int(clamping: facts.f_bavail) * Int(clamping: facts.f_frsize)
            guard free < bytes + (1 << 20) else { return }
            throw CommunicationError(
                call: "MPI_Win_allocate_shared",
                message: "\(Self.place) has \(free >> 20) MiB free: make it larger (mount -o remount,size=…; docker "
                    + "run --shm-size=…), or let every rank hold or stream the samples itself (cache=rank, cache=stream)",
                rank: rank, host: host)
        }
        var memory: UnsafeMutableRawPointer?
        var first: Int32 = 0
        try waiting("MPI_Win_allocate_shared", cmpi_host_memory(bytes, &memory, &first))
        return HostMemory(bytes: UnsafeMutableRawBufferPointer(start: memory, count: bytes), isFirst: first != 0)
    }

    package func hostMemoryWritten() throws { try waiting("MPI_Win_fence", cmpi_host_memory_written()) }
}
