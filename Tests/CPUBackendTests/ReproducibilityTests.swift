import CPUBackend
import TensorGraph
import Testing

/// The same operands give the same bits: at another place in memory, after other operations have used the scratch, and
/// in another backend.
@Suite struct ReproducibilityTests {
    @Test(arguments: [
        Operation.convolution(
            ConvolutionGeometry(kernel: 3, padding: 1), weightChannels: 0..<12, bias: true, addend: false),
        .convolutionParameterGradient(ConvolutionGeometry(kernel: 3, padding: 1), weightChannels: 0..<12, bias: true),
        .convolutionInputGradient(ConvolutionGeometry(kernel: 3, padding: 1), weightChannels: 0..<12, addend: true),
        .groupNormSiLU(groups: 2, epsilon: 1e-5, modulated: false, residual: false),
    ])
    func placesDoNotMatter(operation: Operation) throws {
        let first = try CPUBackend()
        let here = try result(operation, on: first, offset: 0)
        // A larger operation makes the shared scratch move.
        _ = try result(
            .convolutionParameterGradient(
                ConvolutionGeometry(kernel: 7, padding: 3), weightChannels: 0..<64, bias: true),
            on: first, offset: 0, channels: 64)
        let there = try result(operation, on: first, offset: 16 * 37)
        let elsewhere = try result(operation, on: CPUBackend(), offset: 16)
        #expect(here == there)
        #expect(here == elsewhere)
        #expect(here.contains { $0 != 0 })
    }

    /// Two graphs on one backend share weights in another layout though their batches differ: an image's results do not.
    @Test(arguments: [
        Operation.convolution(
            ConvolutionGeometry(kernel: 3, padding: 1), weightChannels: 0..<12, bias: false, addend: false),
        .convolutionInputGradient(ConvolutionGeometry(kernel: 3, padding: 1), weightChannels: 0..<12, addend: false),
    ])
    func batchesShareWeights(operation: Operation) throws {
        let backend = try CPUBackend()
        let isForward = operation.name == "convolution"
        let (inputs, outputs) = isForward ? (12, 16) : (16, 12)
        let memory = try backend.allocate(count: 1 << 14)
        memory.write((0..<16 * 12 * 9).map { Float($0 * 7919 % 101) / 300 - 0.15 }, at: 0)
        memory.write((0..<5 * 16 * 16).map { Float($0 * 104_729 % 103) / 100 - 0.5 }, at: 2048)
        let weights = Operand(memory: memory, offset: 0, shape: [16, 12, 3, 3])
        func prepared(_ images: Int) throws -> () throws -> [Float] {
            let operation = try backend.prepare(
                operation,
                inputs: [Operand(memory: memory, offset: 2048, shape: [images, 4, 4, inputs]), weights],
                outputs: [Operand(memory: memory, offset: 8192, shape: [images, 4, 4, outputs])])
            return {
                for derived in operation.derived { try derived.rebuild() }
                try operation.run()
                return memory.read(8192..<8192 + 16 * outputs)
            }
        }
        let (five, one, two) = try (prepared(5), prepared(1), prepared(2))
        let image = try five()
        #expect(try one() == image)
        #expect(try two() == image)
        #expect(image.contains { $0 != 0 })
    }

