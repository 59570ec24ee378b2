import Diffusion
import Foundation
import NeuralNetwork
import Testing

@Suite struct TimestepSamplingTests {
    private func losses(_ times: Int, _ values: [Float]) -> [(timestep: Int, loss: Float)] {
        (0..<times).flatMap { _ in values.enumerated().map { ($0, $1) } }
    }

    /// Uniform until every t has ten losses; then the closed form, with the last ten of each.
    @Test func probabilitiesFollowTheLastLosses() {
        var history = LossHistory(timesteps: 3)
        history.add(losses(1, [100, 100, 100]) + losses(9, [1, 2]))
        #expect(history.probabilities == [Double](repeating: 1.0 / 3, count: 3))
        history.add(losses(10, [1, 2, 5]))
        for (probability, loss) in zip(history.probabilities, [1.0, 2, 5]) {
            let wanted = 0.999 * loss / 8 + 0.001 / 3
            #expect(abs(probability - wanted) < 1e-15)
        }
        #expect(history.losses.allSatisfy { $0.count == 10 })
        #expect(LossHistory(losses: history.losses) == history)
    }

    /// ln σ of many draws has the mean and the deviation asked for, as far as the schedule reaches.
    @Test func logarithmOfTheNoiseIsNormal() {
        var configuration = DiffusionConfiguration()
        configuration.timestepSampling = .logNormal
        configuration.schedule = .linear
        let process = ForwardProcess(configuration)
        let model = ModelConfiguration()
        let count = 20_000
        let draws = process.draws(for: model)[0].values(seed: 5, at: (0..<count).map { (0, $0) }).map { Int($0) }
        let values = draws.map { t -> Double in
            let a = process.schedule.alphaBars[t]
            return log((1 - a) / a) / 2
        }
        let mean = values.reduce(0, +) / Double(count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        // 4 deviations of a mean of so many draws, and the grid of timesteps.
        #expect(abs(mean + 1.2) < 4 * 1.2 / Double(count).squareRoot() + 0.01)
        #expect(abs(variance.squareRoot() - 1.2) < 0.03)
        let sums = process.schedule.logNormal(mean: -1.2, deviation: 1.2)
        #expect(abs((sums.last ?? 0) - 1) < 1e-9 && zip(sums, sums.dropFirst()).allSatisfy { $0 <= $1 })
        // Where nothing is near, all are equally likely.
        let far = process.schedule.logNormal(mean: 20, deviation: 0.01)
        #expect(abs(far[499] - 0.5) < 1e-9)
    }

    /// λ is logistic where the schedule has room for it, and weights make the mean over draws one over λ.
    @Test func logarithmOfSignalToNoiseIsLogistic() {
        var configuration = DiffusionConfiguration()
        (configuration.timestepSampling, configuration.schedule) = (.logistic, .logSNR)
        (configuration.logisticLocation, configuration.logisticScale) = (1, 2)
        (configuration.logSNRMax, configuration.logSNRMin) = (9, -7)
        let process = ForwardProcess(configuration)
        let count = 20_000
        let draws = process.draws(for: ModelConfiguration())[0].values(seed: 5, at: (0..<count).map { (0, $0) })
        let lambdas = draws.map { process.schedule.logSNRs[Int($0)] }
        // The logistic distribution function, cut off at 4 scales: a quarter of the draws lies below −ln 3 scales.
        let cut = 1 / (1 + exp(4.0))
        for quantile in [-1.5, 0, 0.7] {
            let wanted = (1 / (1 + exp(-quantile)) - cut) / (1 - 2 * cut)
            let found = Double(lambdas.filter { $0 < 1 + 2 * quantile }.count) / Double(count)
            #expect(
                abs(found - wanted) < 4 * 0.5 / Double(count).squareRoot() + 0.002, "\(quantile): \(found) \(wanted)")
        }
        // E λ² of a uniform λ in −7 … 9: 16²/12 + 1.
        let weights = process.timestepWeights ?? []
        let mean = zip(draws, lambdas).reduce(0) { $0 + weights[Int($1.0)] * $1.1 * $1.1 } / Double(count)
        #expect(abs(mean - (64.0 / 3 + 1)) < 0.6, "\(mean)")
        #expect(weights.max() ?? 0 < 16 * (weights.min() ?? 0))
    }

    /// By inverse transform: shares of [0, 1) in the order of t, and weights that make up for them.
    @Test func drawsAreInProportion() {
        let history = LossHistory(losses: [1, 2, 5].map { [Float](repeating: $0, count: 10) })
        var (counts, weights) = ([0, 0, 0], 0.0)
        for i in 0..<8000 {
            let (t, weight) = history.draw((Double(i) + 0.5) / 8000)
            counts[t] += 1
            weights += weight
        }
        for (count, probability) in zip(counts, history.probabilities) {
            let wanted = 8000 * probability
            #expect(abs(Double(count) - wanted) <= 1)
        }
        #expect(abs(weights / 8000 - 1) < 1e-3)
        #expect(history.draw(0).timestep == 0 && history.draw(1 - 1e-16).timestep == 2)
        #expect(LossHistory(losses: [[0], [0]]).draw(0.6).timestep == 1)
    }
}
