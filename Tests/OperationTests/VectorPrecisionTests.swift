import CPUBackend
import ReferenceBackend
import TensorGraph
import TestSupport
import Testing

/// Products on vectors of bfloat16, emulated where the processor has none; and gradients of weights that are rounded in
/// Winograd's basis in every way of bfloat16.
@Suite struct VectorPrecisionTests {
    private static let three = ConvolutionGeometry(kernel: 3, padding: 1)

    /// All directions, with what may be added.
    private static func directions(
        _ kind: (Range<Int>) -> [Operation], _ images: Int, _ positions: [Int], _ channels: Range<Int>,
        of weightInputs: Int, to outputs: Int
    ) -> [OperationCase] {
        kind(channels).map { operation in
            OperationCase(
                operation: operation, images: images, positions: positions, channels: channels.count,
                outputChannels: outputs, weightInputs: weightInputs)
        }
    }

    private static func convolutions(_ channels: Range<Int>) -> [Operation] { convolutions(three, channels) }

    private static func pointwise(_ channels: Range<Int>) -> [Operation] {
        convolutions(ConvolutionGeometry(kernel: 1), channels)
    }

    private static func convolutions(_ geometry: ConvolutionGeometry, _ channels: Range<Int>) -> [Operation] {
        [false, true].flatMap { added in
            [
                .convolution(geometry, weightChannels: channels, bias: added, addend: !added),
                .convolution(geometry, weightChannels: channels, bias: added, addend: added),
                .convolutionInputGradient(geometry, weightChannels: channels, addend: added),
                .convolutionParameterGradient(geometry, weightChannels: channels, bias: added),
            ] as [Operation]
        }
    }

    private static func linears(_ channels: Range<Int>) -> [Operation] {
        [false, true].flatMap { added in
            [
                .linear(weightChannels: channels, bias: added, addend: !added),
                .linear(weightChannels: channels, bias: added, addend: added),
                .linearInputGradient(weightChannels: channels, addend: added),
                .linearParameterGradient(weightChannels: channels, bias: added),
            ] as [Operation]
        }
    }

    // Whole chunks of tiles, parts of them and an odd part, one tile, few with wide weights, slices of a weight, and rows
    // of 64, 32 and 16 columns that are left over.
    private static let winograd =
        directions(convolutions, 2, [8, 8], 0..<32, of: 32, to: 32)
        + directions(convolutions, 1, [32, 20], 0..<32, of: 32, to: 32)
        + directions(convolutions, 3, [2, 6], 32..<64, of: 96, to: 96)
        + directions(convolutions, 1, [2, 2], 0..<64, of: 64, to: 32)
        + directions(convolutions, 2, [4, 4], 0..<128, of: 160, to: 96)
        + directions(convolutions, 1, [26, 26], 0..<32, of: 32, to: 32)
    private static let linear =
        directions(linears, 2, [8, 8], 0..<32, of: 32, to: 96)
        + directions(linears, 3, [5, 7], 16..<64, of: 80, to: 48)
        + directions(linears, 1, [1, 1], 0..<64, of: 64, to: 112)
        + directions(linears, 1, [9, 15], 0..<96, of: 96, to: 32)
        + directions(pointwise, 2, [3, 4], 32..<96, of: 96, to: 48)
    private static let float32 =
        directions(convolutions, 1, [8, 8], 0..<16, of: 16, to: 32)
        + directions(convolutions, 1, [5, 8], 0..<32, of: 32, to: 32)
        + directions(linears, 1, [4, 4], 0..<16, of: 16, to: 64) + directions(linears, 2, [], 0..<64, of: 64, to: 64)

    private func factors(_ operation: Operation) -> (activations: [Int], weight: Int?) {
        switch operation {
        case .convolutionParameterGradient, .linearParameterGradient: ([0, 1], nil)
        default: ([0], 1)
        }
    }

    private func backend(_ precision: Precision = .bf16) throws -> CPUBackend {
        try CPUBackend(precision: precision, bfloat16Unit: .vectors)
    }

    /// Small integers in activations, multiples of 4 in weights: Winograd's numbers are integers up to 18 then, which
    /// bfloat16 holds, so that results have to be those of float32. With every sharing of memory.
    @Test(arguments: winograd + linear) func exactFactorsGiveExactResults(_ testCase: OperationCase) throws {
        let slow = try PlacedCase(testCase, on: ReferenceBackend())
        var random = SplitMix64(seed: 5)
        func integers(_ count: Int, times factor: Double) -> [Double] {
            (0..<count).map { _ in factor * Double(Int(random.next() % 5) - 2) }
        }
        let (activations, weight) = factors(testCase.operation)
        var changed = activations.map { ($0, integers(slow.operands.inputs[$0].values.count, times: 1)) }
        if let weight { changed.append((weight, integers(slow.operands.inputs[weight].values.count, times: 4))) }
        for (index, values) in changed { slow.setInput(index, values) }
        let expected = try slow.outputs()
        for shared in [nil] + testCase.traits.sharablePairs {
            let placed = try PlacedCase(testCase, on: backend(), shared: shared)
            // The first weights are others: those in the other basis follow.
            _ = try placed.run()
            for (index, values) in changed { placed.setInput(index, values) }
            let found = try placed.outputs()
            for (index, output) in slow.operands.outputs.enumerated() {
                let error = relativeError(found[index], expected[index], shape: output.shape, parts: output.parts)
                #expect(error <= testCase.tolerance, "output \(index): error \(error) > \(testCase.tolerance)")
            }
            let first = try placed.run()
            #expect(try placed.run(parametersChanged: false).map(\.bitPattern) == first.map(\.bitPattern))
            #expect(placed.strayWrites(after: first).isEmpty)
        }
    }

    private static let gradients = winograd.filter { testCase in
        if case .convolutionParameterGradient = testCase.operation { true } else { false }
    }

    /// The gradient of a 3×3 convolution's weights is this one in every way: with tiles, but for the order of sums, and
    /// where bfloat16 is emulated.
    @Test(arguments: gradients, [Precision.bf16, .bf16Emulated]) func everyWayHasThisGradient(
        _ testCase: OperationCase, _ precision: Precision
    ) throws {
        let expected = try PlacedCase(testCase, on: backend())
        let found = try PlacedCase(testCase, on: CPUBackend(precision: precision, bfloat16Unit: .tiles)).outputs()
        for (index, values) in try expected.outputs().enumerated() {
            let output = expected.operands.outputs[index]
            let error = relativeError(found[index], values, shape: output.shape, parts: output.parts)
            #expect(error <= testCase.tolerance, "output \(index): error \(error) > \(testCase.tolerance)")
        }
    }

    /// Any others are rounded: as far from float32 as 8 bits of significand are. 9e-3 was measured.
    @Test(arguments: winograd + linear) func factorsAreRounded(_ testCase: OperationCase) throws {
        let full = try PlacedCase(testCase, on: backend(.fp32))
        let (expected, output) = (try full.outputs()[0], full.operands.outputs[0])
        let found = try PlacedCase(testCase, on: backend()).outputs()[0]
        let error = relativeError(found, expected, shape: output.shape, parts: output.parts)
        #expect(error > 1e-4 && error < 2e-2, "\(error)")
    }

    /// Too few channels, an odd number of rows, a vector an image: float32, to the bit.
    @Test(arguments: float32) func othersStay(_ testCase: OperationCase) throws {
        let full = try PlacedCase(testCase, on: backend(.fp32)).run()
        #expect(try PlacedCase(testCase, on: backend()).run().map(\.bitPattern) == full.map(\.bitPattern))
    }
}
