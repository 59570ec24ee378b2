import ReferenceBackend
import TensorGraph
import Testing

/// The reference's conventions, by numbers worked out by hand, and its indifference to shared memory.
@Suite struct ReferenceTests {
    private func results(
        _ operation: Operation, _ inputs: [([Int], [Double])], shapes: [[Int]]
    ) -> [[Double]] {
        evaluate(operation, inputs.map { ReferenceTensor($0.0, $0.1) }, outputShapes: shapes).map(\.values)
    }

    private func expectClose(_ values: [Double], _ expected: [Double]) {
        #expect(values.count == expected.count)
        for (value, expected) in zip(values, expected) { #expect(abs(value - expected) < 1e-12) }
    }

    @Test func convolutionCorrelatesAndDoesNotFlip() {
        // Rows 1 2 3 / 4 5 6 with the kernel rows 1 10 / 100 1000: 1 + 20 + 400 + 5000, and one column on.
        let y = results(
            .convolution(ConvolutionGeometry(kernel: 2), weightChannels: 0..<1, bias: true, addend: false),
            [([1, 2, 3, 1], [1, 2, 3, 4, 5, 6]), ([1, 1, 2, 2], [1, 10, 100, 1000]), ([1], [0.5])],
            shapes: [[1, 1, 2, 1]])
        #expect(y == [[5421.5, 6532.5]])
    }

    @Test func convolutionTakesItsChannelsOfTheWeight() {
        // Channel 0 of x meets channel 1 of the weight; padding brings in zeros.
        let y = results(
            .convolution(ConvolutionGeometry(kernel: 3, padding: 1), weightChannels: 1..<2, bias: false, addend: true),
            [([1, 1, 1, 1], [2]), ([1, 2, 3, 3], (0..<18).map(Double.init)), ([1, 1, 1, 1], [100])],
            shapes: [[1, 1, 1, 1]])
        #expect(y == [[126]])
    }

    @Test func paddingCountsInNoWindow() {
        // Rows −1 −2 / −3 −4 with windows of 3×3 around each pixel: all four of them, every time.
        let x = ([1, 2, 2, 1], [-1, -2, -3, -4.0])
        let window = ConvolutionGeometry(kernel: 3, padding: 1)
        #expect(results(.maxPool(window), [x], shapes: [[1, 2, 2, 1]]) == [[-1, -1, -1, -1]])
        #expect(results(.averagePool(window), [x], shapes: [[1, 2, 2, 1]]) == [[-2.5, -2.5, -2.5, -2.5]])
        // One column to either side of each pixel, of its own row.
        let row = ConvolutionGeometry(oddKernel: 1, 3)
        #expect(results(.averagePool(row), [x], shapes: [[1, 2, 2, 1]]) == [[-1.5, -1.5, -3.5, -3.5]])
        #expect(results(.relu, [([1, 3], [-2, 0, 3])], shapes: [[1, 3]]) == [[0, 0, 3]])
    }

    @Test func groupsAreNeighbouringChannels() {
        // Groups (1, 3) and (10, 30): means 2 and 20, deviations 1 and 10.
        let y = results(
            .groupNorm(groups: 2, epsilon: 0),
            [([1, 1, 1, 4], [1, 3, 10, 30]), ([4], [1, 1, 2, 2]), ([4], [0, 0, 5, 5])],
            shapes: [[1, 1, 1, 4], [1, 2, 2]])
        #expect(y == [[-1, 1, 3, 7], [2, 1, 20, 0.1]])
    }

    @Test func scaleComesBeforeShift() {
        let y = results(
            .modulate, [([1, 1, 1, 2], [10, 20]), ([1, 4], [1, 2, 3, 4])], shapes: [[1, 1, 1, 2]])
        #expect(y == [[23, 64]])
    }

    @Test func rmsNormOfThreeAndFour() {
        // ‖(3, 4)‖ = 5, times √2; a position of zeros stays zero.
        let y = results(
            .rmsNorm(residual: false), [([1, 1, 2, 2], [3, 4, 0, 0]), ([1, 2, 1, 1], [1, 10])], shapes: [[1, 1, 2, 2]])[
                0]
        expectClose(y, [0.6, 8, 0, 0].map { $0 * 2.0.squareRoot() })
    }

    @Test func attentionOverEqualKeysIsTheMeanOfTheValues() {
        // Two positions, one head of two channels: q, k, v in turn. Equal keys weigh all positions alike.
        let qkv: ([Int], [Double]) = ([1, 1, 2, 6], [1, 1, 3, 3, 2, 10, 5, 5, 3, 3, 4, 30])
        let full = results(
            .fullAttention(heads: 1, headDim: 2), [qkv], shapes: [[1, 1, 2, 2], [1, 1, 2]])
        expectClose(full[0], [3, 20, 3, 20])
        let linear = results(
            .linearAttention(heads: 1, headDim: 2), [qkv], shapes: [[1, 1, 2, 2], [1, 1, 2, 6], [1, 1, 2, 2]])
        // q is softened to ½ each, scaled by 1/√2: the sum over d of two equal contexts.
        expectClose(linear[0], [3, 20, 3, 20].map { $0 / 2.0.squareRoot() })
        expectClose(linear[2], [3, 20, 3, 20])
    }

    @Test func rankOneUpdateIsTheMatrixItStandsFor() {
        // p = (1, 2), r = (3, 4): p (p·r) = (11, 22); softplus(0) = ln 2, softplus(80) = 80.
        let y = results(
            .rankOneUpdate(layer: 1), [([1, 2], [3, 4]), ([1, 2], [1, 2]), ([2], [0, 80])], shapes: [[1, 2]])
        #expect(y == [[251, 342]])
    }

    @Test func embeddingHasSinesThenCosines() {
        // Frequencies 1 and 1/10000.
        let y = results(.sinusoidalEmbedding(dimension: 4), [([1], [1])], shapes: [[1, 4]])[0]
        expectClose(y, [0.8414709848078965, 9.9999999833e-5, 0.5403023058681398, 0.999999995])
    }

    @Test func lossIsTheWeightedMeanPerSample() {
        let inputs: [([Int], [Double])] = [([2, 2], [1, 2, 3, 4]), ([2, 2], [0, 0, 3, 6]), ([2], [1, 10])]
        #expect(results(.weightedSquaredError, inputs, shapes: [[2]]) == [[2.5, 20]])
        let scaled = [([2], [0.5, 0.25])] + inputs
        #expect(results(.weightedSquaredErrorGradient, scaled, shapes: [[2, 2]]) == [[0.5, 1, 0, -5]])
    }

    /// Results do not depend on permitted sharing, and nothing outside the outputs is written.
    @Test(arguments: gradientCases + operationCases.filter { $0.derivative != nil && $0.channels < 9 })
    func sharingChangesNothing(_ testCase: OperationCase) throws {
        let apart = try PlacedCase(testCase, on: ReferenceBackend())
        let expected = try apart.outputs()
        #expect(apart.strayWrites(after: try apart.run()).isEmpty)
        for shared in apart.operands.traits(of: testCase.operation).sharablePairs {
            let together = try PlacedCase(testCase, on: ReferenceBackend(), shared: shared)
            let same = try together.outputs() == expected
            #expect(same, "shared \(shared)")
        }
    }
}
