import CPUBackend
import Configuration
import Diffusion
import Foundation
import HDF5
import NeuralNetwork
import Philox
import Sampling
import Storage
import TensorGraph
import TestSupport
import Testing
import Training

/// Networks that are led to a class: by themselves, or by a classifier.
@Suite struct GuidanceTests {
    private static let steps = 5
    private static let batch = 3

    private static func diffusion(_ kind: SamplerKind, weight: Double, _ low: Double = 0, _ high: Double = 1)
        -> DiffusionConfiguration
    {
        var diffusion = DiffusionConfiguration()
        (diffusion.timesteps, diffusion.samplingSteps, diffusion.sampler) = (100, steps, kind)
        (diffusion.guidance.weight, diffusion.guidance.low, diffusion.guidance.high) = (weight, low, high)
        diffusion.clipDenoised = false
        return diffusion
    }

    /// A small network of the given kind with made-up weights.
    private static func generator(smd: Bool, learnedVariance: Bool = false) throws -> SampleGenerator {
        var model = ModelConfiguration()
        (model.size, model.channels, model.smd, model.latentDim) = (4, 1, smd, 4)
        (model.unet.dim, model.unet.dimMults, model.unet.groups) = (8, [1, 2], 2)
        (model.unet.heads, model.unet.headDim) = (2, 4)
        (model.identifier.dim, model.identifier.dimMults, model.identifier.headDim) = (4, [1], 4)
        (model.classes, model.labelDropout, model.learnedVariance) = (3, 0.1, learnedVariance)
        model.selfCondition = true
        let generator = try SampleGenerator(model, batch: batch, on: CPUBackend())
        try generator.load { layout, arena in
            for (number, name) in layout.parameters.map(\.name).sorted().enumerated() {
                guard let range = layout.range(name) else { continue }
                let values = RandomStream(seed: 4, purpose: .data)
                    .normals(count: range.count, epoch: 1, position: number)
                arena.write(values.map { 0.1 * $0 }, at: range.lowerBound)
            }
        }
        return generator
    }

    private static func samples(
        _ generator: SampleGenerator, _ diffusion: DiffusionConfiguration, _ classes: SampleClasses = .all
    ) throws -> [Float] {
        try generator.samples(0..<batch, seed: 9, sampler: Sampler(diffusion), classes: classes)
    }

    /// Every sampler, guided inside an interval, against two passes a step that are combined here.
    @Test(arguments: SamplerKind.allCases, [true, false]) func twoPassesAreCombined(kind: SamplerKind, smd: Bool) throws
    {
        let generator = try Self.generator(smd: smd)
        let diffusion = Self.diffusion(kind, weight: 2.5, 0.3, 0.9)
        let found = try Self.samples(generator, diffusion)
        let size = generator.sampleSize
        func numbers(_ purpose: Purpose, _ count: Int, _ round: Int) -> [Float] {
            let stream = RandomStream(seed: 9, purpose: purpose)
            return (0..<Self.batch).flatMap { stream.normals(count: count, epoch: round, position: $0) }
        }
        let labels: [Float] = [0, 1, 2]
        var guided: [Int] = []
        let wanted = try Sampler(diffusion).sample(
            from: numbers(.sampling, size, 0), usesEta: smd, selfCondition: true,
            predict: { x, t, eta, estimate in
                let outputs = try [labels, [3, 3, 3]].map {
                    try generator.predict(
                        xt: x, timesteps: [t, t, t], eta: eta, selfCondition: estimate, labels: $0)
                }
                // (t + 1) / 100 in (0.3, 0.9].
                guard t >= 30, t < 90 else { return outputs[0] }
                guided.append(t)
                return zip(outputs[0], outputs[1]).map { $1 + 2.5 * ($0 - $1) }
            },
            draw: { number, which in
                switch which {
                case .eta: numbers(.samplingEta, size, number)
                case .noise: numbers(.sampling, size, number + 1)
                }
            })
        #expect(found == wanted)
        #expect(!guided.isEmpty && Sampler(diffusion).passes == Sampler(diffusion).evaluations + guided.count)
        #expect(found != (try Self.samples(generator, Self.diffusion(kind, weight: 1))))
    }

    /// Weight 1 is no guidance, to the bit, and costs nothing; weight 0 is the network without a class; an interval that
    /// holds no step guides none.
    @Test(arguments: SamplerKind.allCases) func weightsOneAndZero(kind: SamplerKind) throws {
        let generator = try Self.generator(smd: true)
        var plain = Self.diffusion(kind, weight: 1)
        let alone = try Self.samples(generator, plain)
        #expect(try Self.samples(generator, Self.diffusion(kind, weight: 3, 0.201, 0.209)) == alone)
        plain.guidance.low = 0.5
        #expect(try Self.samples(generator, plain) == alone)
        #expect(Sampler(plain).passes == Sampler(plain).evaluations)
        let none = Self.diffusion(kind, weight: 0)
        #expect(Sampler(none).passes == 2 * Sampler(none).evaluations)
        let without = try (0..<3).map { try Self.samples(generator, none, .one($0)) }
        #expect(without[0] == without[1] && without[1] == without[2] && without[0] != alone)
    }

    /// The ends of the interval: (t + 1)/T above `low`, and up to `high`.
    @Test func theIntervalHasItsUpperEnd() {
        var guidance = Guidance()
        (guidance.weight, guidance.low, guidance.high) = (2, 0.25, 0.75)
        #expect([0, 1, 2, 3].map { guidance.weight(at: $0, of: 4) } == [nil, 2, 2, nil])
        (guidance.low, guidance.high) = (0, 1)
        #expect([0, 3].map { guidance.weight(at: $0, of: 4) } == [2, 2])
    }

