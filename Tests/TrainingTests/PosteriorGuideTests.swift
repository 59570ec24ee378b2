import Diffusion
import Foundation
import NeuralNetwork
import Sampling
import TestSupport
import Testing

/// Samples that are led to what is known of them.
@Suite struct PosteriorGuideTests {
    /// Data N(0, I) of two numbers, of which the first is known with noise: y = x_0 + σ n. Given y it is N(y/(1 + σ²),
    /// σ²/(1 + σ²)), and the second stays N(0, 1): mean and variance of 4,000 samples within 5 standard errors and what the
    /// steps are wrong by. In y's place pseudoinverse guidance is exact: x̂_0 = √ᾱ x_t, r² = 1 − ᾱ.
    @Test(arguments: [SamplerKind.ancestral, .ddim, .dpmSolver, .uniPC]) func lawGivenWhatIsKnown(kind: SamplerKind)
        throws
    {
        let (count, y, deviation) = (4000, 1.5, 0.5)
        var model = ModelConfiguration()
        (model.size, model.channels, model.smd) = (1, 1, false)
        var diffusion = DiffusionConfiguration()
        (diffusion.timesteps, diffusion.samplingSteps, diffusion.sampler) = (1000, 1000, kind)
        (diffusion.objective, diffusion.clipDenoised, diffusion.ddimEta) = (.x0, false, 1)
        let alphaBars = ForwardProcess(diffusion).schedule.alphaBars
        let distance = PosteriorGuide.Distance(deviation: deviation, weight: 1) { evaluation, seed, _ in
            seed.map { Float(alphaBars[evaluation.timestep].squareRoot()) * $0 }
        }
        let guide = PosteriorGuide(
            model, diffusion, Observation(.pixels([true, false]), height: 1, width: 2, channels: 1), distance
        ) { samples in [Float](repeating: Float(y), count: 2 * samples.count) }
        func draws(_ number: Int) -> [Float] {
            Draw("noise", .sampling, .normal, elements: 2).values(seed: 7, at: (0..<count).map { (number, $0) })
        }
        let x = try Sampler(diffusion).sample(
            from: draws(0), usesEta: false, selfCondition: false,
            predict: { x, t, _, _ in x.map { Float(alphaBars[t].squareRoot()) * $0 } },
            guide: SamplerGuide(shiftsMeans: guide.shiftsMeans) {
                try guide.gradient($0, samples: 0..<count, labels: nil)
            }, draw: { number, _ in draws(number + 1) })
        let given = 1 + deviation * deviation
        for (place, mean, variance) in [(0, y / given, deviation * deviation / given), (1, 0, 1)] {
            let values = stride(from: place, to: 2 * count, by: 2).map { Double(x[$0]) }
            let n = Double(count)
            let found = values.reduce(0, +) / n
            let spread = values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / n
            #expect(abs(found - mean) < 5 * (variance / n).squareRoot() + 0.01, "\(place): \(found), wanted \(mean)")
            #expect(
                abs(spread / variance - 1) < 5 * (2 / n).squareRoot() + 0.03, "\(place): \(spread), wanted \(variance)")
        }
    }

    /// (∂output/∂x_t)ᵀ seed of a network with latent and self-conditioning, against central differences of its outputs.
    @Test(arguments: [[], Run.classes, Run.adm]) func slopeOfTheNetwork(settings: [String]) throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder, classes: 3)
            try run.trainHere("out", settings: settings + ["steps=2", "learning_rate=0.01"])
            let job = try SamplingJob(run.checkpoint("out", step: 2), .raw)
            let generator = try job.generator(batch: 2, precision: JobPrecision(.fp32))
            let model = generator.model
            let size = 2 * generator.sampleSize
            func numbers(_ count: Int, _ seed: Int) -> [Float] { (0..<count).map { sin(Float($0 * $0 % 97 + seed)) } }
            let eta = model.usesEta ? numbers(2 * model.etaElements, 3) : nil
            let labels: [Float]? = model.takesLabels ? [1, 2] : nil
            let estimate = model.selfCondition ? numbers(size, 5) : nil
            let (x, seed) = (numbers(size, 0), numbers(size, 9))
            let slope = try generator.slope()(
                Evaluation(xt: x, timestep: 37, eta: eta, estimate: estimate, output: []), seed: seed, labels: labels)
            let largest = slope.map { abs($0) }.max() ?? 0
            #expect(largest > 1e-3)
            for element in stride(from: 0, to: size, by: 7) {
                let ends = try [Float(0.01), -0.01].map { h in
                    var moved = x
                    moved[element] += h
                    let output = try generator.predict(
                        xt: moved, timesteps: [37, 37], eta: eta, selfCondition: estimate, labels: labels)
                    return zip(output, seed).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                }
                let wanted = (ends[0] - ends[1]) / 0.02
                #expect(abs(wanted - Double(slope[element])) < 0.01 * Double(largest), "\(element): \(wanted)")
            }
        }
    }
}
