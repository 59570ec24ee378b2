import Foundation
import NeuralNetwork
import Philox
import TensorGraph
import Testing

/// Draws of a mixture head against the mixture that they are drawn from.
@Suite struct MixtureHeadTests {
    private static func head(_ components: Int, channels: Int) throws -> MixtureHead {
        var model = ModelConfiguration()
        (model.head, model.components, model.size, model.channels) = (.mixture, components, 1, channels)
        return try #require(model.mixtureHead)
    }

    @Test func drawsHaveTheMomentsOfTheMixture() throws {
        // Means −2 and 3 in x, weights 1/4 and 3/4, ln σ = −2 + 3 tanh(s/3).
        let head = try Self.head(2, channels: 2)
        let count = 40_000
        let output = [-2, 0.5, 3, -0.5, 0, Float(log(3.0)), 2]
        let stream = RandomStream(seed: 1, purpose: .data)
        let draws = head.draw(
            (0..<count).flatMap { _ in output }, choice: stream.uniforms(count: count, epoch: 0, position: 0),
            noise: stream.normals(count: 2 * count, epoch: 1, position: 0))
        let deviation = exp(-2 + 3 * tanh(2.0 / 3))
        let x = stride(from: 0, to: 2 * count, by: 2).map { Double(draws[$0]) }
        let share = Double(x.count { $0 > 0.5 }) / Double(count)
        #expect(abs(share - 0.75) < 0.01)
        let right = x.filter { $0 > 0.5 }
        let mean = right.reduce(0, +) / Double(right.count)
        let variance = right.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(right.count)
        #expect(abs(mean - 3) < 0.02 && abs(variance.squareRoot() / deviation - 1) < 0.02)
        let y = stride(from: 1, to: 2 * count, by: 2).map { Double(draws[$0]) }
        #expect(abs(y.reduce(0, +) / Double(count) + 0.25) < 0.02)
    }

    /// What is drawn at a choice of u is the component in whose part of [0, 1) it lies, to the ends.
    @Test func choicesCoverAllComponents() throws {
        let head = try Self.head(3, channels: 1)
        let output: [Float] = [10, 20, 30, 0, 0, 0, -1000]
        func drawn(_ u: Float) -> Int { Int((head.draw(output, choice: [u], noise: [0])[0]).rounded()) }
        #expect([0, 0.333, 0.334, 0.666, 0.667, 0.999_999_94].map(drawn) == [10, 10, 20, 20, 30, 30])
        // Logits far apart neither overflow nor vanish.
        #expect(head.draw([10, 20, 30, -1e4, 1e4, 0, -1000], choice: [0.5], noise: [0])[0] == 20)
        // The narrowest deviation is e⁻⁵.
        #expect(abs(head.draw(output, choice: [0], noise: [1])[0] - 10 - Float(exp(-5.0))) < 1e-6)
    }
}
