import ReferenceBackend
import TensorGraph
import Testing

/// Inputs are written whole: what is missing, unknown or of another size stops the program instead of training on zeros.
@Suite struct InputTests {
    static func executor() throws -> Executor {
        let graph = Graph()
        graph.keep(graph.input("a", [2]) + graph.input("b", [2]), as: "sum")
        let backend = ReferenceBackend()
        return try Executor(ExecutionPlan(graph), on: backend, parameters: backend.allocate(count: 0))
    }

    @Test func allOfThem() throws {
        let executor = try Self.executor()
        executor.write(["a": [1, 2], "b": [3, 4]])
        try executor.run()
        #expect(executor.read("sum") == [4, 6])
        #expect(Set(executor.plan.inputs.keys) == ["a", "b"])
    }

    @Test func missing() async {
        await #expect(processExitsWith: .failure) { try Self.executor().write(["a": [1, 2]]) }
    }

    @Test func unknown() async {
        await #expect(processExitsWith: .failure) { try Self.executor().write(["a": [1, 2], "b": [3, 4], "c": [5]]) }
    }

    @Test func anotherSize() async {
        await #expect(processExitsWith: .failure) { try Self.executor().write(["a": [1, 2], "b": [3]]) }
    }

    /// Nor is a gradient left out in silence.
    @Test func withoutDerivative() async {
        await #expect(processExitsWith: .failure) {
            let graph = Graph()
            let t = graph.input("t", [2])
            let y = t.sinusoidalEmbedding(dimension: 4)
            graph.differentiate([(y, seed: graph.constant(1, [2, 4]))], withRespectTo: [t])
        }
    }
}
