import CKernels
import Glibc
import TensorGraph

/// The system did not give the memory that was asked for.
public struct CPUMemoryError: Error, CustomStringConvertible {
    /// Bytes asked for.
    public let bytes: Int
    public var description: String {
        "cannot allocate \(bytes) bytes (\(bytes >> 20) MiB) of memory: use a smaller micro-batch or fewer ranks on this host"
    }
}

/// Memory of this process: float32 elements, zeroed, aligned to 64 bytes; large blocks lie on huge pages where the
/// system has them.
public final class CPUMemory: Memory {
    /// The elements; valid as long as this object lives.
    public let elements: UnsafeMutableBufferPointer<Float>

    /// Number of float32 elements.
    public var count: Int { elements.count }

    private static let hugePageBytes = 2 << 20
    private let reservation: MemoryReservation?
    private let bytes: Int
    /// What the elements belong to, where that is other memory.
    private let whole: CPUMemory?

    /// Room for `count` elements.
    ///
    /// - Throws: ``CPUMemoryError`` when the system has not so much memory.
    public init(count: Int) throws {
        precondition(count >= 0, "negative count \(count)")
        let wanted = max(count, 1).multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
        guard !wanted.overflow, wanted.partialValue < Int.max - Self.hugePageBytes else {
            throw CPUMemoryError(bytes: Int.max)
        }
        let large = wanted.partialValue >= Self.hugePageBytes
        let alignment = large ? Self.hugePageBytes : 64
        // Whole small pages, not whole huge ones: a block slightly above 4 MiB would hold 6.
        let granule = large ? 4096 : 64
        let bytes = (wanted.partialValue + granule - 1) / granule * granule
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, alignment, bytes) == 0, let memory else { throw CPUMemoryError(bytes: bytes) }
        if large { madvise(memory, bytes, Int32(MADV_HUGEPAGE)) }
        reservation = MemoryReservation.current
        (self.bytes, whole) = (bytes, nil)
        if let reservation { reservation.add(bytes) } else { memset(memory, 0, bytes) }
        elements = UnsafeMutableBufferPointer(
            start: memory.bindMemory(to: Float.self, capacity: bytes / MemoryLayout<Float>.stride), count: count)
    }

    /// The elements of `range` of other memory, where they are; `range` begins at a multiple of 16.
    public init(_ range: Range<Int>, of whole: CPUMemory) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= whole.count && range.lowerBound % 16 == 0,
            "\(range) of \(whole.count) elements")
        (reservation, bytes, self.whole) = (nil, 0, whole)
        elements = UnsafeMutableBufferPointer(rebasing: whole.elements[range])
    }

    deinit {
        if whole != nil { return }
        reservation?.add(-bytes)
        free(elements.baseAddress)
    }

    /// From here on this process gives blocks of a mebibyte or more back to the system when they are freed.
    public static func returnLargeBlocks() { ck_return_large_blocks() }

    /// Copies `values` to the elements from `offset` on.
    public func write(_ values: [Float], at offset: Int) {
        precondition(
            offset >= 0 && offset <= count - values.count, "\(values.count) values at \(offset) of \(count) elements")
        values.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress, let to = elements.baseAddress else { return }
            (to + offset).update(from: from, count: source.count)
        }
    }

    /// Copies out the elements of `range`.
    public func read(_ range: Range<Int>) -> [Float] {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count) elements")
        return Array(elements[range])
    }

    /// Sets the elements of `range` to zero.
    public func clear(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count) elements")
        elements[range].update(repeating: 0)
    }

    /// The address of the elements of `range`, which must lie inside.
    func pointer(_ range: Range<Int>) -> UnsafeMutablePointer<Float> {
        guard let base = elements.baseAddress, range.lowerBound >= 0, range.upperBound <= count else {
            preconditionFailure("\(range) of \(count) elements")
        }
        return base + range.lowerBound
    }
}

/// Memory that operations use only while they run, shared by all of them: it grows to the largest need while
/// operations are prepared, so its address is asked for at each run.
final class Scratch {
    private var memory: CPUMemory?

    /// Makes sure that there are `count` elements.
    func reserve(_ count: Int) throws {
        if (memory?.count ?? 0) < count { memory = try CPUMemory(count: count) }
    }

    /// The first element; something must have been reserved.
    var pointer: UnsafeMutablePointer<Float> {
        guard let base = memory?.elements.baseAddress else { preconditionFailure("no scratch was reserved") }
        return base
    }
}

extension UnsafeMutablePointer<Float> {
    /// The same place for pairs of bfloat16.
    var pairs: UnsafeMutablePointer<UInt32> { UnsafeMutableRawPointer(self).assumingMemoryBound(to: UInt32.self) }
}
