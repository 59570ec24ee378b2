import ArgumentParser
import Configuration
import DataSets
import Diffusion
import Files
import HDF5
import NeuralNetwork
import Sampling

/// What a data set of codes says of them beside their numbers: enough to decode them.
struct CodeFacts: Equatable {
    let layout: NoiseCode
    /// Of the samples: [height, width, channels], or [dimension] of points.
    let shape: [Int]
    /// The sampler, `key=value` each.
    let settings: [String]
    /// The noisiest timestep that it visits, of so many.
    let start: Int
    let timesteps: Int
    /// The network that encoded: SHA-256 of its checkpoint, and which weights.
    let checkpoint: String
    let weights: String
    /// The class that it was told of every sample; nil: the labels.
    let label: Int?

    /// Of codes that a sampler of these settings makes.
    init(_ layout: NoiseCode, _ set: DataSet, _ settings: RunConfiguration, start: Int, _ job: SamplingJob, label: Int?)
    {
        self.layout = layout
        shape = set.sample.axes
        self.settings = ConfigurationKey.sampler.map { "\($0.name)=\($0.text(in: settings))" }
        (self.start, timesteps) = (start, settings.diffusion.timesteps)
        (checkpoint, weights, self.label) = (job.digest, job.weights.rawValue, label)
    }

    /// - Throws: `CommandFailure` where `set` holds no codes, or what it says of them is not so.
    init(of set: DataSet) throws {
        func integers(_ name: String, _ count: ClosedRange<Int>) throws -> [Int] {
            guard case .integers(let values)? = try set.attribute(name), count ~= values.count,
                values.allSatisfy({ -1...1 << 30 ~= $0 })
            else { throw CommandFailure(.badInput, "\(set.path) holds no codes, which smd encode makes") }
            return values
        }
        let sizes = try integers("code_layout", 4...4)
        let times = try integers("code_times", 2...2)
        let label = try integers("code_label", 1...1)[0]
        shape = try integers("code_shape", 1...3)
        layout = NoiseCode(elements: sizes[0], steps: sizes[1], etaElements: sizes[2], evaluations: sizes[3])
        (start, timesteps, self.label) = (times[0], times[1], label < 0 ? nil : label)
        guard case .strings(let settings)? = try set.attribute("code_settings"),
            case .strings(let network)? = try set.attribute("code_network"), network.count == 2,
            shape.allSatisfy({ $0 > 0 }), shape.reduce(1, { $0 &* $1 }) == sizes[0], sizes[1] > 0, sizes[2] >= 0,
            sizes[3] >= 0, set.sample == .point(dimension: layout.count), 0..<timesteps ~= start
        else { throw CommandFailure(.badInput, "\(set.path): what it says of its codes is not so; encode again") }
        (self.settings, checkpoint, weights) = (settings, network[0], network[1])
    }

    var attributes: [(name: String, value: AttributeValue)] {
        [
            ("code_layout", .integers([layout.elements, layout.steps, layout.etaElements, layout.evaluations])),
            ("code_shape", .integers(shape)), ("code_settings", .strings(settings)),
            ("code_times", .integers([start, timesteps])), ("code_label", .integers([label ?? -1])),
            ("code_network", .strings([checkpoint, weights])),
        ]
    }

    /// Of the samples.
    var sampleShape: SampleShape {
        shape.count == 3
            ? .image(height: shape[0], width: shape[1], channels: shape[2])
            : .point(dimension: shape.reduce(1, *))
    }
}

/// Where η of a decoding comes from.
enum EtaSource: String, CaseIterable, ExpressibleByArgument {
    /// The code.
    case stored
    /// New draws, by the seed: for a network whose latent is another.
    case fresh
}

extension SampleCoder {
    /// What makes codes of the samples of `set` with the network of `job`, from a share of the way to noise.
    ///
    /// - Throws: `CommandFailure` or `ConfigurationError` where the network or the settings make none.
    static func encoder(
        _ job: SamplingJob, _ settings: RunConfiguration, _ share: Double, of set: DataSet, batch: Int,
        _ runs: JobPrecision
    ) throws -> (coder: SampleCoder, start: Int) {
        try requireCodes(job)
        let start = try startingTime(share, settings.diffusion)
        let sampler = try job.sampler(settings.diffusion, startingAt: start)
        if let fault = sampler.codeFault { throw CommandFailure(.badInput, fault) }
        let generator = try job.generator(batch: min(batch, set.count), precision: runs)
        return (SampleCoder(generator, sampler, layout(job.configuration.model, sampler)), start)
    }

    /// What makes samples of codes with the network of `job`, and what it takes of them.
    ///
    /// - Parameter label: that which was asked for.
    static func decoder(
        _ job: SamplingJob, _ facts: CodeFacts, _ guidance: GuidanceOptions, _ eta: EtaSource, batch: Int,
        _ runs: JobPrecision
    ) throws -> (coder: SampleCoder, taken: Taken) {
        try requireCodes(job)
        let model = job.configuration.model
        let same = facts.checkpoint == job.digest && facts.weights == job.weights.rawValue && guidance.label == nil
        // How far another network, or this one to another class, is guided is for itself to say.
        let kept = facts.settings.filter { same || !$0.hasBytes(prefix: "diffusion.guidance") }
        var settings = try job.configuration.sampling(overrides: kept)
        try guidance.apply(to: &settings.diffusion.guidance)
        try settings.diffusion.validate()
        try settings.requireSampling()
        let shape = facts.shape.count == 3 ? [model.size, model.size, model.channels] : [model.channels]
        guard settings.diffusion.timesteps == facts.timesteps, shape == facts.shape else {
            throw CommandFailure(
                .badInput,
                "the codes are of \(facts.sampleShape.words) and \(facts.timesteps) timesteps, the network takes "
                    + "\(model.size)×\(model.size)×\(model.channels) and \(settings.diffusion.timesteps)")
        }
        let sampler = try job.sampler(settings.diffusion, startingAt: facts.start)
        if let fault = sampler.codeFault { throw CommandFailure(.badInput, fault) }
        let own = layout(model, sampler)
        guard own.steps == facts.layout.steps, own.evaluations == facts.layout.evaluations else {
            throw CommandFailure(
                .badInput, "the codes have \(facts.layout.steps) steps, but the network's schedule visits \(own.steps)")
        }
        guard eta == .fresh || own.etaElements == 0 || own.etaElements == facts.layout.etaElements else {
            throw CommandFailure(
                .badInput,
                "the codes have \(facts.layout.etaElements) numbers of η an evaluation, the network takes "
                    + "\(own.etaElements): draw them anew, --eta fresh")
        }
        let generator = try job.generator(batch: batch, precision: runs)
        return (
            SampleCoder(generator, sampler, facts.layout),
            Taken(eta: eta == .stored && own.etaElements > 0, residual: same)
        )
    }

    private static func requireCodes(_ job: SamplingJob) throws {
        if job.latents != nil {
            throw CommandFailure(.badInput, "the network draws latents; codes are of images and points")
        }
        if job.configuration.model.head == .mixture {
            throw CommandFailure(.badInput, "model.head is mixture, whose draws are no part of a code")
        }
    }
}
