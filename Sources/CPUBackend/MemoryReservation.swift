import COneDNN
import Synchronization

/// Counts the memory that is asked for instead of using it: pages that nobody touches are never given by the system.
final class MemoryReservation: Sendable {
    /// What ``CPUMemory`` is to reserve for on this thread, if it is not to be used.
    @TaskLocal static var current: MemoryReservation?
    private let total = Atomic<Int>(0)

    /// Bytes reserved and not given back.
    var bytes: Int { total.load(ordering: .relaxed) }

    func add(_ bytes: Int) { total.add(bytes, ordering: .relaxed) }
}

extension CPUBackend {
    /// Calls `body`, which may make memory and prepare operations on this thread but not run them, and returns its
    /// result with the bytes that this would use: everything is prepared as for a run, in memory that is never touched.
    public static func reserving<T>(_ body: () throws -> T) rethrows -> (result: T, bytes: Int) {
        let reservation = MemoryReservation()
        odnn_reserve(1)
        defer { odnn_reserve(0) }
        let result = try MemoryReservation.$current.withValue(reservation) { try body() }
        return (result, reservation.bytes + odnn_reserved_bytes())
    }
}
