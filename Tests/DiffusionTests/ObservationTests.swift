import Diffusion
import Testing

/// What is known of images takes its place.
@Suite struct ObservationTests {
    private static func image(_ count: Int, _ seed: Int) -> [Float] {
        (0..<count).map { Float(($0 * 37 + seed * 11) % 64) / 32 - 1 }
    }

    private static let mask = (0..<24).map { ($0 / 5) % 2 == 0 }

    /// x − Px + Py has the known part of y, changes nothing else, and does nothing twice; differences never grow.
    @Test(arguments: [
        Observation(.pixels(mask), height: 4, width: 6, channels: 3),
        Observation(.blockMeans(side: 2), height: 4, width: 6, channels: 3),
    ])
    func replacingIsAProjection(_ observation: Observation) {
        let (x, y, other) = (Self.image(144, 1), Self.image(144, 2), Self.image(144, 3))
        func replaced(_ x: [Float]) -> [Float] {
            var x = x
            observation.replace(in: &x, by: y, images: 0..<2)
            return x
        }
        let once = replaced(x)
        #expect(zip(replaced(once), once).allSatisfy { abs($0 - $1) < 1e-6 } && once != x)
        func seen(_ x: [Float]) -> [Float] { observation.seen(x, images: 0..<2) }
        #expect(zip(seen(once), seen(y)).allSatisfy { abs($0 - $1) < 1e-6 })
        func distance(_ a: [Float], _ b: [Float]) -> Float {
            zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
        #expect(distance(once, replaced(other)) < distance(x, other))
    }

    @Test func blocksHaveTheirMeans() {
        let observation = Observation(.blockMeans(side: 2), height: 2, width: 4, channels: 1)
        #expect(observation.seen([1, 3, 5, 5, 4, 0, 7, 7], images: 0..<1) == [2, 2, 6, 6, 2, 2, 6, 6])
        var x: [Float] = [0, 2, 1, 1, 0, 2, 1, 1]
        observation.replace(in: &x, by: [2, 2, 6, 6, 2, 2, 6, 6], images: 0..<1)
        #expect(x == [1, 3, 6, 6, 1, 3, 6, 6])
    }

    /// Hidden pixels have the mean of those that are seen; every image its own mask, those beyond the last one its.
    @Test func everyImageHasItsMask() {
        let observation = Observation(.pixels([true, false, false, true]), height: 1, width: 2, channels: 1)
        #expect(observation.seen([1, 9, 2, 8, 3, 7], images: 0..<3) == [1, 1, 8, 8, 7, 7])
        var x: [Float] = [0, 0, 0, 0]
        observation.replace(in: &x, by: [1, 2, 3, 4], images: 1..<3)
        #expect(x == [0, 2, 0, 4])
        #expect(Observation(.nothing, height: 1, width: 2, channels: 1).seen([1, 9], images: 0..<1) == [1, 9])
    }

    /// x and y standard normal with correlation 0.9, y = 1 known, the exact denoiser of both: replacing y by draws of
    /// q(y_t | y) leaves x too near to 0, the further the way (0.9 would be right). The means were computed as a recursion in
    /// double precision with NumPy 2; with no noise drawn the sampler gives them.
    @Test(arguments: [(99, 0.9, 0.88655), (399, 0.9, 0.69593), (999, 0, 0.62561)] as [(Int, Float, Double)])
    func aGoodStartCuresTheBiasOfReplacement(_ start: Int, _ guess: Float, _ expected: Double) throws {
        let configuration = StartTests.configuration(.ancestral)
        let sampler = Sampler(configuration, startingAt: start)
        let schedule = NoiseSchedule(configuration)
        let observation = Observation(.pixels([false, true]), height: 1, width: 2, channels: 1)
        let x = try sampler.sample(
            from: sampler.noised([guess, 1], noise: [0, 0]), usesEta: false, selfCondition: false,
            predict: { xt, t, _, _ in
                let a = schedule.alphaBars[t]
                // √a C (a C + (1 − a) I)⁻¹ has the eigenvectors (1, ±1) of C, with 1 ± 0.9.
                let gains = [1.9, 0.1].map { a.squareRoot() * $0 / (a * $0 + 1 - a) }
                let sums = [Double(xt[0] + xt[1]) / 2, Double(xt[0] - xt[1]) / 2]
                let x0 = [gains[0] * sums[0] + gains[1] * sums[1], gains[0] * sums[0] - gains[1] * sums[1]]
                let (ofNoise, ofTarget) = (
                    Objective.noise(alphaBar: a), configuration.objective.target(alphaBar: a)
                )
                return zip(xt, x0).map { x, x0 in
                    Float(ofTarget.x0 * x0 + ofTarget.noise * (ofNoise.xt * Double(x) + ofNoise.x0 * x0))
                }
            }, draw: { _, _ in [0, 0] },
            reached: { step, x in
                let level = Float(sampler.alphaBar(after: step).squareRoot())
                observation.replace(in: &x, by: [0, level], images: 0..<1)
            })
        #expect(abs(Double(x[0]) - expected) < 1e-4 && x[1] == 1, "\(x)")
    }
}
