import CPUBackend
import Files
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
        let seconds = try Files.seconds(of: body)
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
            peakGflops: Files.median(rates.map(\.peakGflops)),
            peakBF16Gflops: bf16.isEmpty ? nil : Files.median(bf16),
            bandwidth: Files.median(rates.map(\.bandwidth)))
    }
}
