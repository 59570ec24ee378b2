import ReferenceBackend
import TensorGraph
import TestSupport

/// A case whose operands lie in memory of a backend, ready to run: inputs, then outputs, each followed by a gap.
///
/// Gaps hold a NaN of a payload of their own, so that a write into one is seen, and a read of one shows in the results.
/// Outputs that are assigned hold NaN before a run; those that accumulate hold normal numbers.
final class PlacedCase {
    private static let gap = Float(nan: 0x2A, signaling: false)

    let operands: CaseOperands
    private let memory: any Memory
    private let inputs: [Operand]
    private let outputs: [Operand]
    private var contents: [Float]
    private let prepared: PreparedOperation
    /// What outputs that accumulate hold before a run; empty for the others.
    let initial: [[Double]]

    /// - Parameter shared: an input and an output that are to be one in memory.
    init(_ testCase: OperationCase, on backend: any Backend, shared: (input: Int, output: Int)? = nil) throws {
        let operands = testCase.operands()
        var contents: [Float] = Self.gapAfter(0)
        var inputOffsets: [Int] = []
        for input in operands.inputs {
            inputOffsets.append(contents.count)
            contents += input.values.map(Float.init)
            contents += Self.gapAfter(contents.count)
        }
        var random = SplitMix64(seed: 2)
        var outputOffsets: [Int] = []
        var initial: [[Double]] = []
        for (index, output) in operands.outputs.enumerated() {
            initial.append(output.accumulates ? random.normals(output.shape).values : [])
            if let shared, shared.output == index {
                outputOffsets.append(inputOffsets[shared.input])
                continue
            }
            outputOffsets.append(contents.count)
            let count = output.shape.reduce(1, *)
            contents +=
                output.accumulates ? initial[index].map(Float.init) : [Float](repeating: .nan, count: count)
            contents += Self.gapAfter(contents.count)
        }
        let memory = try backend.allocate(count: contents.count)
        inputs = zip(operands.inputs, inputOffsets).map { Operand(memory: memory, offset: $1, shape: $0.shape) }
        outputs = zip(operands.outputs, outputOffsets).map { Operand(memory: memory, offset: $1, shape: $0.shape) }
        prepared = try backend.prepare(testCase.operation, inputs: inputs, outputs: outputs)
        self.operands = operands
        self.memory = memory
        self.contents = contents
        self.initial = initial
    }

    /// At least 16 elements of gap, up to the next multiple of 16.
    private static func gapAfter(_ count: Int) -> [Float] {
        [Float](repeating: gap, count: 16 + (16 - count % 16) % 16)
    }

    /// Changes the values of an input for the runs to come.
    func setInput(_ index: Int, _ values: [Double]) {
        contents.replaceSubrange(range(inputs[index]), with: values.map(Float.init))
    }

    /// Puts all operands in place again, runs, and returns the whole memory.
    func run(parametersChanged: Bool = true) throws -> [Float] {
        memory.write(contents, at: 0)
        if parametersChanged { for derived in prepared.derived { try derived.rebuild() } }
        try prepared.run()
        return memory.read(0..<contents.count)
    }

    /// Runs and returns the outputs; in double precision where the memory holds it.
    func outputs(parametersChanged: Bool = true) throws -> [[Double]] {
        let after = try run(parametersChanged: parametersChanged)
        return outputs.map { output in
            (memory as? ReferenceMemory)?.readDouble(range(output)) ?? after[range(output)].map(Double.init)
        }
    }

    /// Elements outside the outputs, inputs and gaps alike, that differ in any bit from what they were before the run.
    func strayWrites(after: [Float]) -> [Int] {
        let written = outputs.map(range)
        return contents.indices.filter { index in
            contents[index].bitPattern != after[index].bitPattern && !written.contains { $0.contains(index) }
        }
    }

    private func range(_ operand: Operand) -> Range<Int> { operand.offset..<operand.offset + operand.count }
}
