import CPUBackend
import ReferenceBackend
import TensorGraph
import Testing

/// The backend under test.
private func makeFastBackend() throws -> any Backend { try CPUBackend() }

/// The fast backend against the reference, in every case and with every sharing of memory that is permitted.
@Suite struct FastAgainstSlowTests {
    @Test(arguments: fastCases)
    func agrees(_ testCase: OperationCase) throws {
        let slow = try PlacedCase(testCase, on: ReferenceBackend()).outputs()
        let sharings: [(input: Int, output: Int)?] = [nil] + testCase.traits.sharablePairs
        for shared in sharings {
            let placed = try PlacedCase(testCase, on: makeFastBackend(), shared: shared)
            let fast = try placed.outputs()
            for (index, output) in placed.operands.outputs.enumerated() {
                let error = relativeError(fast[index], slow[index], shape: output.shape, parts: output.parts)
                #expect(
                    error <= testCase.tolerance,
                    "output \(index), shared \(String(describing: shared)): error \(error) > \(testCase.tolerance)")
            }
        }
    }

    /// Runs give the same bits, whether prepared once or anew, and touch nothing but the outputs.
    @Test(arguments: fastCases)
    func isDeterministicAndKeepsToItsOutputs(_ testCase: OperationCase) throws {
        let placed = try PlacedCase(testCase, on: makeFastBackend())
        let first = try placed.run()
        let second = try placed.run(parametersChanged: false)
        let anew = try PlacedCase(testCase, on: makeFastBackend()).run()
        #expect(differences(first, second) == 0, "a second run differs from the first")
        #expect(differences(first, anew) == 0, "a run prepared anew differs from the first")
        let stray = placed.strayWrites(after: first)
        #expect(stray.isEmpty, "written outside the outputs: elements \(stray.prefix(8))")
    }

    /// After a change of a parameter and `parametersChanged`, results are those of the new value.
    @Test(arguments: fastCases.filter { $0.values == .ordinary && !$0.traits.parameters.isEmpty })
    func followsChangedParameters(_ testCase: OperationCase) throws {
        let fast = try PlacedCase(testCase, on: makeFastBackend())
        let slow = try PlacedCase(testCase, on: ReferenceBackend())
        let before = try fast.outputs()
        for input in testCase.traits.parameters {
            // Another order, another scale: a result from an old weight cannot pass.
            let changed = fast.operands.inputs[input].values.reversed().map { Double(Float($0 * 0.75)) }
            fast.setInput(input, changed)
            slow.setInput(input, changed)
        }
        let (after, expected) = (try fast.outputs(), try slow.outputs())
        let followed = after != before
        #expect(followed, "the change of parameters changes nothing")
        for (index, output) in fast.operands.outputs.enumerated() {
            let error = relativeError(after[index], expected[index], shape: output.shape, parts: output.parts)
            #expect(error <= testCase.tolerance, "output \(index): error \(error) > \(testCase.tolerance)")
        }
    }
}

/// Number of elements that differ in any bit.
private func differences(_ a: [Float], _ b: [Float]) -> Int {
    zip(a, b).filter { $0.bitPattern != $1.bitPattern }.count
}
