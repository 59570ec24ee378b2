import CPUBackend
import Configuration
import DataSets
import Diffusion
import Foundation
import HDF5
import NeuralNetwork
import Philox
import Sampling
import Storage
import TestSupport
import Testing
import Training

/// Runs of one scale each of a multi-scale diffusion, and samples that they draw together.
@Suite struct ScaleRunTests {
    private func smd(_ ranks: Int, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let command = [product("smd")] + arguments
        return try ranks == 1 ? TestSupport.run(command, timeout: 120) : mpirun(ranks, command)
    }

    private func images(_ path: String) throws -> [UInt8] {
        try HDF5File.open(path).root.dataset("images").read(as: UInt8.self)
    }

    /// Both scales in "fine" and "coarse", of two steps each, far from where they began.
    private func trained(_ folder: String, _ settings: [String] = []) throws -> Run {
        let run = try Run(in: folder, classes: 3)
        for (name, scale) in [("fine", Run.finest), ("coarse", Run.coarsest)] {
            let made = try run.trainHere(
                name, settings: scale + settings + ["steps=2", "learning_rate=0.05", "ema.start=0"])
            try #require(made.status == 0, "\(made.errors)")
        }
        return run
    }

    /// The coarse scale is shown means of blocks of two by two pixels, times two, of the images that the fine one is shown: in the
    /// same order, mirrored and augmented alike.
    @Test(arguments: [["diffusion.flip=true"], Run.augmented]) func whatAScaleIsShown(settings: [String]) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            func read(_ scale: [String]) throws -> StreamSamples {
                let configuration = try RunConfiguration.load(
                    path: run.config, overrides: ["data=\(run.data)"] + scale + settings)
                try configuration.validate()
                var stream = SampleStream(try DataSet(path: run.data), configuration)
                return try stream.read(30..<50)
            }
            let (fine, coarse) = (try read(Run.finest), try read(Run.coarsest))
            #expect(fine.x0.count == 20 * 64 && coarse.x0.count == 20 * 16)
            #expect(coarse.indices == fine.indices && coarse.augmentation == fine.augmentation)
            for n in 0..<20 {
                for place in 0..<16 {
                    let first = n * 64 + place / 4 * 16 + place % 4 * 2
                    let sum = [0, 1, 8, 9].reduce(0) { $0 + fine.x0[first + $1] }
                    #expect(abs(coarse.x0[n * 16 + place] - sum / 2) < 1e-6)
                }
            }
        }
    }

    /// Samples are those of the sampler run by hand: the coarse network from noise, then details of noise, then the fine
    /// network, with random numbers that follow one another; the same on any number of samples and ranks.
    @Test(arguments: ["ddim", "ancestral"], [[], ["model.self_condition=true", "model.classes=3"]])
    func samplesOfAllScales(sampler: String, settings: [String]) throws {
        try withTemporaryDirectory { folder in
            let run = try trained(folder, settings)
            let (fine, coarse) = (run.checkpoint("fine", step: 2), run.checkpoint("coarse", step: 2))
            func sample(_ ranks: Int, _ name: String, _ count: Int) throws -> [UInt8] {
                let result = try smd(
                    ranks,
                    [
                        "sample", fine, "--coarser", coarse, "--sampler", sampler, "--steps", "5", "-n", "\(count)",
                        "--seed", "9", "-o", run.path(name),
                    ])
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.errors.contains("5 network evaluations each"), "\(result.errors)")
                return try images(run.path(name))
            }
            let found = try sample(1, "a.h5", 3)
            #expect(found.count == 3 * 64 && Set(found).count > 20)
            #expect(try sample(2, "b.h5", 5).prefix(3 * 64) == found[...])
            #expect(try sample(3, "c.h5", 2)[...] == found.prefix(2 * 64))
            let attribute = try HDF5File.open(run.path("a.h5")).root.attribute("checkpoint_scale_2")
            #expect(attribute == .string(coarse))
            #expect(found == pixels(try byHand(fine, coarse, sampler)))
        }
    }

    /// Three samples of seed 9, five steps.
    private func byHand(_ fine: String, _ coarse: String, _ sampler: String) throws -> [Float] {
        func numbers(_ purpose: Purpose, _ count: Int, _ round: Int) -> [Float] {
            let stream = RandomStream(seed: 9, purpose: purpose)
            return (0..<3).flatMap { stream.normals(count: count, epoch: round, position: $0) }
        }
        var x: [Float] = []
        // Three steps of the coarse scale take four rounds with its start.
        for (path, first) in [(coarse, 0), (fine, 4)] {
            let job = try SamplingJob(path, .ema, scales: true)
            var diffusion = job.configuration.diffusion
            (diffusion.sampler, diffusion.samplingSteps) = (SamplerKind(rawValue: sampler) ?? .heun, 5)
            let model = job.configuration.model
            let generator = try job.generator(batch: 3, precision: JobPrecision(.fp32))
            let noise = numbers(.sampling, model.sampleElements, first)
            x = path == coarse ? noise : upscaled(x, details: noise)
            let part = Sampler(diffusion, of: model)
            #expect(part.evaluations == (path == coarse ? 3 : 2))
            x = try part.sample(
                from: x, usesEta: true, selfCondition: model.selfCondition,
                predict: { x, t, eta, estimate in
                    try generator.predict(
                        xt: x, timesteps: [t, t, t], eta: eta, selfCondition: estimate,
                        labels: model.classes > 0 ? [0, 1, 2] : nil)
                },
                draw: { number, which in
                    switch which {
                    case .eta: numbers(.samplingEta, model.etaElements, first + number)
                    case .noise: numbers(.sampling, model.sampleElements, first + number + 1)
                    }
                })
        }
        return x
    }

    /// Images of 8×8 whose blocks of two by two pixels have the sums 2·approximation, and else the noise less its own means.
    private func upscaled(_ approximation: [Float], details: [Float]) -> [Float] {
        var images = details
        for n in 0..<3 {
            for place in 0..<16 {
                let pixels = [0, 1, 8, 9].map { n * 64 + place / 4 * 16 + place % 4 * 2 + $0 }
                let mean = pixels.reduce(0) { $0 + details[$1] } / 4
                for i in pixels { images[i] += approximation[n * 16 + place] / 2 - mean }
            }
        }
        return images
    }

    /// All scales but the coarsest begin previews with the first images of the data, noised to their last timestep; there the
    /// finest of two knows details no more (λ = −10), and the rest well (λ about 1.6).
    @Test func previewsBeginWithNoisedImages() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            func starts(_ settings: [String]) throws -> PreviewStarts? {
                let configuration = try RunConfiguration.load(
                    path: run.config, overrides: ["data=\(run.data)", "preview_every=1", "preview_count=2"] + settings)
                return try PreviewStarts(DataSet(path: run.data), nil, configuration)
            }
            #expect(try starts(Run.coarsest) == nil && starts([]) == nil)
            #expect(try starts(Run.finest + ["preview_every=0"]) == nil)
            let data = try DataSet(path: run.data)
            let x0 = try (0..<2).flatMap { try data.samples([$0]) }
            let noise = RandomStream(seed: 4, purpose: .noise).normals(count: 3 * 64, epoch: 0, position: 0)
            let found = try #require(try starts(Run.finest)).noised(0..<3, noise: noise)
            let transform = HaarTransform(side: 8, channels: 1, levels: 1)
            let groups = transform.groups
            // What fills a batch up is the last image again.
            let (clean, noises, noised) = (transform(x0 + x0.suffix(64)), transform(noise), transform(found))
            for i in noised.indices {
                let lambda = groups[i % 64] == 0 ? -10 : 13 - 23 * 49.0 / 99
                let a = 1 / (1 + exp(-lambda))
                let wanted = a.squareRoot() * Double(clean[i]) + (1 - a).squareRoot() * Double(noises[i])
                #expect(abs(Double(noised[i]) - wanted) < 1e-5)
            }
        }
    }

    /// Previews of every scale: the coarsest from noise, the others from noised images of the data.
    @Test(arguments: [Run.finest, Run.coarsest]) func previews(settings: [String]) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            for ranks in [1, 2] {
                let made = try run.trainHere(
                    "of-\(ranks)", ranks: ranks,
                    settings: settings + ["steps=2", "preview_every=2", "preview_count=5", "model.classes=3"])
                try #require(made.status == 0, "\(made.errors)")
            }
            for kind in ["raw", "ema"] {
                let files = try [1, 2].map {
                    try Data(contentsOf: URL(filePath: run.path("of-\($0)/previews/step-00000002-\(kind).png")))
                }
                #expect(files[0] == files[1])
            }
        }
    }

    @Test func refusalsInTraining() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            func refusal(_ run: Run, _ settings: [String]) throws -> String {
                let result = try run.trainHere("no", settings: ["steps=1"] + settings)
                #expect(result.status != 0 && result.errors.split(separator: "\n").count == 1, "\(result.errors)")
                return result.errors
            }
            #expect(
                try refusal(run, Run.finest + ["diffusion.scale=2"]).contains(
                    "images of 8×8×1, this scale takes those of 16×16×1, 2 times its own size"))
            #expect(try refusal(run, ["diffusion.scales=2"]).contains("diffusion.schedule is sigmoid"))
            #expect(try refusal(run, Run.finest + ["crop=random", "model.size=4"]).contains("crop is random"))
            #expect(try refusal(run, Run.classifier + Run.finest).contains("a classifier has one scale"))
            #expect(try refusal(run, Run.finest + Run.adm).contains("diffusion.variance is learned"))
            try withTemporaryDirectory { other in
                let latents = try Run(latentsIn: other)
                #expect(
                    try refusal(latents, Run.ofLatents + Run.finest).contains("which is for images"))
            }
            try run.trainHere("out", settings: Run.finest + ["steps=1"])
            let again = try run.trainHere("out", resume: "auto", settings: ["diffusion.schedule=logsnr", "steps=2"])
            #expect(again.status != 0 && again.errors.contains("diffusion.scales (2 before, 1 now)"), "\(again.errors)")
        }
    }

    @Test func refusalsInSampling() throws {
        try withTemporaryDirectory { folder in
            let run = try trained(folder)
            let (fine, coarse) = (run.path("fine"), run.path("coarse"))
            try run.trainHere("plain", settings: ["steps=1"])
            try run.trainHere("longer", settings: Run.coarsest + ["steps=1", "diffusion.timesteps=200"])
            try Run.writeImages(to: run.path("others.h5"), count: 39)
            try run.trainHere("others", settings: Run.coarsest + ["steps=1", "data=\(run.path("others.h5"))"])
            func refusal(_ arguments: [String]) throws -> String {
                let result = try smd(1, arguments + ["-o", run.path("no.h5")])
                #expect(result.status != 0 && !FileManager.default.fileExists(atPath: run.path("no.h5")))
                let errors = result.errors.split(separator: "\n").filter { !$0.hasPrefix("smd: taking") }
                #expect(errors.count == 1, "\(result.errors)")
                return result.errors
            }
            let cases: [([String], String)] = [
                ([fine], "the run of scale 2 of 2 is missing; name it: --coarser RUN"),
                ([coarse], "is scale 2 of 2; name the run of scale 1 in its place"),
                ([fine, "--coarser", coarse, "--coarser", coarse], "are both scale 2 of 2: leave one out"),
                ([fine, "--coarser", fine], "are both scale 1 of 2"),
                ([run.path("plain"), "--coarser", coarse], "is of one scale"),
                ([fine, "--coarser", run.path("plain")], "has diffusion.scales 1, but"),
                ([fine, "--coarser", run.path("longer")], "has diffusion.timesteps 200, but"),
                ([fine, "--coarser", run.path("others")], "was trained on other samples than"),
                ([fine, "--coarser", coarse, "--sampler", "heun"], "set it to ddim or ancestral"),
                ([fine, "--coarser", coarse, "--steps", "1"], "fewer than one for each of the 2"),
                ([fine, "--coarser", coarse, "--horizon", "50"], "diffusion.horizon is 50"),
                ([fine, "--coarser", coarse, "--guidance", "2"], "model.label_dropout"),
            ]
            for (arguments, words) in cases {
                let found = try refusal(["sample"] + arguments)
                #expect(found.contains(words), "\(arguments): \(found)")
            }
            #expect(
                try refusal(["restore", fine, "--data", run.data, "--task", "none"]).contains(
                    "is scale 1 of 2 of a multi-scale diffusion, of which only smd sample makes use"))
        }
    }
}
