import Diffusion
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
