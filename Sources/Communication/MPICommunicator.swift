import CMPI
import Files
import Foundation

/// All ranks of an MPI job (`MPI_COMM_WORLD`).
///
/// MPI counts are C ints, and libraries are least tested near their end: every call here moves at most
/// `maximumCount` elements, and longer buffers go in several calls.
package final class MPICommunicator: Communicator {
    package let rank: Int
    package let size: Int
    /// Name of this rank's host, as MPI gives it.
    package let host: String
    /// Most elements (bytes for `broadcast` and `gather`) in one MPI call.
    package let maximumCount: Int

    /// Requests of what is under way. A slot is null when that is complete, and in `freeSlots` when nobody waits.
    private var requests: [cmpi_request] = []
    private var freeSlots: [Int] = []

    /// Starts MPI and joins the job. Once a process: MPI can be started once only.
    ///
    /// - Parameter maximumCount: most elements in one MPI call; tests use a small one.
    /// - Throws: `CommunicationError` when MPI is already started or does not start.
    package init(maximumCount: Int = 1 << 28) throws {
        precondition(
            (1...Int(Int32.max)).contains(maximumCount), "maximumCount is \(maximumCount), must be 1...\(Int32.max)")
        func check(_ call: String, _ status: Int32) throws {
            guard status == 0 else { throw CommunicationError(call: call, message: errorMessage(status)) }
        }
        var started: Int32 = 0
        try check("MPI_Initialized", cmpi_initialized(&started))
        guard started == 0 else {
            throw CommunicationError(call: "MPI_Init_thread", message: "MPI was started before in this process")
        }
        var threadLevel: Int32 = 0
        try check("MPI_Init_thread", Watchdog.waiting { cmpi_initialize(&threadLevel) })
        guard threadLevel >= 1 else {
            throw CommunicationError(
                call: "MPI_Init_thread",
                message: "this MPI library does not allow threads beside MPI; use one built with MPI_THREAD_FUNNELED")
        }
        var rank: Int32 = 0
        var size: Int32 = 0
        try check("MPI_Comm_rank", cmpi_rank(&rank))
        try check("MPI_Comm_size", cmpi_size(&size))
        self.rank = Int(rank)
        self.size = Int(size)
        self.maximumCount = maximumCount
        host = text { cmpi_processor_name($0, $1) } ?? localHostName()
    }

    /// Name and version of the MPI library, one line. Needs no running MPI.
    package static var mpiVersion: String {
        text { cmpi_library_version($0, $1) } ?? "unknown MPI"
    }

    package func barrier() throws { try waiting("MPI_Barrier", cmpi_barrier()) }

    package func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
        try forEachChunk(of: values) { try waiting("MPI_Allreduce", cmpi_sum_float($0, $1)) }
    }

    package func sum(_ values: [Double]) throws -> [Double] { try reduced(values, cmpi_sum_double) }

    package func maximum(_ values: [Double]) throws -> [Double] { try reduced(values, cmpi_maximum_double) }

    private func reduced(
        _ values: [Double], _ reduce: (UnsafeMutablePointer<Double>?, Int32) -> Int32
    ) throws -> [Double] {
        var values = values
        try values.withUnsafeMutableBufferPointer { buffer in
            try forEachChunk(of: buffer) { try waiting("MPI_Allreduce", reduce($0, $1)) }
        }
        return values
    }

    /// Starts an in-place sum over ranks. The memory of `values` belongs to MPI, and must stay where it is, until the
    /// sum is complete. All ranks begin their sums in the same order, with the same counts.
    package func beginSum(_ values: UnsafeMutableBufferPointer<Float>) throws -> any PendingCollective {
        var slots: [Int] = []
        try forEachChunk(of: values) { pointer, count in
            var request = cmpi_request_null()
            try check("MPI_Iallreduce", cmpi_begin_sum_float(pointer, count, &request))
            slots.append(keep(request))
        }
        return MPIPending(communicator: self, slots: slots)
    }

    package func progress() throws {
        guard requests.count > freeSlots.count else { return }
        var completed: Int32 = 0
        let status = requests.withUnsafeMutableBufferPointer { buffer in
            cmpi_test_some(buffer.baseAddress, Int32(buffer.count), &completed)
        }
        try check("MPI_Testsome", status)
    }

    package func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
        precondition((0..<size).contains(root), "broadcast from rank \(root) of \(size)")
        var count = Int64(bytes.count)
        try withUnsafeMutableBytes(of: &count) {
            try waiting("MPI_Bcast", cmpi_broadcast($0.baseAddress, Int32($0.count), Int32(root)))
        }
        var data = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
        try data.withUnsafeMutableBufferPointer { buffer in
            try forEachChunk(of: buffer) { try waiting("MPI_Bcast", cmpi_broadcast($0, $1, Int32(root))) }
        }
        return data
    }

    package func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var sizes = [Int64](repeating: 0, count: size)
        try waiting("MPI_Allgather", cmpi_gather_sizes(Int64(bytes.count), &sizes))
        var gathered = sizes.map { size in
            var part: [UInt8] = []
            part.reserveCapacity(Int(size))
            return part
        }
        // In rounds: offsets are ints too, so all ranks' parts of one round together stay within the limit.
        let roundCount = max(1, maximumCount / size)
        let longest = Int(sizes.max() ?? 0)
        for start in stride(from: 0, to: longest, by: roundCount) {
            let counts = sizes.map { Int32(min(max(Int($0) - start, 0), roundCount)) }
            var offsets = [Int32](repeating: 0, count: size)
            for other in 1..<max(size, 1) { offsets[other] = offsets[other - 1] + counts[other - 1] }
            let total = Int(offsets[size - 1] + counts[size - 1])
            var round = [UInt8](repeating: 0, count: total)
            let mine = bytes[min(start, bytes.count)..<min(start + roundCount, bytes.count)]
            try mine.withUnsafeBufferPointer { part in
                try round.withUnsafeMutableBufferPointer { whole in
                    try waiting(
                        "MPI_Allgatherv",
                        cmpi_gather_bytes(part.baseAddress, Int32(part.count), whole.baseAddress, counts, offsets))
                }
            }
            for other in 0..<size {
                let offset = Int(offsets[other])
                gathered[other].append(contentsOf: round[offset..<offset + Int(counts[other])])
            }
        }
        return gathered
    }

    /// Ends the whole job at once with `code`: the launcher ends the other ranks and exits with `code`. Output still
    /// buffered is lost, so say why on standard error first.
    package func abort(code: Int32) -> Never {
        _ = cmpi_abort(code)
        _exit(code)
    }

    /// Waits for what is under way and leaves MPI. Collective. Nothing may be called afterwards.
    package func finalize() throws {
        Watchdog.enter(.end)
        for slot in requests.indices { try complete(slot) }
        try waiting("MPI_Finalize", cmpi_finalize())
        Watchdog.leave()
    }

    // MARK: - Under way

    /// Keeps a request; the slot where it is.
    private func keep(_ request: cmpi_request) -> Int {
        guard let slot = freeSlots.popLast() else {
            requests.append(request)
            return requests.count - 1
        }
        requests[slot] = request
        return slot
    }

    /// Begins a collective of one request that reads `places`, counts and offsets, until it is complete.
    func begin(
        _ call: String, places: [Int32], _ body: (UnsafePointer<Int32>, inout cmpi_request) -> Int32
    ) throws -> any PendingCollective {
        let kept = UnsafeMutablePointer<Int32>.allocate(capacity: max(1, places.count))
        kept.initialize(from: places, count: places.count)
        var request = cmpi_request_null()
        let status = body(kept, &request)
        if status != 0 { kept.deallocate() }
        try check(call, status)
        return MPIPending(communicator: self, slots: [keep(request)], places: kept)
    }

    /// Whether the collective of `slot` is complete.
    fileprivate func isComplete(_ slot: Int) -> Bool { cmpi_request_is_null(requests[slot]) != 0 }

    /// Blocks until the collective of `slot` is complete.
    fileprivate func complete(_ slot: Int) throws {
        try waiting("MPI_Wait", cmpi_wait(&requests[slot]))
    }

    /// Gives slots back whose collectives are complete and waited for.
    fileprivate func release(_ slots: [Int]) { freeSlots.append(contentsOf: slots) }

    // MARK: - Helpers

    /// Makes a call that waits for other ranks.
    func waiting(_ call: String, _ status: @autoclosure () -> Int32) throws {
        try check(call, Watchdog.waiting(status))
    }

    /// The one funnel from statuses to errors.
    func check(_ call: String, _ status: Int32) throws {
        guard status == 0 else {
            throw CommunicationError(call: call, message: errorMessage(status), rank: rank, host: host)
        }
    }

    /// Calls `body` for each stretch of at most `maximumCount` elements. All ranks see the same stretches.
    func forEachChunk<T>(
        of buffer: UnsafeMutableBufferPointer<T>, _ body: (UnsafeMutablePointer<T>, Int32) throws -> Void
    ) rethrows {
        guard let base = buffer.baseAddress else { return }
        for start in stride(from: 0, to: buffer.count, by: maximumCount) {
            try body(base + start, Int32(min(maximumCount, buffer.count - start)))
        }
    }
}

