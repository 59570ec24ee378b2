import Diffusion
import Evaluation
import Foundation
import LinearAlgebra
import Testing
import Mixtures

/// Closed forms against integrals of prior × likelihood over a grid, in one and two dimensions.
@Suite struct OracleTests {
    static let plain = [PlainMixture.line, PlainMixture.plane]
    /// Sparse times of a schedule, so that steps are wide.
    static let schedule = NoiseSchedule(kind: .sigmoid, timesteps: 40).respaced(to: [3, 9, 20, 39])

    /// Some x_t that are likely enough.
    private func places(_ size: Int) -> [[Double]] {
        size == 1 ? [[-0.9], [0.05], [0.6]] : [[-0.5, 0.3], [0.2, 0.1], [0.7, -0.4]]
    }

    @Test(arguments: plain.indices) func densityAndScoreOfTheData(_ number: Int) throws {
        let plain = Self.plain[number]
        let mixture = try plain.mixture
        for x in places(mixture.dimension) {
            #expect(isClose(exp(mixture.logDensity(x)), plain.density(x), 1e-12))
            for axis in x.indices {
                var (up, down) = (x, x)
                up[axis] += 1e-5
                down[axis] -= 1e-5
                let slope = (mixture.logDensity(up) - mixture.logDensity(down)) / 2e-5
                #expect(isClose(mixture.score(x)[axis], slope, 1e-6))
            }
        }
        #expect(isClose(mixture.mean[0], plain.integral { $0[0] }))
        #expect(
            isClose(
                mixture.covariance.trace,
                plain.integral { x in
                    zip(x, mixture.mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
                }))
    }

