import Densities
import Diffusion
import Evaluation
import Foundation
import Mixtures
import Philox
import Testing

/// Paths towards densities, without a network.
@Suite struct PathTests {
    private static func steps(_ count: Int, deviation: Double = 1.075) -> PathSteps {
        var configuration = PathConfiguration()
        (configuration.steps, configuration.deviation) = (count, deviation)
        return PathSteps(configuration)
    }

    /// Noise of `count` paths.
    private static func noise(_ sampler: PathSampler, _ count: Int, seed: UInt64 = 0) -> [Float] {
        sampler.draw(.evaluation).values(seed: seed, at: (0..<count).map { (epoch: 0, position: $0) })
    }

    private static var densities: [any TargetDensity] {
        get throws {
            [
                Funnel(dimension: 4), try MixtureDensity.tenGaussians(),
                MixtureDensity(try PlainMixture.plane.mixture, scale: 0.7, words: "three Gaussians"),
            ]
        }
    }

    // MARK: Densities

    /// ∇ ln γ by central differences, in the middle and where the density is all but 0.
    @Test func scoresAreThoseOfTheDensity() throws {
        for density in try Self.densities {
            for scale in [0.3, 2.0] {
                let x = (0..<density.dimension).map { scale * (Double($0) - 0.6) }
                var score = [Double](repeating: .nan, count: x.count)
                _ = density.logDensity(x, score: &score)
                for i in x.indices {
                    var unused = score
                    let h = 1e-5
                    let values = [h, -h].map { step -> Double in
                        var moved = x
                        moved[i] += step
                        return density.logDensity(moved, score: &unused)
                    }
                    let difference = (values[0] - values[1]) / (2 * h)
                    #expect(abs(score[i] - difference) < 1e-6 * max(1, abs(difference)), "\(density.words), \(x), \(i)")
                }
            }
        }
    }

    /// The values by their formulas, written down in the plainest way.
    @Test func valuesAreThoseOfTheFormulas() throws {
        var score = [Double](repeating: 0, count: 2)
        let ten = try MixtureDensity.tenGaussians()
        for x in [[0.2, -0.7], [1.0, 2.0]] {
            var sum = 0.0
            for a in [-1.0, 1] {
                for b in [-2.0, -1, 0, 1, 2] {
                    sum += exp(-((x[0] - a) * (x[0] - a) + (x[1] - b) * (x[1] - b)) / (2 * 0.05))
                }
            }
            #expect(abs(ten.logDensity(x, score: &score) - log(sum)) < 1e-12)
        }
        #expect(abs((ten.logPartition ?? 0) - log(Double.pi)) < 1e-15)
        func normal(_ x: Double, _ variance: Double) -> Double {
            exp(-x * x / (2 * variance)) / (2 * Double.pi * variance).squareRoot()
        }
        var three = [Double](repeating: 0, count: 3)
        let value = Funnel(dimension: 3).logDensity([1.5, -0.4, 2.2], score: &three)
        #expect(abs(value - log(normal(1.5, 9) * normal(-0.4, exp(1.5)) * normal(2.2, exp(1.5)))) < 1e-12)
        let fingerprints = Set(try Self.densities.map(\.fingerprint) + [Funnel(dimension: 5).fingerprint])
        #expect(fingerprints.count == 4)
    }

    // MARK: Steps

    /// The steps of the authors' code, in double precision (numpy 2.4.6).
    @Test func stepsAreThoseOfTheFormula() {
        let steps = Self.steps(128)
        #expect(zip(steps.c, steps.b).allSatisfy { abs($0 * $0 + $1 * $1 - 1) < 1e-15 && $1 > 0.004 })
        // exp(−α T), but for the limit at the end.
        #expect(abs(steps.c.reduce(0) { $0 + log($1) } + 0.6875 * 6.4) < 1e-4)
        #expect(steps.c[127] == 0.99999)
        #expect(zip(steps.c, steps.c.dropFirst()).allSatisfy { $0 <= $1 })
        let sum = (0..<128).reduce(0) { $0 + pow(cos(Double.pi / 2 * (Double($1) / 127 + 0.008) / 1.008), 4) }
        let first = exp(-0.6875 * 6.4 / sum * pow(cos(Double.pi / 2 * 0.008 / 1.008), 4))
        #expect(abs(steps.c[0] - first) < 1e-14)
    }

