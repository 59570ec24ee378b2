import CPUBackend
import ReferenceBackend
import TensorGraph
import TestSupport
import Testing

/// Products in bfloat16, by oneDNN and emulated, against the reference on rounded factors.
@Suite struct PrecisionTests {
    private static let cases = fastCases.filter { factors(of: $0) != nil }
    private static let otherCases = fastCases.filter { factors(of: $0) == nil }
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

    /// oneDNN has no bfloat16 on this processor, and says so: nothing is computed in another format instead.
    private func expectRefusal(_ testCase: OperationCase) {
        let error = #expect(throws: OneDNNError.self) {
            try PlacedCase(testCase, on: CPUBackend(precision: .bf16))
        }
        #expect(error?.description.contains("cannot prepare bf16 convolution") == true, "\(String(describing: error))")
    }

    /// With every sharing of memory; then with other weights. The tolerance is that of float32: sums are.
    @Test(arguments: cases, precisions)
    func agrees(_ testCase: OperationCase, _ precision: Precision) throws {
        guard precision != .bf16 || Processor.runsBFloat16 else { return expectRefusal(testCase) }
        guard let factors = Self.factors(of: testCase) else { return }
        let slow = try PlacedCase(testCase, on: ReferenceBackend())
        for index in factors.activations + (factors.weight.map { [$0] } ?? []) {
            slow.setInput(index, rounded(slow.operands.inputs[index].values.map { Double(Float($0)) }))
        }
        let expected = try slow.outputs()
        func expect(_ found: [[Double]], _ expected: [[Double]], _ what: String) {
            for (index, output) in slow.operands.outputs.enumerated() {
                let error = relativeError(found[index], expected[index], shape: output.shape, parts: output.parts)
                #expect(error <= testCase.tolerance, "\(what), output \(index): error \(error) > \(testCase.tolerance)")
            }
        }
        for shared in [nil] + testCase.operation.sharablePairs {
            let placed = try PlacedCase(testCase, on: CPUBackend(precision: precision), shared: shared)
            expect(try placed.outputs(), expected, "shared \(String(describing: shared))")
            let first = try placed.run()
            #expect(try placed.run(parametersChanged: false).map(\.bitPattern) == first.map(\.bitPattern))
            #expect(placed.strayWrites(after: first).isEmpty)
        }
        guard let weight = factors.weight else { return }
        let placed = try PlacedCase(testCase, on: CPUBackend(precision: precision))
        _ = try placed.outputs()
        let changed = placed.operands.inputs[weight].values.reversed().map { Double(Float($0 * 0.77)) }
        placed.setInput(weight, changed)
        slow.setInput(weight, rounded(changed))
        expect(try placed.outputs(), try slow.outputs(), "other weights")
    }

    /// Native and emulated differ by the order of sums alone, float32 from both by the rounding of factors.
    @Test(arguments: cases) func bothWaysAreTheSameNumbers(_ testCase: OperationCase) throws {
        guard Processor.runsBFloat16 else { return expectRefusal(testCase) }
        let native = try PlacedCase(testCase, on: CPUBackend(precision: .bf16)).outputs()
        let emulated = try PlacedCase(testCase, on: CPUBackend(precision: .bf16Emulated))
        let other = try emulated.outputs()
        let full = try PlacedCase(testCase, on: CPUBackend()).outputs()
        let output = emulated.operands.outputs[0]
        #expect(
            relativeError(native[0], other[0], shape: output.shape, parts: output.parts) <= 2 * testCase.tolerance)
        #expect(relativeError(full[0], other[0], shape: output.shape, parts: output.parts) > 1e-4)
    }

    /// All else is float32, to the bit: small products of one vector an image, norms, attention, the loss.
    @Test(arguments: otherCases, precisions)
    func otherOperationsStay(_ testCase: OperationCase, _ precision: Precision) throws {
        let full = try PlacedCase(testCase, on: CPUBackend()).run()
        let found = try PlacedCase(testCase, on: CPUBackend(precision: precision)).run()
        #expect(found.map(\.bitPattern) == full.map(\.bitPattern))
    }

    @Test func onlyProductsOverPixelsHaveFactors() {
        let kinds = Set(Self.cases.map { OperationKind($0.operation) })
        #expect(kinds.count == 6)
        #expect(Self.otherCases.contains { if case .linear = $0.operation { true } else { false } })
    }
}
