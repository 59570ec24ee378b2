import Diffusion
import Foundation
import NeuralNetwork
import Sampling
import TestSupport
import Testing

/// Samples that are led to what is known of them.
@Suite struct PosteriorGuideTests {
    /// Data N(0, S) of three numbers, correlated, of which the first two are known with noise: y = x_0 + σ n. Means and variances
    /// of 4,000 samples are those of the law given y, within 5 standard errors and what the steps are wrong by: two known numbers
    /// take two conjugate gradients.
    @Test(arguments: [SamplerKind.ancestral, .ddim, .dpmSolver, .uniPC], [0, 0.5])
    func lawGivenWhatIsKnown(kind: SamplerKind, deviation: Double) throws {
        let count = 4000
        let y = [0.8, -0.5]
        // S = A Aᵀ.
        let root = [[1.2, 0, 0], [0.3, 0.6, 0], [0.9, -0.4, 0.5]]
        let law = (0..<3).map { i in (0..<3).map { j in (0..<3).reduce(0) { $0 + root[i][$1] * root[j][$1] } } }
        var model = ModelConfiguration()
        (model.size, model.channels, model.smd) = (1, 1, false)
        var diffusion = DiffusionConfiguration()
        (diffusion.timesteps, diffusion.samplingSteps, diffusion.sampler) = (1000, 1000, kind)
        (diffusion.objective, diffusion.clipDenoised, diffusion.ddimEta) = (.x0, false, 1)
        let alphaBars = ForwardProcess(diffusion).schedule.alphaBars
        /// √ᾱ S (ᾱ S + (1 − ᾱ) I)⁻¹, the optimal denoiser and its own slope.
        func denoiser(_ t: Int) -> [[Double]] {
            let a = alphaBars[t]
            let noised = (0..<3).map { i in (0..<3).map { j in a * law[i][j] + (i == j ? 1 - a : 0) } }
            let inverse = Self.inverse(noised)
            return (0..<3).map { i in
                (0..<3).map { j in a.squareRoot() * (0..<3).reduce(0) { $0 + law[i][$1] * inverse[$1][j] } }
            }
        }
        let denoisers = (0..<1000).map(denoiser)
        func estimate(_ x: [Float], _ t: Int) -> [Float] {
            stride(from: 0, to: x.count, by: 3).flatMap { n in
                denoisers[t].map { row in Float((0..<3).reduce(0) { $0 + row[$1] * Double(x[n + $1]) }) }
            }
        }
        let distance = PosteriorGuide.Distance(deviation: deviation, weight: 1, iterations: 2) { evaluation, seed, _ in
            estimate(seed, evaluation.timestep)
        }
        let guide = PosteriorGuide(
            model, diffusion, Observation(.pixels([true, true, false]), height: 1, width: 3, channels: 1), distance
        ) { samples in samples.flatMap { _ in [Float(y[0]), Float(y[1]), 9] } }
        func draws(_ number: Int) -> [Float] {
            Draw("noise", .sampling, .normal, elements: 3).values(seed: 7, at: (0..<count).map { (number, $0) })
        }
        let x = try Sampler(diffusion).sample(
            from: draws(0), usesEta: false, selfCondition: false, predict: { x, t, _, _ in estimate(x, t) },
            guide: SamplerGuide(shiftsMeans: guide.shiftsMeans) {
                try guide.gradient($0, samples: 0..<count, labels: nil)
            }, draw: { number, _ in draws(number + 1) })
        let variance = deviation * deviation
        let seen = [[law[0][0] + variance, law[0][1]], [law[1][0], law[1][1] + variance]]
        let inverse = Self.inverse(seen)
        for place in 0..<3 {
            let gain = (0..<2).map { j in (0..<2).reduce(0) { $0 + law[place][$1] * inverse[$1][j] } }
            let mean = gain[0] * y[0] + gain[1] * y[1]
            let wanted = law[place][place] - gain[0] * law[place][0] - gain[1] * law[place][1]
            let values = stride(from: place, to: 3 * count, by: 3).map { Double(x[$0]) }
            let n = Double(count)
            let found = values.reduce(0, +) / n
            let spread = values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / n
            #expect(abs(found - mean) < 5 * (wanted / n).squareRoot() + 0.01, "\(place): \(found), wanted \(mean)")
            #expect(
                abs(spread - wanted) < 5 * wanted * (2 / n).squareRoot() + 0.01, "\(place): \(spread), wanted \(wanted)"
            )
        }
    }

    /// By Gauss and Jordan.
    private static func inverse(_ matrix: [[Double]]) -> [[Double]] {
        let n = matrix.count
        var rows = matrix.enumerated().map { i, row in row + (0..<n).map { $0 == i ? 1 : 0 } }
        for pivot in 0..<n {
            rows[pivot] = rows[pivot].map { $0 / rows[pivot][pivot] }
            for i in 0..<n where i != pivot {
                let factor = rows[i][pivot]
                rows[i] = zip(rows[i], rows[pivot]).map { $0 - factor * $1 }
            }
        }
        return rows.map { Array($0.dropFirst(n)) }
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