    // MARK: Weights

    /// Without a drift paths keep N(0, s² I): of that density all weigh the same, Z.
    @Test func pathsThatStayWeighTheSame() throws {
        let s = 0.8
        let law = try GaussianMixture(weights: [1], means: [0, 0], covariances: [s * s, 0, 0, s * s], dimension: 2)
        let density = MixtureDensity(law, scale: 1.25, words: "the start")
        let sampler = PathSampler(Self.steps(8, deviation: s), density)
        let paths = sampler.paths(Self.noise(sampler, 50)) { _, x, _ in [Float](repeating: 0, count: x.count) }
        #expect(paths.costs.allSatisfy { abs($0 + 1.25) < 1e-12 })
        // And the best drift is none.
        let drift = MixtureDrift(law, sampler.steps)
        #expect((0..<8).allSatisfy { k in drift(k, [0.3, -2]).allSatisfy { abs($0) < 1e-6 } })
    }

    /// Whatever the drift is, the mean weight is Z.
    @Test func anyDriftGivesThePartition() throws {
        let density = MixtureDensity(try PlainMixture.plane.mixture, scale: 0.7, words: "three Gaussians")
        let sampler = PathSampler(Self.steps(6, deviation: 0.7), density)
        for strength: Float in [0, 0.5] {
            let paths = sampler.paths(Self.noise(sampler, 40_000)) { k, x, score in
                zip(x, score).map { strength * (sin(3 * $0) - 0.3 * $0 + 0.05 * $1 + 0.1 * Float(k)) }
            }
            let weights = Estimate(meanOf: paths.logWeights.map { exp($0 - 0.7) })
            #expect(abs(weights.value - 1) < 4 * (weights.error ?? 0) && (weights.error ?? 1) < 0.03, "\(weights)")
        }
    }

    /// The best drift of the ten Gaussians at the authors' settings. The figures are those of the same steps with means by the
    /// closed form in an implementation in numpy: ln Z 1.143, ELBO 1.076, effective share 0.90.
    @Test func exactDriftOfTheTenGaussians() throws {
        let density = try MixtureDensity.tenGaussians()
        let sampler = PathSampler(Self.steps(128), density)
        let drift = MixtureDrift(density.mixture, sampler.steps)
        let paths = sampler.paths(Self.noise(sampler, 20_000)) { k, x, _ in drift(k, x) }
        let found = PartitionEstimate(logWeights: paths.logWeights, seed: 0)
        #expect(abs(found.logPartition.value - log(Double.pi)) < 0.01, "\(found)")
        #expect(abs(found.lowerBound.value - 1.076) < 0.012, "\(found)")
        #expect(abs(found.effectiveSampleSize / 20_000 - 0.90) < 0.02, "\(found)")
        // Ends near each of the ten alike.
        var counts = [Int](repeating: 0, count: 10)
        for path in 0..<20_000 {
            let end = (0..<2).map { Double(paths.ends[2 * path + $0]) }
            counts[density.mixture.component(of: end)] += 1
        }
        #expect(counts.allSatisfy { abs(Double($0) - 2000) < 250 }, "\(counts)")
    }

    // MARK: Gradients

