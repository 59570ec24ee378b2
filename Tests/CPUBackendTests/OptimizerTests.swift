import CPUBackend
import Testing

/// The passes over arenas against the formulas in double precision. Counts that no vector divides are among them.
@Suite struct OptimizerTests {
    @Test(arguments: [1, 15, 16, 37, 1000])
    func adamFollowsItsFormula(count: Int) throws {
        let backend = try CPUBackend()
        let (parameters, gradients) = (try CPUMemory(count: count), try CPUMemory(count: count))
        let (first, second) = (try CPUMemory(count: count), try CPUMemory(count: count))
        var expected = (0..<count).map { wave($0, 1) }
        var m = [Double](repeating: 0, count: count)
        var v = m
        parameters.write(expected.map(Float.init), at: 0)
        let (rate, beta1, beta2, epsilon, clip) = (1e-2, 0.9, 0.99, 1e-8, 0.25)
        var power1 = 1.0
        var power2 = 1.0
        for step in 1...5 {
            let gradient = (0..<count).map { wave($0, Double(step) + 0.5) * 1e-3 }
            gradients.write(gradient.map(Float.init), at: 0)
            backend.adamStep(
                parameters: parameters, gradients: gradients, firstMoment: first, secondMoment: second,
                learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, step: step, gradientScale: clip)
            power1 *= beta1
            power2 *= beta2
            for i in 0..<count {
                let g = gradient[i] * clip
                m[i] = beta1 * m[i] + (1 - beta1) * g
                v[i] = beta2 * v[i] + (1 - beta2) * g * g
                let denominator = (v[i] / (1 - power2)).squareRoot() + epsilon
                expected[i] -= rate * m[i] / (1 - power1) / denominator
            }
        }
        #expect(largestDifference(parameters, expected) < 5e-7)
        #expect(largestDifference(first, m) < 1e-10)
        #expect(largestDifference(second, v) < 1e-14)
    }

    @Test func epsilonIsAddedAfterTheCorrectedRoot() throws {
        // One step from zero with g = ε: m̂ = g, √v̂ = ε, so the parameter moves by rate · ε / (ε + ε).
        let backend = try CPUBackend()
        let memories = try (0..<4).map { _ in try CPUMemory(count: 1) }
        memories[1].write([1e-3], at: 0)
        backend.adamStep(
            parameters: memories[0], gradients: memories[1], firstMoment: memories[2], secondMoment: memories[3],
            learningRate: 1, beta1: 0.9, beta2: 0.99, epsilon: 1e-3, step: 1)
        #expect(abs(Double(memories[0].read(0..<1)[0]) + 0.5) < 1e-6)
    }

    /// Decoupled weight decay: without a gradient a parameter keeps 1 − rate · λ of itself, and with one Adam's step is the
    /// same as without decay.
    @Test(arguments: [1, 19]) func weightsDecayBesideTheStep(count: Int) throws {
        let backend = try CPUBackend()
        func stepped(_ gradient: Float, _ decay: Double) throws -> [Float] {
            let memories = try (0..<4).map { _ in try CPUMemory(count: count) }
            memories[0].write([Float](repeating: 3, count: count), at: 0)
            memories[1].write([Float](repeating: gradient, count: count), at: 0)
            backend.adamStep(
                parameters: memories[0], gradients: memories[1], firstMoment: memories[2], secondMoment: memories[3],
                learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-3, step: 1, weightDecay: decay)
            return memories[0].read(0..<count)
        }
        #expect(try stepped(0, 0.5).allSatisfy { abs($0 - 3 * 0.95) < 1e-6 })
        let (plain, decayed) = (try stepped(0.2, 0), try stepped(0.2, 0.5))
        #expect(zip(plain, decayed).allSatisfy { abs(($0 - 3) - ($1 - 3 * 0.95)) < 1e-6 } && plain[0] < 2.95)
    }

    @Test(arguments: [1, 19, 64])
    func movingAverageFollowsItsFormula(count: Int) throws {
        let backend = try CPUBackend()
        let (parameters, ema) = (try CPUMemory(count: count), try CPUMemory(count: count))
        parameters.write((0..<count).map { Float(wave($0, 1)) }, at: 0)
        ema.write((0..<count).map { Float(wave($0, 2)) }, at: 0)
        backend.emaUpdate(ema, parameters: parameters, decay: 0.995)
        #expect(largestDifference(ema, (0..<count).map { 0.995 * wave($0, 2) + 0.005 * wave($0, 1) }) < 2e-7)
        backend.emaUpdate(ema, parameters: parameters, decay: 0)
        #expect(largestDifference(ema, (0..<count).map { wave($0, 1) }) < 2e-7)
    }

    @Test(arguments: [0..<1, 3..<40, 0..<100_003])
    func squaresAreSummedInDoublePrecision(range: Range<Int>) throws {
        let memory = try CPUMemory(count: 100_003)
        memory.write((0..<memory.count).map { Float(wave($0, 1)) * ($0 % 7 == 0 ? 1e4 : 1e-3) }, at: 0)
        let expected = range.reduce(0.0) { $0 + Double(memory.elements[$1]) * Double(memory.elements[$1]) }
        let sum = try CPUBackend().sumOfSquares(of: memory, range)
        #expect(abs(sum - expected) <= 1e-12 * expected)
    }

    @Test func squaresDoNotOverflow() throws {
        let memory = try CPUMemory(count: 32)
        memory.write([Float](repeating: 1e30, count: 32), at: 0)
        let sum = try CPUBackend().sumOfSquares(of: memory, 0..<32)
        #expect(abs(sum / 3.2e61 - 1) < 1e-6)
    }

    @Test(arguments: [Float.nan, -.nan, .infinity, -.infinity])
    func everyNonFiniteValueShowsInTheSum(value: Float) throws {
        let (backend, memory) = (try CPUBackend(), try CPUMemory(count: 45))
        func isFinite(_ range: Range<Int>) -> Bool { backend.sumOfSquares(of: memory, range).isFinite }
        memory.write([Float](repeating: .greatestFiniteMagnitude, count: 45), at: 0)
        #expect(isFinite(0..<45))
        for place in 0..<45 {
            memory.write([value], at: place)
            #expect(!isFinite(0..<45))
            #expect(isFinite(0..<place))
            #expect(isFinite(place + 1..<45))
            memory.write([-1], at: place)
        }
    }

    @Test func thePeakIsPlausible() throws {
        let gflops = try CPUBackend().measurePeak()
        #expect(gflops > 0.1 && gflops < 10_000)
    }

    private func wave(_ i: Int, _ seed: Double) -> Double {
        let x = Double(i) * 0.731 + seed * 1.7
        return Double(Float(x - x.rounded() + 0.01))
    }

    private func largestDifference(_ memory: CPUMemory, _ expected: [Double]) -> Double {
        zip(memory.elements, expected).map { abs(Double($0) - $1) }.max() ?? .infinity
    }
}
