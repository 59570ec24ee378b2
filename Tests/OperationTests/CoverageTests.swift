import TensorGraph
import Testing

/// That no operation is left without a test.
@Suite struct CoverageTests {
    @Test(arguments: OperationKind.allCases)
    func everyOperationHasFastCases(_ kind: OperationKind) {
        #expect(fastCases.contains { OperationKind($0.operation) == kind })
    }

    @Test(arguments: OperationKind.allCases)
    func everyDerivativeHasGradientCases(_ kind: OperationKind) {
        let rules = gradientCases.flatMap { testCase in
            gradientRules(of: testCase.operation, inputShapes: testCase.operands().inputs.map(\.shape)) ?? []
        }
        let forward = Set(gradientCases.map { OperationKind($0.operation) })
        let backward = Set(rules.compactMap(\.operation).map { OperationKind($0) })
        switch kind {
        case .sinusoidalEmbedding, .constant:
            #expect(!forward.contains(kind), "neither a timestep nor a constant has a gradient")
        case .sliceChannels:
            #expect(backward.contains(kind), "a slice is the gradient of a concatenation")
        default:
            #expect(kind.isGradient ? backward.contains(kind) : forward.contains(kind))
        }
    }
}