    /// Of paths that are held the advantages times ∂ℓ/∂f are the gradient of half the variance of ℓ.
    @Test func gradientIsThatOfHalfTheVariance() throws {
        let density = MixtureDensity(try PlainMixture.plane.mixture, words: "three Gaussians")
        let sampler = PathSampler(Self.steps(5, deviation: 0.9), density)
        let (c, b, s) = (sampler.steps.c, sampler.steps.b, 0.9)
        func f(_ x: Float, _ k: Int, _ theta: Double) -> Double { theta * Double(sin(2 * x + Float(k))) }
        let theta = 0.4
        let paths = sampler.paths(Self.noise(sampler, 7), keeping: true) { k, x, _ in x.map { Float(f($0, k, theta)) } }
        let positions = paths.kept.map(\.x) + [paths.ends]
        /// Half the variance of ln(density of a path with θ / back from the target), at the same paths.
        func halfVariance(_ theta: Double) -> Double {
            var costs = paths.costs
            for path in 0..<7 {
                for k in 0..<5 {
                    for i in 2 * path..<2 * path + 2 {
                        let (x, next) = (positions[k][i], Double(positions[k + 1][i]))
                        func cost(_ f: Double) -> Double {
                            f * (next - c[k] * Double(x)) / (s * s) - b[k] * b[k] * f * f / (2 * s * s)
                        }
                        costs[path] += cost(f(x, k, theta)) - cost(f(x, k, 0.4))
                    }
                }
            }
            let mean = costs.reduce(0, +) / 7
            return costs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 6 / 2
        }
        let difference = (halfVariance(theta + 1e-3) - halfVariance(theta - 1e-3)) / 2e-3
        var gradient = 0.0
        for (k, step) in paths.kept.enumerated() {
            for i in step.x.indices {
                gradient += paths.advantages[i / 2] * Double(step.gradient[i]) * Double(sin(2 * step.x[i] + Float(k)))
            }
        }
        #expect(abs(gradient - difference) < 1e-4 * abs(difference), "\(gradient), \(difference)")
        #expect(abs(paths.advantages.reduce(0, +)) < 1e-12)
    }

    /// The gradient is, in the mean over paths, that of the divergence: of ELBO by finite differences with common noise.
    @Test func gradientIsThatOfTheBound() throws {
        let density = MixtureDensity(try PlainMixture.plane.mixture, words: "three Gaussians")
        let sampler = PathSampler(Self.steps(4, deviation: 0.7), density)
        let noise = Self.noise(sampler, 40_000)
        func run(_ theta: Float, keeping: Bool = false) -> Paths {
            sampler.paths(noise, keeping: keeping) { _, x, _ in x.map { theta * (0.5 - $0) } }
        }
        func loss(_ theta: Float) -> Double { run(theta).costs.reduce(0, +) / 40_000 }
        let difference = (loss(0.35) - loss(0.25)) / 0.1
        let paths = run(0.3, keeping: true)
        let advantages = paths.advantages
        var terms = [Double](repeating: 0, count: advantages.count)
        for step in paths.kept {
            for i in step.x.indices { terms[i / 2] += Double(step.gradient[i]) * Double(0.5 - step.x[i]) }
        }
        for path in terms.indices { terms[path] *= 40_000 * advantages[path] }
        let gradient = Estimate(meanOf: terms)
        #expect(abs(gradient.value - difference) < 4 * (gradient.error ?? 0), "\(gradient), \(difference)")
        #expect((gradient.error ?? 1) < 0.05 * abs(difference), "\(gradient), \(difference)")
    }

    // MARK: Figures

    @Test func figuresOfWeights() throws {
        let two = PartitionEstimate(logWeights: [log(1.0), log(3.0)], seed: 1)
        #expect(abs(two.lowerBound.value - log(3.0) / 2) < 1e-15 && abs(two.logPartition.value - log(2.0)) < 1e-15)
        #expect(abs(two.effectiveSampleSize - 16.0 / 10) < 1e-12 && two.paths == 2)
        // Weights beyond what a number holds.
        let far = PartitionEstimate(logWeights: [1000 + log(1.0), 1000 + log(3.0)], seed: 1)
        #expect(abs(far.logPartition.value - 1000 - log(2.0)) < 1e-12)
        #expect(far.logPartition.error.map { abs($0 - (two.logPartition.error ?? 0)) < 1e-12 } ?? false)
        // Of ln w ~ N(0, 0.25): ln Ẑ ~ 0.125 ± √((e^0.25 − 1)/n), as the bootstrap finds within its own error of 5 %.
        let draws = RandomStream(seed: 3, purpose: .data).normals(count: 4000, epoch: 0, position: 0)
        let found = PartitionEstimate(logWeights: draws.map { 0.5 * Double($0) }, seed: 1)
        let error = ((exp(0.25) - 1) / 4000).squareRoot()
        #expect(abs((found.logPartition.error ?? 0) / error - 1) < 0.2, "\(found)")
        #expect(abs(found.logPartition.value - 0.125) < 4 * error)
        #expect(abs(found.effectiveSampleSize / 4000 - exp(-0.25)) < 0.03)
    }
}
