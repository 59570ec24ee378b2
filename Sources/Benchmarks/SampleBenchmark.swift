import CPUBackend
import Configuration
import Diffusion
import Files
import NeuralNetwork
import Sampling
import TensorGraph
import Training

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
    /// Samples that a thread draws in a repetition.
    public let batch: Int
    /// How they are drawn.
    public let sampler: Sampler
    /// Floating-point operations a sample, over all steps.
    public let operationsPerImage: Int
    /// Bytes of the memory that inputs and intermediates share.
    public let activationBytes: Int
    /// Bytes they would take without sharing.
    public let unsharedBytes: Int
    /// What it computes in.
    public let precision: JobPrecision
    private let team: ThreadTeam
    /// One a thread.
    private let generators: [SampleGenerator]
    private let probe: MachineProbe

    /// Builds the forward pass of `configuration`, whose sampler is used.
    ///
    /// - Throws: when memory cannot be had or an operation cannot be prepared; ``RunError`` for what draws no samples.
    public init(_ configuration: RunConfiguration, batch: Int, threads: Int, probe: MachineProbe) throws {
        guard configuration.method == .diffusion else {
            throw RunError(
                "method is \(configuration.method.rawValue), which draws no samples: smd bench step measures its training"
            )
        }
        self.batch = batch
        self.probe = probe
        sampler = Sampler(configuration.diffusion, of: configuration.model)
        team = ThreadTeam(size: threads)
        let precision = JobPrecision(configuration.precision)
        self.precision = precision
        generators = try team.map { _ in
            let generator = try SampleGenerator(
                configuration.model, batch: batch, on: CPUBackend(precision: precision.precision))
            try generator.load { ModelState.initialize($1, $0, seed: 0) }
            return generator
        }
        let plan = generators[0].plan
        operationsPerImage = plan.floatingPointOperations / batch * sampler.passes
        activationBytes = plan.activationBytes
        unsharedBytes = plan.activationOffsets.keys.reduce(0) {
            $0 + plan.values[$1].count * MemoryLayout<Float>.stride
        }
    }

    /// Draws one batch on every thread, with the machine measured on both sides of it.
    public func measure() throws -> SampleMeasurement {
        let before = times
        let measurement = try Measurement.of(probe) {
            try team.run { [generators, batch, sampler] thread in
                let generator = generators[thread]
                _ = try generator.samples(
                    thread * batch..<(thread + 1) * batch, seed: 0, sampler: sampler,
                    hooks: SamplingHooks(greyFor: generator.model))
            }
        }
        let all = times.all - before.all
        let network = (times.network - before.network) / all
        let random = (times.random - before.random) / all
        return SampleMeasurement(
            measurement: measurement, networkShare: network, randomShare: random, samplerShare: 1 - network - random)
    }

    /// Seconds of all threads together.
    private var times: SamplingTimes {
        generators.reduce(into: SamplingTimes()) {
            $0.network += $1.times.network
            $0.random += $1.times.random
            $0.all += $1.times.all
        }
    }

    /// Times every operation of drawing one batch on one thread; each row is the median over `repetitions`.
    public func profile(repetitions: Int) throws -> OperationProfile {
        let generator = generators[0]
        let others = [("random numbers", 0), ("sampler and copies", 0)]
        var times = LapTimes(generator.plan, runs: sampler.passes, others: others)
        generator.ended = { part in
            switch part {
            case .node(let number): times.lap(node: number)
            case .randomNumbers: times.lap(other: 0)
            case .arithmetic: times.lap(other: 1)
            }
        }
        defer { generator.ended = nil }
        for _ in 0..<repetitions {
            times.begin(probe.measure())
            _ = try generator.samples(
                0..<batch, seed: 0, sampler: sampler, hooks: SamplingHooks(greyFor: generator.model))
        }
        return times.profile()
    }

    /// Fraction of the multiply-add peak of as many cores as there are threads that a measurement stands for.
    public func fraction(_ measurement: Measurement) -> Double {
        let operations = operationsPerImage * batch * team.size
        return Double(operations) / measurement.seconds / 1e9 / (measurement.machine.peakGflops * Double(team.size))
    }
}
