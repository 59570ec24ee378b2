import Foundation
import TensorGraph
import TestSupport
import Testing

/// That no operation is left without a test.
@Suite struct CoverageTests {
    /// The names of the cases of `Operation`, from its source.
    private func names() throws -> Set<String> {
        let path = repositoryFolder + "/Sources/TensorGraph/Operation.swift"
        let source = try String(contentsOfFile: path, encoding: .utf8)
        return Set(source.matches(of: /\n    case ([a-zA-Z]+)/).map { String($0.output.1) })
    }

    @Test func everyOperationHasCases() throws {
        let names = try names()
        #expect(names.count > 30 && names.contains("silu"))
        #expect(Set(operationCases.map(\.operation.name)) == names)
    }

    @Test func everyDerivativeHasGradientCases() throws {
        let forward = Set(gradientCases.map(\.operation.name))
        let backward = Set(gradientCases.flatMap(\.derivatives).map(\.operation.name))
        // Neither a timestep nor a constant has a gradient; a slice is the gradient of a concatenation, and a
        // reshape its own. Of networks that are
        // only evaluated, some operations have none.
        let without: Set = ["sinusoidalEmbedding", "constant", "relu", "maxPool"]
        #expect(try names() == forward.union(backward).union(without))
        #expect(backward.allSatisfy { $0.hasSuffix("Gradient") || ["sliceChannels", "reshape"].contains($0) })
    }
}
