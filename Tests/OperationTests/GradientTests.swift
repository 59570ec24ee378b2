import ReferenceBackend
import TensorGraph
import TestSupport
import Testing

/// Reverse mode by the rules of each operation, on the reference backend, against central differences of the forward
/// operation in double precision.
@Suite struct OperationGradientTests {
    /// Half the distance of the two points of a difference; its error is about h², that of rounding 1e-16/h.
    private static let step = 1e-5
    /// Largest allowed error, relative to the largest element of the gradient.
    private static let tolerance = 1e-8
    /// At most so many elements of an operand are looked at.
    private static let elementsPerOperand = 24

    /// - Parameter addsUp: whether inputs are outputs, too: then there is a gradient already which is added to.
    @Test(arguments: gradientCases, [false, true])
    func gradientIsSlopeOfForward(_ testCase: OperationCase, addsUp: Bool) throws {
        let operands = testCase.operands()
        var random = SplitMix64(seed: 3)
        let traits = operands.traits(of: testCase.operation)
        let known = Set(traits.gradient.flatMap(\.results))
        let activations = known.filter { !traits.parameters.contains($0) }.sorted()
        // Gradients of parameters start from these numbers, which are taken away again.
        let before = operands.inputs.map { random.normals($0.shape) }
        let run = try Differentiated(testCase.operation, operands, activations, addsUp: addsUp, &random)
        let gradients = try run.gradients(startingFrom: before)

        for input in known.sorted() {
            let gradient = try #require(gradients[input])
            let scale = gradient.values.map(abs).max() ?? 0
            #expect(scale > 0, "the gradient of input \(input) is zero: nothing is tested")
            for element in elements(of: gradient, &random) {
                let ends = [Self.step, -Self.step].map { step in
                    var moved = operands.inputs
                    moved[input].values[element] += step
                    let y = evaluate(testCase.operation, moved, outputShapes: operands.outputs.map(\.shape))[0]
                    return y.zip(run.seed) { $0 * $1 }.values.reduce(0, +)
                }
                let slope = (ends[0] - ends[1]) / (2 * Self.step) + (run.inputSeeds[input]?.values[element] ?? 0)
                let error = abs(gradient.values[element] - slope) / scale
                #expect(
                    error <= Self.tolerance,
                    "input \(input), element \(element): gradient \(gradient.values[element]), slope \(slope)")
            }
        }
    }

    /// Indices of all elements, or of a random choice of them.
    private func elements(of tensor: ReferenceTensor, _ random: inout SplitMix64) -> [Int] {
        let indices = Array(tensor.values.indices)
        guard indices.count > Self.elementsPerOperand else { return indices }
        return Array(indices.shuffled(using: &random).prefix(Self.elementsPerOperand))
    }
}

/// A graph of one operation with its derivative, in double precision.
private struct Differentiated {
    /// What the gradient of the first output starts from, and those of inputs that are outputs, too.
    let seed: ReferenceTensor
    private(set) var inputSeeds: [Int: ReferenceTensor] = [:]
    private let operands: CaseOperands
    private let traits: OperationTraits
    private let activations: [Int]
    private let executor: Executor
    private let parameters: ReferenceMemory
    private let gradients: ReferenceMemory

    init(
        _ operation: Operation, _ operands: CaseOperands, _ activations: [Int], addsUp: Bool,
        _ random: inout SplitMix64
    ) throws {
        self.operands = operands
        self.activations = activations
        traits = operands.traits(of: operation)
        seed = random.normals(operands.outputs[0].shape)
        let graph = Graph()
        let inputs = operands.inputs.enumerated().map { [traits] index, input in
            traits.parameters.contains(index)
                ? graph.parameter("\(index)", input.shape, .constant(0)) : graph.input("\(index)", input.shape)
        }
        let y = graph.append(operation, inputs, outputs: operands.outputs.map(\.shape))[0]
        var outputs = [(output: y, seed: graph.input("seed", y.shape))]
        for index in addsUp ? activations : [] {
            inputSeeds[index] = random.normals(inputs[index].shape)
            outputs.append((inputs[index], graph.input("seed \(index)", inputs[index].shape)))
        }
        let found = graph.differentiate(outputs, withRespectTo: activations.map { inputs[$0] })
        for (index, gradient) in zip(activations, found) { graph.keep(try #require(gradient), as: "d\(index)") }
        let plan = ExecutionPlan(graph)
        parameters = ReferenceMemory(count: plan.layout.count)
        gradients = ReferenceMemory(count: plan.layout.count)
        executor = try Executor(plan, on: ReferenceBackend(), parameters: parameters, gradients: gradients)
    }

    /// The gradient of each input that has one, without what those of parameters start from.
    func gradients(startingFrom before: [ReferenceTensor]) throws -> [Int: ReferenceTensor] {
        let layout = executor.plan.layout
        guard let activationMemory = executor.activations as? ReferenceMemory else { return [:] }
        // Whatever is computed has to be assigned.
        activationMemory.writeDouble(Array(repeating: .nan, count: activationMemory.count), at: 0)
        func write(_ name: String, _ tensor: ReferenceTensor) {
            guard let range = executor.inputRange(name) else { return }
            activationMemory.writeDouble(tensor.values, at: range.lowerBound)
        }
        write("seed", seed)
        for (index, seed) in inputSeeds { write("seed \(index)", seed) }
        for (index, input) in operands.inputs.enumerated() {
            write("\(index)", input)
            guard let place = layout.range("\(index)") else { continue }
            parameters.writeDouble(input.values, at: place.lowerBound)
            gradients.writeDouble(before[index].values, at: place.lowerBound)
        }
        try executor.parametersChanged()
        try executor.run()
        var result: [Int: ReferenceTensor] = [:]
        for index in traits.parameters {
            guard let place = layout.range("\(index)") else { continue }
            let sum = ReferenceTensor(before[index].shape, gradients.readDouble(place))
            result[index] = sum.zip(before[index]) { $0 - $1 }
        }
        for index in activations {
            guard let place = executor.resultRange("d\(index)") else { continue }
            result[index] = ReferenceTensor(operands.inputs[index].shape, activationMemory.readDouble(place))
        }
        return result
    }
}
