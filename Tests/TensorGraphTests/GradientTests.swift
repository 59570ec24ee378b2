import NeuralNetwork
import ReferenceBackend
import TensorGraph
import Testing

@Suite struct GraphGradientTests {
    /// The derivative of the whole network against central differences, one element of every parameter.
    @Test(arguments: [(true, false), (true, true), (false, false)])
    func wholeNetwork(smd: Bool, selfCondition: Bool) throws {
        let model = smallModel(smd: smd, selfCondition: selfCondition)
        let network = try Network(DenoiserGraph.training(model, batch: 2, lossScale: 0.5).graph)
        _ = try network.loss()
        let gradients = network.gradients.readDouble(0..<network.plan.layout.count)
        let largest = gradients.map(abs).max() ?? 0
        #expect(largest > 1e-3)
        let h = 1e-6
        for (index, parameter) in network.plan.layout.parameters.enumerated() {
            let element = network.plan.layout.offsets[index] + (index * 7) % parameter.count
            let value = network.parameters.readDouble(element..<element + 1)[0]
            func loss(at x: Double) throws -> Double {
                network.parameters.writeDouble([x], at: element)
                try network.executor.parametersChanged()
                return try network.loss()
            }
            let difference = 0.5 * (try loss(at: value + h) - loss(at: value - h)) / (2 * h)
            network.parameters.writeDouble([value], at: element)
            #expect(
                abs(difference - gradients[element]) <= 1e-6 * largest,
                "\(parameter.name): \(gradients[element]) against \(difference)")
        }
    }

    /// A fused graph computes what the plain one computes.
    @Test(arguments: [(true, false), (true, true), (false, false)])
    func fusionChangesNothing(smd: Bool, selfCondition: Bool) throws {
        let model = smallModel(smd: smd, selfCondition: selfCondition)
        let plainGraph = DenoiserGraph.training(model, batch: 2, lossScale: 1, fused: false).graph
        let fusedGraph = DenoiserGraph.training(model, batch: 2, lossScale: 1).graph
        let operations = fusedGraph.nodes.map(\.operation)
        #expect(fusedGraph.nodes.count < plainGraph.nodes.count)
        func count(_ graph: Graph) -> Int { graph.nodes.count { $0.operation == .silu } }
        #expect(count(fusedGraph) == (smd ? 2 : 1) && count(plainGraph) > 10)  // only those of time embeddings stay
        #expect(!operations.contains(.modulate) && !operations.contains(.modulateGradient))
        let plain = try Network(plainGraph)
        let fused = try Network(fusedGraph, layout: plain.plan.layout)
        let (a, b) = (try plain.loss(), try fused.loss())
        #expect(abs(a - b) <= 1e-12 * abs(a))
        let (ga, gb) = (plain.gradients, fused.gradients)
        let all = 0..<plain.plan.layout.count
        let largest = ga.readDouble(all).map(abs).max() ?? 0
        for (x, y) in zip(ga.readDouble(all), gb.readDouble(all)) { #expect(abs(x - y) <= 1e-11 * largest) }
    }

    /// Both hypernetworks of the published sizes are one operation each, in training and in sampling; where products read
    /// another format than float32 they stay the products that they are.
    @Test func hypernetworksAreOneOperation() {
        func count(_ graph: Graph, _ name: String) -> Int { graph.nodes.filter { $0.operation.name == name }.count }
        for layers in 1...3 {
            var model = ModelConfiguration()
            model.hypernetLayers = layers
            func training(_ precision: Precision) -> Graph {
                DenoiserGraph.training(model, batch: 1, lossScale: 1, precision: precision).graph
            }
            for graph in [training(.fp32), DenoiserGraph.inference(model, batch: 1).graph] {
                #expect(count(graph, "hyperNetwork") == 2)
                #expect(count(graph, "rankOneUpdate") == 0 && count(graph, "rankOneUpdateGradient") == 0)
            }
            let gradients = training(.fp32).nodes.map(\.operation).filter { $0.name == "hyperNetworkGradient" }
            // The second to be walked adds to the gradient of z.
            #expect(gradients == [false, true].map { .hyperNetworkGradient(layers: layers, addend: $0) })
            for precision in [Precision.bf16, .bf16Emulated] {
                let graph = training(precision)
                #expect(count(graph, "hyperNetwork") == 0 && count(graph, "hyperNetworkGradient") == 0)
                #expect(count(graph, "rankOneUpdate") == 2 * layers)
                #expect(count(graph, "rankOneUpdateGradient") == 2 * layers)
            }
            var narrow = model
            narrow.dim = 32
            narrow.latentDim = 32
            #expect(count(DenoiserGraph.inference(narrow, batch: 1, precision: .bf16).graph, "hyperNetwork") == 2)
            var wide = model
            wide.latentDim = 129
            #expect(count(DenoiserGraph.inference(wide, batch: 1).graph, "hyperNetwork") == 0)
            let whole = ExecutionPlan(training(.fp32))
            let parts = ExecutionPlan(training(.bf16))
            #expect(whole.floatingPointOperations == parts.floatingPointOperations)
            #expect(whole.activationCount < parts.activationCount)
        }
    }

    /// Results computed again in the backward pass are the same bits as those kept, and take less memory.
    @Test(arguments: [(true, true), (true, false), (false, true)])
    func recomputationChangesNothing(smd: Bool, fused: Bool) throws {
        let model = smallModel(smd: smd)
        let keptGraph = DenoiserGraph.training(model, batch: 2, lossScale: 1, fused: fused, recomputed: false).graph
        let kept = try Network(keptGraph)
        let again = try Network(
            DenoiserGraph.training(model, batch: 2, lossScale: 1, fused: fused).graph, layout: kept.plan.layout)
        #expect(again.plan.nodes.count > kept.plan.nodes.count)
        #expect(again.plan.activationCount < kept.plan.activationCount)
        #expect(try kept.loss() == again.loss())
        let all = 0..<kept.plan.layout.count
        #expect(kept.gradients.readDouble(all) == again.gradients.readDouble(all))
    }

    /// Gradients of micro-batches add up.
    @Test func gradientsAccumulate() throws {
        let network = try Network(DenoiserGraph.training(smallModel(), batch: 1, lossScale: 1).graph)
        let all = 0..<network.plan.layout.count
        _ = try network.loss()
        let once = network.gradients.readDouble(all)
        _ = try network.loss()
        for (two, one) in zip(network.gradients.readDouble(all), once) {
            #expect(abs(two - 2 * one) <= 1e-12 * abs(one))
        }
    }
}