    @Test(arguments: plain.indices, 0..<4) func noisyDensityAndPosterior(_ number: Int, _ t: Int) throws {
        let plain = Self.plain[number]
        let oracle = MixtureOracle(try plain.mixture, Self.schedule)
        let a = Self.schedule.alphaBars[t]
        for xt in places(oracle.data.dimension) {
            func likelihood(_ x0: [Double]) -> Double {
                isotropicDensity(xt, x0.map { a.squareRoot() * $0 }, 1 - a)
            }
            let whole = plain.integral(likelihood)
            #expect(isClose(exp(oracle.data.noised(a).logDensity(xt)), whole))
            let mean = xt.indices.map { axis in plain.integral { $0[axis] * likelihood($0) } / whole }
            let variance = plain.integral { x0 in
                likelihood(x0) * zip(x0, mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            }
            let posterior = oracle.posterior(t)
            for axis in xt.indices { #expect(isClose(posterior.mean(xt)[axis], mean[axis])) }
            #expect(isClose(posterior.variance(xt), variance / whole))
            // As a mixture it says the same, and has the density of Bayes' rule.
            let law = posterior(xt)
            for axis in xt.indices { #expect(isClose(law.mean[axis], mean[axis])) }
            #expect(isClose(law.covariance.trace, variance / whole))
            let x0 = plain.means[0]
            #expect(isClose(exp(law.logDensity(x0)), plain.density(x0) * likelihood(x0) / whole))
        }
    }

    /// q(x_s | x_t) = q(x_t | x_s) q(x_s) / q(x_t), with q(x_s) and q(x_t) by integration.
    @Test(arguments: plain.indices, 0..<4) func backwardStep(_ number: Int, _ t: Int) throws {
        let plain = Self.plain[number]
        let oracle = MixtureOracle(try plain.mixture, Self.schedule)
        let (a, b) = (Self.schedule.alphaBars[t], Self.schedule.alphaBarsBefore[t])
        func marginal(_ x: [Double], _ alphaBar: Double) -> Double {
            if alphaBar == 1 { return plain.density(x) }
            return plain.integral { isotropicDensity(x, $0.map { alphaBar.squareRoot() * $0 }, 1 - alphaBar) }
        }
        let xt = places(oracle.data.dimension)[1]
        let law = oracle.step(t)(xt)
        for y in places(oracle.data.dimension) {
            let forward = isotropicDensity(xt, y.map { (a / b).squareRoot() * $0 }, 1 - a / b)
            let expected = forward * marginal(y, b) / marginal(xt, a)
            #expect(isClose(exp(law.logDensity(y)), expected, 1e-5), "\(exp(law.logDensity(y))) \(expected)")
        }
    }

    /// The share of x_0 drawn from each component, their mean and spread are those of the posterior.
    @Test func drawsHaveTheirLaw() throws {
        let oracle = MixtureOracle(try PlainMixture.plane.mixture, Self.schedule)
        let (posterior, xt) = (oracle.posterior(2), [0.2, 0.1])
        let draws = MixtureDraws(seed: 3, .evaluation, dimension: 2)
        let points = (0..<20_000).map { posterior.draw(xt, draws, round: 1, $0) }
        let law = posterior(xt)
        for axis in 0..<2 {
            let found = Estimate(meanOf: points.map { $0[axis] })
            #expect(abs(found.value - law.mean[axis]) < 4.5 * (found.error ?? 0))
            for other in 0...axis {
                let product = Estimate(
                    meanOf: points.map { ($0[axis] - law.mean[axis]) * ($0[other] - law.mean[other]) })
                #expect(abs(product.value - law.covariance[axis, other]) < 4.5 * (product.error ?? 0))
            }
        }
        // The same whatever is drawn beside it.
        #expect(points[7] == posterior.draw(xt, draws, round: 1, 7))
        #expect(Set(points[..<100].map { $0[0] }).count == 100)
    }

    /// A component without width, and one with a flat direction: exact copies of a point are data, too.
    @Test func singularCovariances() throws {
        let point = try GaussianMixture(weights: [1], means: [0.5, -0.5], covariances: [0, 0, 0, 0], dimension: 2)
        #expect(!point.hasDensity)
        let step = MixtureOracle(point, Self.schedule).posterior(2)
        #expect(step.mean([3, 1]) == [0.5, -0.5] && step.variance([3, 1]) == 0)
        #expect(step.draw([3, 1], uniform: 0.9, normals: [1, -2]) == [0.5, -0.5])
        let line = try GaussianMixture(weights: [1], means: [0, 0], covariances: [1, 1, 1, 1], dimension: 2)
        let drawn = line.draw(uniform: 0, normals: [0.3, 0.6]).x
        #expect(isClose(drawn[0], drawn[1], 1e-12) && !line.hasDensity)
    }

    @Test(arguments: [
        ([1.0, -0.1], [0.0, 1], [1.0, 1], "are not shares of a whole"), ([0, 0], [0, 1], [1, 1], "are not shares"),
        ([1, 1], [0, .nan], [1, 1], "a mean is not finite"), ([1, 1], [0, 1], [1, -0.5], "covariance 1 is none"),
    ]) func whatIsNoMixture(weights: [Double], means: [Double], covariances: [Double], words: String) {
        #expect {
            try GaussianMixture(weights: weights, means: means, covariances: covariances, dimension: 1)
        } throws: { "\($0)".contains(words) }
        #expect(throws: MixtureError.self) {
            try GaussianMixture(weights: [1], means: [0, 0], covariances: [1, 0.5, 0, 1], dimension: 2)
        }
    }

    /// The output of each objective leads back to the estimate of x_0 that it stands for.
    @Test(arguments: Objective.allCases) func outputsOfObjectives(objective: Objective) {
        let (x0, xt, a) = ([0.3, -0.9], [1.2, 0.4], 0.35)
        let back = objective.x0(alphaBar: a)
        let output = objective.output(x0: x0, xt: xt, alphaBar: a)
        for axis in 0..<2 { #expect(isClose(back.xt * xt[axis] + back.output * output[axis], x0[axis], 1e-12)) }
    }

    /// In one dimension E Var[x_0 | x_t] is one more integral; of a single Gaussian it is known.
    @Test func leastSquaredError() throws {
        let plain = PlainMixture.line
        let oracle = MixtureOracle(try plain.mixture, Self.schedule)
        for t in 0..<4 {
            let found = oracle.leastSquaredError(t, count: 4000, seed: 1)
            let marginal = oracle.data.noised(Self.schedule.alphaBars[t])
            let width = 0.01
            let exact = (-600...600).reduce(0) {
                let x = [Double($1) * width]
                return $0 + exp(marginal.logDensity(x)) * oracle.posterior(t).variance(x) * width
            }
            #expect(abs(found.value - exact) < 4 * (found.error ?? 0), "\(t): \(found) \(exact)")
            #expect((found.error ?? 1) < 0.05 * exact)
        }
        let single = try GaussianMixture(weights: [2], means: [1, 2], covariances: [0.5, 0, 0, 0.5], dimension: 2)
        let a = Self.schedule.alphaBars[1]
        let found = MixtureOracle(single, Self.schedule).leastSquaredError(1, count: 1, seed: 0)
        #expect(isClose(found.value, 0.5 * (1 - a) / (a * 0.5 + 1 - a), 1e-12) && found.error == nil)
    }

    /// Of a single Gaussian, I(x_0; x_{t−1} | x_t) = ½ ln(variance of x_{t−1} given x_t / β̃) an element.
    @Test func information() throws {
        let single = try GaussianMixture(weights: [1], means: [0.2], covariances: [0.3], dimension: 1)
        let oracle = MixtureOracle(single, Self.schedule)
        #expect(oracle.stepInformation(0, count: 10, seed: 0) == nil)
        #expect(abs(oracle.componentInformation(2, count: 10, seed: 0).value) < 1e-12)
        for t in 1..<4 {
            let exact = 0.5 * log(oracle.step(t).variance([0.7]) / Self.schedule.posteriorVariance[t])
            let found = try #require(oracle.stepInformation(t, count: 20_000, seed: 2))
            #expect(abs(found.value - exact) < 4 * (found.error ?? 0), "\(t): \(found) \(exact)")
        }
        // Components far apart are known from x_t where there is little noise, and hardly from noise.
        let apart = try GaussianMixture(weights: [1, 3], means: [-5, 5], covariances: [0.01, 0.01], dimension: 1)
        let far = MixtureOracle(apart, Self.schedule)
        let all = 0.25 * log(4) + 0.75 * log(4.0 / 3)
        #expect(isClose(far.componentInformation(0, count: 200, seed: 0).value, all, 1e-6))
        #expect(far.componentInformation(3, count: 2000, seed: 0).value < 0.01)
    }
}