    /// What is left out in training is what was drawn for it.
    @Test func trainingLeavesClassesOut() throws {
        var configuration = RunConfiguration()
        configuration.model.unet.dim = 8
        (configuration.model.size, configuration.model.smd) = (8, false)
        (configuration.model.classes, configuration.model.labelDropout) = (3, 0.25)
        (configuration.batchSize, configuration.microBatchSize) = (400, 400)
        let step = StepPlan(configuration, try configuration.batchPlan(ranks: 1), .fp32)
        let told = try #require(MicroBatch(madeUpFor: step).labels)
        let drawn = Drawn(step.loss.draws, seed: 0, at: (0..<400).map { (epoch: 0, position: $0) })
        #expect(told == step.loss.model.told((0..<400).map { Float($0 % 3) }, drawn))
        // Four standard deviations of 400 draws.
        #expect(abs(told.count { $0 == 3 } - 100) < 35)
    }

    /// v of a learned variance is that of the pass that is told the class.
    @Test func learnedVarianceIsThatOfTheClass() throws {
        let generator = try Self.generator(smd: false, learnedVariance: true)
        var diffusion = Self.diffusion(.ancestral, weight: 1)
        (diffusion.variance, diffusion.samplingSteps, diffusion.clipDenoised) = (.learned, 2, true)
        let one = try Self.samples(generator, diffusion)
        diffusion.guidance.weight = 1.5
        #expect(try Self.samples(generator, diffusion) != one)
        var calls = 0
        _ = try generator.samples(0..<4, seed: 1, sampler: Sampler(diffusion)) { done, all in
            calls += 1
            #expect(done == calls && all == 8)
        }
        #expect(calls == 8)
    }

    private func sample(
        _ ranks: Int, _ run: Run, _ output: String, _ settings: [String]
    ) throws -> (status: Int32, output: String, errors: String) {
        try run.train(
            ranks,
            [product("smd"), "sample", run.checkpoint("out", step: 2), "--count", "7", "--output", run.path(output)]
                + settings)
    }

    /// The command: same bits on ranks, with attributes that say what was done, and previews that are guided.
    @Test func samplesAreGuided() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            let settings = Run.classes + ["steps=2", "learning_rate=0.1", "ema.start=1000"]
            let trained = try run.trainHere(
                "out", settings: settings + ["preview_every=2", "preview_count=7", "diffusion.guidance=2"])
            #expect(trained.status == 0, "\(trained.errors)")
            try run.trainHere("plain", settings: settings + ["preview_every=2", "preview_count=7"])
            try run.trainHere(
                "ranks", ranks: 2, settings: settings + ["preview_every=2", "preview_count=7", "diffusion.guidance=2"])
            func preview(_ name: String) throws -> Data {
                try Data(contentsOf: URL(fileURLWithPath: run.path(name + "/previews/step-00000002-ema.png")))
            }
            #expect(try preview("out") != preview("plain") && preview("out") == preview("ranks"))
            let options = ["--guidance", "2.5", "--guidance-interval", "0.1,0.8", "--label", "all"]
            for (ranks, name) in [(1, "one.h5"), (3, "three.h5")] {
                let result = try sample(ranks, run, name, options)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.errors.contains(", 7 network evaluations each"), "\(result.errors)")
            }
            #expect(try pixels(run.path("one.h5")) == pixels(run.path("three.h5")))
            let root = try HDF5File.open(run.path("one.h5")).root
            #expect(try root.attribute("guidance") == .double(2.5) && root.attribute("guidance_low") == .double(0.1))
            try run.trainHere("classifier", settings: Run.classifier + ["steps=2"])
            let agreement = try run.train(
                1, [product("smd"), "evaluate", "classifier", run.path("classifier"), "--data", run.path("one.h5")])
            #expect(agreement.output.contains("accuracy") && agreement.errors.isEmpty == false, "\(agreement.errors)")
            #expect(try sample(1, run, "off.h5", ["--guidance", "1"]).status == 0)
            #expect(try pixels(run.path("off.h5")) != pixels(run.path("one.h5")))
        }
    }

    @Test func whatCannotBeGuided() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("out", settings: ["model.classes=3", "steps=2"])
            for (settings, words) in [
                (
                    ["--guidance", "2"],
                    "the network has not learned to do without a class: set diffusion.guidance=1, or"
                ),
                (["--guidance-interval", "0.8,0.1"], "wanted two numbers 0 <= LOW < HIGH <= 1"),
                (["--guidance-interval", "0.8"], "wanted two numbers 0 <= LOW < HIGH <= 1"),
                (["--classifier-scale", "2"], "--classifier-scale is that of a --classifier, which is missing"),
                (["--set", "diffusion.guidance_low=0.5", "--set", "diffusion.guidance_high=0.4"], "not below the 0.4"),
            ] {
                let result = try sample(1, run, "no.h5", settings)
                #expect(result.status != 0 && result.errors.contains(words), "\(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: run.path("no.h5")))
            }
            let mixture = try run.trainHere(
                "mixture", settings: Run.mixture + Run.classes + ["diffusion.guidance=2"])
            #expect(mixture.status != 0 && mixture.errors.contains("draws of two mixtures"), "\(mixture.errors)")
        }
    }
}
