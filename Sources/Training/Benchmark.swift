import CPUBackend
import Foundation
import TensorGraph

/// One repetition of something measured, with what the machine gave beside it.
public struct Measurement: Encodable, Sendable {
    /// Duration of what was measured.
    public var seconds: Double
    /// Peaks and bandwidth of the core in the moments before and after.
    public var machine: MachineRates

    /// Measures `body` once, with the machine on both sides of it.
    public static func of(_ probe: MachineProbe, _ body: () throws -> Void) rethrows -> Measurement {
        let before = probe.measure()
        let seconds = try Training.seconds(of: body)
        return Measurement(seconds: seconds, machine: .mean(before, probe.measure()))
    }

    enum CodingKeys: String, CodingKey { case seconds }

    /// The duration and, beside it, the keys of ``MachineRates``.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(seconds, forKey: .seconds)
        try machine.encode(to: encoder)
    }
}

extension MachineRates {
    /// The median of each rate; `rates` is not empty.
    public static func median(_ rates: [MachineRates]) -> MachineRates {
        let bf16 = rates.compactMap(\.peakBF16Gflops)
        return MachineRates(
            peakGflops: Training.median(rates.map(\.peakGflops)),
            peakBF16Gflops: bf16.isEmpty ? nil : Training.median(bf16),
            bandwidth: Training.median(rates.map(\.bandwidth)))
    }
}

/// Duration of `body`.
func seconds(of body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    try body()
    return (clock.now - start).seconds
}

/// The middle of `values`, or the mean of the two in the middle; `values` is not empty.
public func median(_ values: [Double]) -> Double {
    precondition(!values.isEmpty, "nothing has no median")
    let sorted = values.sorted()
    let half = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}