    /// A pixel of a hypernetwork has the same bits however many others are computed with it: what a batch holds besides
    /// a sample does not matter.
    @Test(arguments: [(5, 7), (32, 32), (20, 100)])
    func neighboursDoNotMatter(channels: Int, latent: Int) throws {
        let pixels = 131
        func y(of rows: Range<Int>) throws -> [Float] {
            let backend = try CPUBackend()
            let (x, z, layer) = ([rows.count, channels], [rows.count, latent], [[latent, latent], [latent]])
            let ends = [[latent, channels], [latent], [channels, latent], [channels]]
            let shapes = [x, z] + ends + [[2]] + layer + layer + [x]
            let counts = shapes.map { ($0.reduce(1, *) + 15) / 16 * 16 }
            let memory = try backend.allocate(count: counts.reduce(0, +))
            var operands: [Operand] = []
            for (index, shape) in shapes.enumerated() {
                let operand = Operand(
                    memory: memory, offset: counts.prefix(index).reduce(0, +), shape: shape)
                let first = index < 2 ? rows.lowerBound * shape[1] : 0
                memory.write(
                    (first..<first + operand.count).map { Float(($0 * 7919 + index * 13) % 101) / 300 - 0.15 },
                    at: operand.offset)
                operands.append(operand)
            }
            let prepared = try backend.prepare(
                .hyperNetwork(layers: 2), inputs: Array(operands.dropLast()), outputs: Array(operands.suffix(1)))
            for derived in prepared.derived { try derived.rebuild() }
            try prepared.run()
            return memory.read(operands[11].offset..<operands[11].offset + operands[11].count)
        }
        let all = try y(of: 0..<pixels)
        for rows in [0..<1, 3..<5, 60..<67, 64..<128, 1..<131] {
            #expect(try y(of: rows) == Array(all[rows.lowerBound * channels..<rows.upperBound * channels]))
        }
    }

    @Test func weightsAreReadOnlyWhenParametersChanged() throws {
        let backend = try CPUBackend()
        let memory = try backend.allocate(count: 48)
        memory.write([3], at: 0)
        memory.write([2], at: 16)
        let prepared = try backend.prepare(
            .linear(weightChannels: 0..<1, bias: false, addend: false),
            inputs: [
                Operand(memory: memory, offset: 0, shape: [1, 1]), Operand(memory: memory, offset: 16, shape: [1, 1]),
            ], outputs: [Operand(memory: memory, offset: 32, shape: [1, 1])])
        for derived in prepared.derived { try derived.rebuild() }
        try prepared.run()
        #expect(memory.read(32..<33) == [6])
        memory.write([5], at: 16)
        for derived in prepared.derived { try derived.rebuild() }
        try prepared.run()
        #expect(memory.read(32..<33) == [15])
    }

    /// All outputs of `operation` on operands of fixed values that start at `offset`.
    private func result(
        _ operation: Operation, on backend: CPUBackend, offset: Int, channels: Int = 12
    ) throws -> [Float] {
        let activation = [2, 9, 9, channels]
        let shapes: (inputs: [[Int]], outputs: [[Int]])
        switch operation {
        case .convolution(let geometry, _, _, _):
            shapes = ([activation, weight(geometry, channels), [channels]], [activation])
        case .convolutionInputGradient(let geometry, _, _):
            shapes = ([activation, weight(geometry, channels), activation], [activation])
        case .convolutionParameterGradient(let geometry, _, _):
            shapes = ([activation, activation], [weight(geometry, channels), [channels]])
        default:
            shapes = ([activation, [channels], [channels]], [activation, [2, 2, 2]])
        }
        var next = offset
        var values: [(offset: Int, shape: [Int])] = []
        for shape in shapes.inputs + shapes.outputs {
            values.append((next, shape))
            next += (shape.reduce(1, *) + 15) / 16 * 16
        }
        let memory = try backend.allocate(count: next)
        for (index, value) in values.prefix(shapes.inputs.count).enumerated() {
            let count = value.shape.reduce(1, *)
            memory.write((0..<count).map { Float(($0 * 7919 + index * 13) % 101) / 50 - 1 }, at: value.offset)
        }
        let operands = values.map { Operand(memory: memory, offset: $0.offset, shape: $0.shape) }
        let prepared = try backend.prepare(
            operation, inputs: Array(operands.prefix(shapes.inputs.count)),
            outputs: Array(operands.dropFirst(shapes.inputs.count)))
        for derived in prepared.derived { try derived.rebuild() }
        try prepared.run()
        return operands.dropFirst(shapes.inputs.count).flatMap { memory.read($0.offset..<$0.offset + $0.count) }
    }

    private func weight(_ geometry: ConvolutionGeometry, _ channels: Int) -> [Int] {
        [channels, channels, geometry.kernelHeight, geometry.kernelWidth]
    }
}
