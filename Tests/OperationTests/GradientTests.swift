import ReferenceBackend
import TensorGraph
import TestSupport
import Testing

/// The reference's gradient operations against central differences of its forward operations, in double precision.
@Suite struct OperationGradientTests {
    /// Half the distance of the two points of a difference; its error is about h², that of rounding 1e-16/h.
    private static let step = 1e-5
    /// Largest allowed error, relative to the largest element of the gradient.
    private static let tolerance = 1e-8
    /// At most so many elements of an operand are looked at.
    private static let elementsPerOperand = 24

    @Test(arguments: gradientCases)
    func gradientIsSlopeOfForward(_ testCase: OperationCase) throws {
        let operands = testCase.operands()
        let shapes = operands.outputs.map(\.shape)
        let inputs = operands.inputs
        var random = SplitMix64(seed: 3)
        let forward = evaluate(testCase.operation, inputs, outputShapes: shapes)
        var cotangent = random.normals(shapes[0])
        if testCase.operation == .weightedSquaredError { cotangent = cotangent.map { _ in Double(lossScale) } }

        let rules = try #require(gradientRules(of: testCase.operation, inputShapes: inputs.map(\.shape)))
        #expect(!rules.isEmpty)
        for rule in rules {
            let gradients = try run(
                rule, inputs: inputs, outputs: forward, cotangent: cotangent, random: &random)
            for (result, gradient) in zip(rule.results, gradients) {
                let scale = gradient.values.map(abs).max() ?? 0
                #expect(scale > 0, "the gradient of input \(result.input) is zero: nothing is tested")
                for element in elements(of: gradient, &random) {
                    let slope = slope(
                        testCase.operation, inputs, shapes, cotangent: cotangent, input: result.input,
                        element: element)
                    let error = abs(gradient.values[element] - slope) / scale
                    #expect(
                        error <= Self.tolerance,
                        """
                        input \(result.input), element \(element): gradient \(gradient.values[element]), \
                        slope \(slope), error \(error)
                        """)
                }
            }
        }
    }

    /// Runs the rule's operation on the reference backend and returns what it contributes to each gradient.
    ///
    /// Assigned outputs start from garbage; accumulated ones from numbers that are subtracted again; so does a
    /// gradient so far. What comes back is the gradient alone only if the operation keeps to the rules.
    private func run(
        _ rule: GradientRule, inputs: [ReferenceTensor], outputs: [ReferenceTensor], cotangent: ReferenceTensor,
        random: inout SplitMix64
    ) throws -> [ReferenceTensor] {
        guard let operation = rule.operation else { return [cotangent] }
        var gradientsSoFar: [Int: ReferenceTensor] = [:]
        let sources = rule.sources.map { source in
            switch source {
            case .cotangent: return cotangent
            case .input(let index): return inputs[index]
            case .output(let index): return outputs[index]
            case .gradientSoFar(let index):
                let tensor = random.normals(inputs[index].shape)
                gradientsSoFar[index] = tensor
                return tensor
            }
        }
        let initial = rule.results.map { result in
            result.accumulates
                ? random.normals(inputs[result.input].shape)
                : ReferenceTensor(inputs[result.input].shape, repeating: .nan)
        }
        let results = try run(operation, sources, initial: initial)
        return zip(zip(results, initial), rule.results).map { pair, result in
            let before = result.accumulates ? pair.1 : gradientsSoFar[result.input]
            return before.map { pair.0.zip($0) { $0 - $1 } } ?? pair.0
        }
    }

    /// Runs an operation through the backend's memory, unrounded, its outputs holding `initial` before.
    private func run(
        _ operation: Operation, _ inputs: [ReferenceTensor], initial: [ReferenceTensor]
    ) throws -> [ReferenceTensor] {
        let backend = ReferenceBackend()
        let operands = (inputs + initial).map { tensor in
            let memory = ReferenceMemory(count: tensor.values.count)
            memory.writeDouble(tensor.values, at: 0)
            return (memory, Operand(memory: memory, offset: 0, shape: tensor.shape))
        }
        let prepared = try backend.prepare(
            operation, inputs: operands.prefix(inputs.count).map(\.1), outputs: operands.suffix(initial.count).map(\.1))
        try prepared.run()
        return operands.suffix(initial.count).map { memory, operand in
            ReferenceTensor(operand.shape, memory.readDouble(0..<operand.count))
        }
    }

    /// Indices of all elements, or of a random choice of them.
    private func elements(of tensor: ReferenceTensor, _ random: inout SplitMix64) -> [Int] {
        let indices = Array(tensor.values.indices)
        guard indices.count > Self.elementsPerOperand else { return indices }
        return Array(indices.shuffled(using: &random).prefix(Self.elementsPerOperand))
    }

    /// `Σ cotangent·(y(+h) − y(−h)) / 2h`, y the first output.
    private func slope(
        _ operation: Operation, _ inputs: [ReferenceTensor], _ shapes: [[Int]], cotangent: ReferenceTensor,
        input: Int, element: Int
    ) -> Double {
        let ends = [Self.step, -Self.step].map { step in
            var moved = inputs
            moved[input].values[element] += step
            return evaluate(operation, moved, outputShapes: shapes)[0]
        }
        let change = ends[0].zip(ends[1]) { $0 - $1 }
        return change.zip(cotangent) { $0 * $1 }.values.reduce(0, +) / (2 * Self.step)
    }
}
