import CPUBackend
import ReferenceBackend
import TensorGraph
import TestSupport
import Testing

/// Products in bfloat16 as for tiles, by oneDNN, by kernels of our own and emulated, against the reference on rounded
/// factors. (VectorPrecisionTests has those for vectors.)
@Suite struct OperationPrecisionTests {
    private static let cases = operationCases.filter { factors(of: $0) != nil }
    /// Gradients of weights that are rounded in Winograd's basis: VectorPrecisionTests has those.
    private static let directCases = cases.filter { testCase in
        guard case .convolutionParameterGradient(ConvolutionGeometry(kernel: 3, padding: 1), _, _) = testCase.operation
        else { return true }
        let isEven = testCase.positions.allSatisfy { $0.isMultiple(of: 2) }
        return !(isEven && testCase.channels % 32 == 0 && testCase.outputChannels % 32 == 0)
    }
    private static let otherCases = operationCases.filter { factors(of: $0) == nil }
    private static let precisions: [Precision] = [.bf16, .bf16Emulated]

    private static func factors(of testCase: OperationCase) -> (activations: [Int], weight: Int?)? {
        testCase.operation.factors(testCase.operands().inputs.map(\.shape))
    }

    /// To the nearest bfloat16, ties to even, of normal numbers.
    private func rounded(_ values: [Double]) -> [Double] {
        values.map { value in
            guard value != 0, value.isFinite else { return value }
            let unit = Double(sign: .plus, exponent: value.exponent - 7, significand: 1)
            return (value / unit).rounded(.toNearestOrEven) * unit
        }
    }

    private func backend(_ precision: Precision) throws -> CPUBackend {
        try CPUBackend(precision: precision, bfloat16Unit: .tiles)
    }

