import CPUBackend
import TensorGraph
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Errors that the kernels' documentation states, over the whole range of arguments.
@Suite struct AccuracyTests {
    /// −12 … 12 in steps that no vector length divides, and magnitudes from 1e-30 to 1.
    private let arguments: [Float] =
        (-12_000...12_000).map { Float($0) * 1e-3 }
        + (0...200).flatMap { power -> [Float] in
            let magnitude = Float(pow(10, -Double(power) * 0.15))
            return [magnitude, -magnitude]
        }

    @Test func siluIsAccurateRelativeToItsValue() throws {
        let y = try apply(.silu, [arguments])
        for (x, value) in zip(arguments, y) {
            let expected = Double(x) / (1 + exp(-Double(x)))
            #expect(abs(Double(value) - expected) <= 4e-7 * abs(expected), "silu(\(x))")
        }
    }

    @Test func geluIsAccurate() throws {
        let y = try apply(.gelu, [arguments])
        for (x, value) in zip(arguments, y) {
            let expected = Double(x) / 2 * erfc(-Double(x) / 2.0.squareRoot())
            let bound = 2e-7 * max(abs(Double(x)) * 0.1, abs(expected)) + (x > -5 ? 2e-6 * abs(expected) : 1e-12)
            #expect(abs(Double(value) - expected) <= bound, "gelu(\(x)) = \(value), not \(expected)")
        }
    }

    @Test func geluGradientIsAccurate() throws {
        let y = try apply(.geluGradient, [[Float](repeating: 1, count: arguments.count), arguments])
        for (x, value) in zip(arguments.map(Double.init), y) {
            let density = exp(-x * x / 2) / (2 * Double.pi).squareRoot()
            let expected = erfc(-x / 2.0.squareRoot()) / 2 + x * density
            #expect(abs(Double(value) - expected) <= 5e-7, "gelu'(\(x))")
        }
    }

    @Test func extremeArgumentsGiveLimits() throws {
        let limits = try apply(.silu, [[1000, -1000, 90, 0]])
        #expect(limits == [1000, limits[1], 90, 0])
        #expect(abs(limits[1]) < 1e-30)
    }

    @Test(arguments: [Operation.silu, .gelu])
    func notANumberStaysVisible(operation: Operation) throws {
        for place in 0..<33 {
            var x = [Float](repeating: 1, count: 33)
            x[place] = .nan
            let y = try apply(operation, [x])
            #expect(y.indices.allSatisfy { y[$0].isNaN == ($0 == place) })
        }
    }

    @Test(arguments: [Float(0), 100, 10_000])
    func varianceSurvivesALargeMean(mean: Float) throws {
        // Two values around the mean, half and half: variance 1 exactly.
        let backend = try CPUBackend()
        let count = 64 * 64 * 12
        let memory = try backend.allocate(count: 2 * count + 64)
        memory.write((0..<count).map { mean + ($0 / 5 % 2 == 0 ? 1 : -1) }, at: 0)
        memory.write([Float](repeating: 1, count: 12), at: count)
        let prepared = try backend.prepare(
            .groupNorm(groups: 1, epsilon: 0),
            inputs: [
                Operand(memory: memory, offset: 0, shape: [1, 64, 64, 12]),
                Operand(memory: memory, offset: count, shape: [12]),
                Operand(memory: memory, offset: count + 16, shape: [12]),
            ],
            outputs: [
                Operand(memory: memory, offset: count + 64, shape: [1, 64, 64, 12]),
                Operand(memory: memory, offset: count + 32, shape: [1, 1, 2]),
            ])
        try prepared.run()
        let statistics = memory.read(count + 32..<count + 34)
        #expect(abs(statistics[0] - mean) <= 1e-6 * max(mean, 1) + 2e-4)
        #expect(abs(statistics[1] - 1) < 1e-6)
    }

    private func apply(_ operation: Operation, _ inputs: [[Float]]) throws -> [Float] {
        let backend = try CPUBackend()
        let count = inputs[0].count
        let stride = (count + 15) / 16 * 16
        let memory = try backend.allocate(count: stride * (inputs.count + 1))
        for (index, values) in inputs.enumerated() { memory.write(values, at: index * stride) }
        let operands = (0...inputs.count).map { Operand(memory: memory, offset: $0 * stride, shape: [1, count]) }
        try backend.prepare(operation, inputs: Array(operands.dropLast()), outputs: [operands[inputs.count]]).run()
        return memory.read(inputs.count * stride..<inputs.count * stride + count)
    }
}
