import CPUBackend
import Configuration
import Diffusion
import NeuralNetwork
import TensorGraph

/// One repetition of sampling.
public struct SampleMeasurement: Encodable, Sendable {
    /// Duration, and what the machine gave.
    public var measurement: Measurement
    /// Shares of the duration.
    public var networkShare: Double
    public var randomShare: Double
    /// Arithmetic of the sampler, and copies.
    public var samplerShare: Double

    enum CodingKeys: String, CodingKey {
        case networkShare = "network_share"
        case randomShare = "random_share"
        case samplerShare = "sampler_share"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(networkShare, forKey: .networkShare)
        try container.encode(randomShare, forKey: .randomShare)
        try container.encode(samplerShare, forKey: .samplerShare)
        try measurement.encode(to: encoder)
    }
}

/// Sampling as `smd sample` does it, with a network that was never trained.
public final class SampleBenchmark {
    /// Samples drawn in a repetition.
    public let batch: Int
    /// How they are drawn.
    public let sampler: Sampler
    /// Floating-point operations a sample, over all steps.
    public let operationsPerImage: Int
    /// Bytes of the memory that inputs and intermediates share.
    public let activationBytes: Int
    /// Bytes they would take without sharing.
    public let unsharedBytes: Int
    private let generator: SampleGenerator
    private let probe: MachineProbe

    /// Builds the forward pass of `configuration`, whose sampler is used.
    ///
    /// - Throws: when memory cannot be had or an operation cannot be prepared.
    public init(_ configuration: RunConfiguration, batch: Int, probe: MachineProbe) throws {
        self.batch = batch
        self.probe = probe
        sampler = Sampler(configuration.diffusion)
        generator = try SampleGenerator(configuration.model, batch: batch, on: try CPUBackend())
        try generator.load { ModelState.initialize($1, $0, seed: 0) }
        let plan = generator.plan
        operationsPerImage = plan.floatingPointOperations / batch * sampler.steps
        activationBytes = plan.activationBytes
        unsharedBytes = plan.activationOffsets.keys.reduce(0) {
            $0 + plan.values[$1].count * MemoryLayout<Float>.stride
        }
    }

    /// Draws one batch, with the machine measured on both sides of it.
    public func measure() throws -> SampleMeasurement {
        let before = generator.times
        let measurement = try Measurement.of(probe) {
            _ = try generator.samples(0..<batch, seed: 0, sampler: sampler)
        }
        let all = generator.times.all - before.all
        let network = (generator.times.network - before.network) / all
        let random = (generator.times.random - before.random) / all
        return SampleMeasurement(
            measurement: measurement, networkShare: network, randomShare: random, samplerShare: 1 - network - random)
    }

    /// Times every operation of drawing one batch; each row is the median over `repetitions`.
    public func profile(repetitions: Int) throws -> OperationProfile {
        generator.laps = generator.makeLaps(steps: sampler.steps)
        defer { generator.laps = nil }
        for _ in 0..<repetitions {
            generator.laps?.begin(probe.measure())
            _ = try generator.samples(0..<batch, seed: 0, sampler: sampler)
        }
        guard let laps = generator.laps else { preconditionFailure("the laps were taken away") }
        return laps.profile()
    }

    /// Fraction of the multiply-add peak that a measurement stands for.
    public func fraction(_ measurement: Measurement) -> Double {
        Double(operationsPerImage * batch) / measurement.seconds / 1e9 / measurement.machine.peakGflops
    }
}