/// What was begun: one request for each chunk of the buffer.
private final class MPIPending: PendingCollective {
    private let communicator: MPICommunicator
    /// Slots of the requests; empty once complete.
    private var slots: [Int]
    /// Counts and offsets that MPI reads until then.
    private let places: UnsafeMutablePointer<Int32>?

    init(communicator: MPICommunicator, slots: [Int], places: UnsafeMutablePointer<Int32>? = nil) {
        self.communicator = communicator
        self.slots = slots
        self.places = places
    }

    func test() throws -> Bool {
        if slots.isEmpty { return true }
        try communicator.progress()
        guard slots.allSatisfy({ communicator.isComplete($0) }) else { return false }
        finish()
        return true
    }

    func wait() throws {
        if slots.isEmpty { return }
        for slot in slots { try communicator.complete(slot) }
        finish()
    }

    private func finish() {
        communicator.release(slots)
        slots = []
        places?.deallocate()
    }
}

/// Ends all ranks with `code` if MPI can; from any thread, while others may be in MPI.
func abortMPI(code: Int32) {
    var (started, finished): (Int32, Int32) = (0, 0)
    guard cmpi_initialized(&started) == 0, cmpi_finalized(&finished) == 0, started != 0, finished == 0 else { return }
    _ = cmpi_abort(code)
}

/// MPI's text for `status`.
private func errorMessage(_ status: Int32) -> String {
    text { cmpi_error_message(status, $0, $1) } ?? "MPI error \(status)"
}

/// The text that a shim function writes into a buffer; nil when it fails.
private func text(_ fill: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
        guard let base = buffer.baseAddress, fill(base, buffer.count) == 0 else { return nil }
        return String(cString: base)
    }
}
