import CKernels
import Glibc

extension CPUBackend {
    /// The float32 multiply-add peak of the core this runs on, in GFLOP/s (a multiply-add counts as two), from about
    /// 20 ms of work in registers.
    public func measurePeak() -> Double { ck_measure_peak(20) }
}

/// What one core gave at one moment: what a figure taken beside it can be a fraction of.
public struct MachineRates: Equatable, Sendable {
    /// float32 multiply-adds in registers, GFLOP/s, a multiply-add counted as two.
    public var peakGflops: Double
    /// The same with bfloat16 factors and float32 sums; nil where the processor has no such instruction.
    public var peakBF16Gflops: Double?
    /// Memory bandwidth of one core, GB/s read and written, over memory that no cache holds.
    public var bandwidth: Double

    /// The given rates.
    public init(peakGflops: Double, peakBF16Gflops: Double?, bandwidth: Double) {
        self.peakGflops = peakGflops
        self.peakBF16Gflops = peakBF16Gflops
        self.bandwidth = bandwidth
    }

    /// The mean of two moments.
    public static func mean(_ a: MachineRates, _ b: MachineRates) -> MachineRates {
        MachineRates(
            peakGflops: (a.peakGflops + b.peakGflops) / 2,
            peakBF16Gflops: a.peakBF16Gflops.flatMap { first in b.peakBF16Gflops.map { (first + $0) / 2 } },
            bandwidth: (a.bandwidth + b.bandwidth) / 2)
    }
}

extension MachineRates: Encodable {
    enum CodingKeys: String, CodingKey {
        case peakGflops = "peak_gflops"
        case peakBF16Gflops = "peak_bf16_gflops"
        case bandwidth = "bandwidth_gigabytes_per_second"
    }

    /// Writes null for a peak that the processor does not have, so that the key is always there.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(peakGflops, forKey: .peakGflops)
        try container.encode(peakBF16Gflops, forKey: .peakBF16Gflops)
        try container.encode(bandwidth, forKey: .bandwidth)
    }
}

/// Measures what the core gives at this moment; holds the memory that the bandwidth is measured over.
public final class MachineProbe {
    private let memory: CPUMemory
    private var position = 0

    /// Memory of four last-level caches, at least 64 MiB and at most 1 GiB.
    ///
    /// - Throws: ``CPUMemoryError`` when the system has not so much memory.
    public init() throws {
        let cache = max(0, sysconf(Int32(_SC_LEVEL3_CACHE_SIZE)))
        memory = try CPUMemory(count: min(max(4 * cache, 64 << 20), 1 << 30) / MemoryLayout<Float>.stride)
    }

    /// Bytes this object keeps resident, to be taken off a process's own.
    public var residentBytes: Int { memory.count * MemoryLayout<Float>.stride }

    /// The rates of this moment, from about `milliseconds` of work for each.
    public func measure(milliseconds: Double = 20) -> MachineRates {
        let bf16 = ck_measure_bf16_peak(milliseconds)
        return MachineRates(
            peakGflops: ck_measure_peak(milliseconds), peakBF16Gflops: bf16 > 0 ? bf16 : nil,
            bandwidth: ck_measure_bandwidth(milliseconds, memory.count, memory.pointer(0..<memory.count), &position))
    }
}
