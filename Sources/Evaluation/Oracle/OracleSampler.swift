import Diffusion
import Philox
import Mixtures

/// Which estimate of x_0 a sampler gets from the oracle at every step.
public enum OracleEstimate: String, CaseIterable, Sendable {
    /// A draw of q(x_0 | x_t): the step is then exact.
    case posterior
    /// E[x_0 | x_t], the best that a network of one Gaussian a step with variance β̃ can know.
    case mean
    /// A draw of N(E[x_0 | x_t], σ² I) with the best σ² of each step: the best isotropic Gaussian, whose variance a step of
    /// ancestral sampling is β̃ + (posterior mean's coefficient of x_0)² σ² (Bao et al. 2022, Analytic-DPM).
    case gaussian
}

/// Draws samples as a network would that knows the data's mixture, through any ``Sampler``.
///
/// x_T and the noise of steps are those of a network's samples of the same seed.
public struct OracleSampler: Sendable {
    private let oracle: MixtureOracle
    private let sampler: Sampler
    private let estimate: OracleEstimate
    /// σ²_x0 by timestep, where the estimate needs it.
    private let variances: [Double]

    /// Draws of q(x_t) that σ² is the mean over.
    public static let varianceDraws = 4096

    /// - Parameters:
    ///   - seed: of the draws of q(x_t) behind σ², which are the same whatever the samples' seed.
    ///   - progress: called with (times done, all) while σ² is computed.
    public init(
        _ data: GaussianMixture, _ sampler: Sampler, _ estimate: OracleEstimate, seed: UInt64 = 0,
        progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws {
        let settings = sampler.configuration
        let schedule = NoiseSchedule(settings)
        let oracle = MixtureOracle(data, schedule)
        var variances = [Double](repeating: 0, count: schedule.timesteps)
        let visited = estimate == .gaussian ? Chain(settings).times : []
        for (done, t) in visited.enumerated() {
            variances[t] = oracle.leastSquaredError(t, count: Self.varianceDraws, seed: seed).value
            try progress(done + 1, visited.count)
        }
        (self.oracle, self.sampler, self.estimate, self.variances) = (oracle, sampler, estimate, variances)
    }

    /// Samples number `positions` of `seed`, `[positions][D]`.
    ///
    /// - Parameters:
    ///   - prior: what they begin with, of clean data; nil: N(0, I).
    ///   - progress: called with (estimates done, all) after each step of a batch.
    public func samples(
        _ positions: Range<Int>, seed: UInt64, batch: Int = 1024, prior: GaussianMixture? = nil,
        progress: (Int, Int) throws -> Void = { _, _ in }
    ) throws -> [Float] {
        precondition(batch > 0, "batches of \(batch)")
        let noise = Draw("noise", .sampling, .normal, elements: oracle.data.dimension)
        let all = positions.count * sampler.evaluations
        let start = prior?.noised(sampler.alphaBarAtStart)
        var result: [Float] = []
        for first in stride(from: positions.lowerBound, to: positions.upperBound, by: batch) {
            let part = first..<min(first + batch, positions.upperBound)
            func values(round: Int) -> [Float] { noise.values(seed: seed, at: part.map { (round, $0) }) }
            let done = (first - positions.lowerBound) * sampler.evaluations
            var evaluation = 0
            result += try sampler.sample(
                from: start.map { $0.starts(part, noise: values(round: 0), seed: seed) } ?? values(round: 0),
                usesEta: false, selfCondition: false,
                predict: { xt, t, _, _ in
                    defer { evaluation += 1 }
                    return output(xt, t, part, round: evaluation, seed: seed)
                },
                draw: { number, _ in values(round: number + 1) },
                reached: { step, _ in try progress(done + (step + 1) * part.count, all) })
        }
        return result
    }

    /// The output of the objective for a batch: `xt` is `[positions][D]`.
    private func output(_ xt: [Float], _ t: Int, _ positions: Range<Int>, round: Int, seed: UInt64) -> [Float] {
        let (size, settings) = (oracle.data.dimension, sampler.configuration)
        let posterior = oracle.posterior(t)
        let draws = MixtureDraws(seed: seed, .headNoise, dimension: size)
        let deviation = variances[t].squareRoot()
        return positions.enumerated().flatMap { slot, position in
            let x = xt[slot * size..<(slot + 1) * size].map(Double.init)
            let x0 =
                switch estimate {
                case .posterior: posterior.draw(x, draws, round: round, position)
                case .mean: posterior.mean(x)
                case .gaussian:
                    zip(posterior.mean(x), draws(round: round, position).normals).map { $0 + deviation * Double($1) }
                }
            return settings.objective.output(x0: x0, xt: x, alphaBar: oracle.schedule.alphaBars[t]).map(Float.init)
        }
    }
}