    /// Whether the native way is oneDNN's and it has no bfloat16 on this processor; then it says so, and nothing is
    /// computed in another format instead. Gradients of weights are ours where there are as many results as pixels.
    private func isRefused(_ testCase: OperationCase, _ precision: Precision = .bf16) -> Bool {
        guard precision == .bf16, !Processor.runsBFloat16 else { return false }
        switch testCase.operation {
        case .linearParameterGradient: return false
        case .convolutionParameterGradient(let geometry, _, _)
        where geometry.isCentredSquare:
            return false
        default: break
        }
        let error = #expect(throws: OneDNNError.self) {
            try PlacedCase(testCase, on: backend(.bf16))
        }
        #expect(error?.description.contains("cannot prepare bf16 convolution") == true, "\(String(describing: error))")
        return true
    }

    /// With every sharing of memory; then with other weights. The tolerance is that of float32: sums are.
    @Test(arguments: directCases, precisions)
    func agrees(_ testCase: OperationCase, _ precision: Precision) throws {
        if isRefused(testCase, precision) { return }
        guard let factors = Self.factors(of: testCase) else { return }
        let slow = try PlacedCase(testCase, on: ReferenceBackend())
        for index in factors.activations + (factors.weight.map { [$0] } ?? []) {
            slow.setInput(index, rounded(slow.operands.inputs[index].values.map { Double(Float($0)) }))
        }
        let expected = try slow.outputs()
        func expect(_ found: [[Double]], _ expected: [[Double]], _ what: String) {
            for (index, output) in slow.operands.outputs.enumerated() {
                let error = relativeError(found[index], expected[index], shape: output.shape, parts: output.parts)
                #expect(
                    error <= testCase.operands().tolerance,
                    "\(what), output \(index): error \(error) > \(testCase.operands().tolerance)")
            }
        }
        for shared in [nil] + testCase.traits.sharablePairs {
            let placed = try PlacedCase(testCase, on: backend(precision), shared: shared)
            expect(try placed.outputs(), expected, "shared \(String(describing: shared))")
            let first = try placed.run()
            #expect(try placed.run(parametersChanged: false).map(\.bitPattern) == first.map(\.bitPattern))
            #expect(placed.strayWrites(after: first).isEmpty)
        }
        guard let weight = factors.weight else { return }
        let placed = try PlacedCase(testCase, on: backend(precision))
        _ = try placed.outputs()
        let changed = placed.operands.inputs[weight].values.reversed().map { Double(Float($0 * 0.77)) }
        placed.setInput(weight, changed)
        slow.setInput(weight, rounded(changed))
        expect(try placed.outputs(), try slow.outputs(), "other weights")
    }

    /// Native and emulated differ by the order of sums alone, float32 from both by the rounding of factors.
    @Test(arguments: cases) func bothWaysAreTheSameNumbers(_ testCase: OperationCase) throws {
        if isRefused(testCase) { return }
        let native = try PlacedCase(testCase, on: backend(.bf16)).outputs()
        let emulated = try PlacedCase(testCase, on: backend(.bf16Emulated))
        let other = try emulated.outputs()
        let full = try PlacedCase(testCase, on: CPUBackend()).outputs()
        let output = emulated.operands.outputs[0]
        #expect(
            relativeError(native[0], other[0], shape: output.shape, parts: output.parts) <= 2
                * testCase.operands().tolerance)
        #expect(relativeError(full[0], other[0], shape: output.shape, parts: output.parts) > 1e-4)
    }

    /// All else is float32, to the bit: small products of one vector an image, norms, attention, the loss.
    @Test(arguments: otherCases, precisions)
    func otherOperationsStay(_ testCase: OperationCase, _ precision: Precision) throws {
        let full = try PlacedCase(testCase, on: CPUBackend()).run()
        let found = try PlacedCase(testCase, on: backend(precision)).run()
        #expect(found.map(\.bitPattern) == full.map(\.bitPattern))
    }

    private static let blocks: [OperationCase] = [
        (32, 32, [8, 4]), (64, 32, [8, 8]), (32, 96, [16, 8]), (96, 64, [16, 16]),
    ].flatMap { channels, outputs, positions in
        OperationCase(
            operation: .linearAttentionBlock(heads: 2, headDim: 32), positions: positions, channels: channels,
            outputChannels: outputs
        ).derivatives
    }

    /// What linear attention and its gradient write on a backend, [y, mean, dx, dwIn, dwOut, dbias]: the gradient reads
    /// what the forward pass saved, in an order of the kernels' own.
    private func attention(_ testCase: OperationCase, on precision: Precision) throws -> [[Float]] {
        let backend = try backend(precision)
        let operands = testCase.operands()
        let inputs = try operands.inputs.map { input in
            let memory = try CPUMemory(count: input.shape.reduce(1, *))
            memory.write(input.values.map { Float($0) }, at: 0)
            return Operand(memory: memory, offset: 0, shape: input.shape)
        }
        func output(_ shape: [Int]) throws -> Operand {
            Operand(memory: try CPUMemory(count: shape.reduce(1, *)), offset: 0, shape: shape)
        }
        let saved = try inputs[4...6].map { try output($0.shape) }
        let (y, bias) = (try output(inputs[0].shape), try output([testCase.outputChannels]))
        let gradients = try operands.outputs.map { try output($0.shape) }
        for (operation, inputs, outputs) in [
            (.linearAttentionBlock(heads: 2, headDim: 32), inputs[1...3] + [bias], [y] + saved),
            (testCase.operation, inputs[0...3] + saved, gradients),
        ] as [(Operation, ArraySlice<Operand>, [Operand])] {
            let prepared = try backend.prepare(operation, inputs: Array(inputs), outputs: outputs)
            for parameters in prepared.derived { try parameters.rebuild() }
            try prepared.run()
        }
        return ([y, saved[2]] + gradients).map { operand in
            (operand.memory as? CPUMemory)?.read(0..<operand.count) ?? []
        }
    }

    /// Linear attention rounds factors that it computes itself, such as softmaxes: float32 is as far away as 8 bits of
    /// significand are, but for the sum of dy. Both ways are one kernel.
    @Test(arguments: blocks) func attentionReadsBFloat16(_ testCase: OperationCase) throws {
        let found = try attention(testCase, on: .bf16)
        let full = try attention(testCase, on: .fp32)
        for (index, name) in ["y", "mean", "dx", "dwIn", "dwOut", "dbias"].enumerated() {
            let largest = full[index].map(\.magnitude).max() ?? 0
            let error = (zip(found[index], full[index]).map { ($0 - $1).magnitude }.max() ?? .infinity) / largest
            #expect(error < 1e-2 && (error > 1e-4 || name == "dbias"), "\(name): \(error)")
        }
        let emulated = try attention(testCase, on: .bf16Emulated)
        #expect(found.map { $0.map(\.bitPattern) } == emulated.map { $0.map(\.bitPattern) })
    }

    @Test func onlyProductsOverPixelsHaveFactors() {
        let kinds = Set(Self.cases.map(\.operation.name))
        #expect(kinds.count == 6)
        #expect(Self.otherCases.contains { if case .linear = $0.operation { true } else { false } })
    }
}
