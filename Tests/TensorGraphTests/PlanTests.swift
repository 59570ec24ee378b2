import Diffusion
import NeuralNetwork
import TensorGraph
import Testing

@Suite struct PlanTests {
    let graph = SquaredError(smallModel()).graph(batch: 2, scale: 1)

    /// Replays the plan with tags instead of numbers: every operand must still hold what was written for it.
    @Test func noValueIsOverwrittenWhileItIsNeeded() throws {
        let plan = ExecutionPlan(graph)
        var owner = [Int](repeating: -1, count: plan.activationCount)
        func own(_ value: Int) {
            guard let offset = plan.activationOffsets[value] else { return }
            for element in offset..<offset + plan.values[value].count { owner[element] = value }
        }
        func holds(_ value: Int) -> Bool {
            guard let offset = plan.activationOffsets[value] else { return true }
            return (offset..<offset + plan.values[value].count).allSatisfy { owner[$0] == value }
        }
        for (value, info) in plan.values.enumerated() { if case .input = info.role { own(value) } }
        for (index, node) in plan.nodes.enumerated() {
            for input in node.inputs { #expect(holds(input), "operand \(input) of node \(index), \(node.operation)") }
            for output in node.outputs { own(output) }
        }
        for (name, value) in plan.results { #expect(holds(value), "result \(name)") }
    }

    /// An output lies over an input only where the operation allows it.
    @Test func operandsShareMemoryOnlyWhereAllowed() {
        let plan = ExecutionPlan(graph)
        func range(_ value: Int) -> Range<Int>? {
            plan.activationOffsets[value].map { $0..<$0 + plan.values[value].count }
        }
        var shared = 0
        for node in plan.nodes {
            for (o, output) in node.outputs.enumerated() {
                for (i, input) in node.inputs.enumerated() {
                    guard let a = range(output), let b = range(input), a.overlaps(b) else { continue }
                    shared += 1
                    let traits = node.operation.traits(
                        node.inputs.map { plan.values[$0].shape }, node.outputs.map { plan.values[$0].shape })
                    #expect(a == b && traits.sharablePairs.contains { $0 == (i, o) }, "\(node.operation)")
                }
            }
        }
        #expect(shared > 0)
    }

    /// Liveness makes the arena much smaller than the sum of all values.
    @Test func memoryIsReused() {
        let plan = ExecutionPlan(graph)
        let sum = plan.activationOffsets.keys.reduce(0) { $0 + plan.values[$1].count }
        #expect(plan.activationCount < sum / 2)
    }

    /// Buckets cover the gradient arena once, and none is called ready before its last writer.
    @Test(arguments: [1, 100, 5_000, 1 << 30])
    func bucketsCoverTheArena(minimumCount: Int) {
        let plan = ExecutionPlan(graph)
        let buckets = plan.gradientBuckets(minimumCount: minimumCount)
        var end = 0
        for bucket in buckets {
            #expect(bucket.range.lowerBound == end)
            end = bucket.range.upperBound
            for (index, node) in plan.nodes.enumerated() where index > bucket.readyAfter {
                for output in node.outputs {
                    guard case .parameterGradient(let parameter) = plan.values[output].role,
                        let range = plan.layout.range(graph.parameters[parameter].name)
                    else { continue }
                    #expect(!range.overlaps(bucket.range), "node \(index) still writes to \(bucket.range)")
                }
            }
        }
        #expect(end == plan.layout.count)
    }

    /// The published sizes have the published numbers of parameters: 28.5 million, 29.4 with SMD.
    @Test func publishedParameterCounts() {
        var model = ModelConfiguration()
        func millions() -> Double { Double(Denoiser(model).inferenceGraph(batch: 1).parameterCount) / 1e6 }
        #expect(abs(millions() - 29.4) < 0.05, "\(millions())")
        model.smd = false
        #expect(abs(millions() - 28.5) < 0.05, "\(millions())")
    }

    /// The published sizes cost 26.9 GFLOP a training image, `fashion` 2.04 (forward and backward).
    @Test func publishedCost() {
        var model = ModelConfiguration()
        model.smd = false
        let cifar = ExecutionPlan(SquaredError(model).graph(batch: 1, scale: 1))
        #expect(abs(Double(cifar.floatingPointOperations) / 26.9e9 - 1) < 0.02, "\(cifar.floatingPointOperations)")
        model.channels = 1
        model.unet.dim = 32
        let fashion = ExecutionPlan(SquaredError(model).graph(batch: 1, scale: 1))
        #expect(abs(Double(fashion.floatingPointOperations) / 2.04e9 - 1) < 0.02, "\(fashion.floatingPointOperations)")
    }
}
