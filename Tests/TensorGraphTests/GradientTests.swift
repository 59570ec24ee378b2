import Diffusion
import NeuralNetwork
import ReferenceBackend
import TensorGraph
import Testing

@Suite struct GraphGradientTests {
    /// The derivative of the whole network against central differences, one element of every parameter.
    @Test(arguments: TrainedCase.all) func wholeNetwork(_ trained: TrainedCase) throws {
        try expectSlopes(of: trained.loss)
    }

    /// The same of a shift that is trained with the network: of each class the gradient of its numbers, through what the network
    /// is shown and through what is taken off its output.
    @Test(arguments: [ShiftKind.prior, .data, .quadratic]) func shiftTable(kind: ShiftKind) throws {
        var diffusion = DiffusionConfiguration()
        (diffusion.shift, diffusion.shiftBy, diffusion.shiftClasses) = (kind, .classTable, 3)
        let loss = SquaredError(smallModel(), diffusion)
        #expect(loss.graph(batch: 2, scale: 0.5).parameters.contains { $0.name == ShiftTable.name })
        try expectSlopes(of: loss)
    }

    /// The loss of a table is that of a fixed shift by its numbers, of which g is in the place of the noise.
    @Test(arguments: [ShiftKind.prior, .data, .quadratic]) func aTableIsAShift(kind: ShiftKind) throws {
        var diffusion = DiffusionConfiguration()
        (diffusion.shift, diffusion.shiftBy, diffusion.shiftClasses) = (kind, .classTable, 3)
        let (trained, fixed) = (SquaredError(smallModel(), diffusion), SquaredError(smallModel()))
        let table = try #require(trained.shiftTable)
        let network = try Network(trained.graph(batch: 2, scale: 1))
        let range = try #require(network.plan.layout.range(ShiftTable.name))
        let means = table.means(network.parameters.readDouble(range).map { Float($0) })
        let (x0, labels): ([Float], [Float]) = ((0..<64).map { 0.03 * Float($0) - 1 }, [2, 0])
        let drawn = Drawn(trained.draws, seed: 1, at: [(0, 0), (0, 1)])
        network.executor.write(
            trained.inputs(x0: x0, drawn).merging(table.inputs(timesteps: drawn.timesteps, labels: labels)) { $1 })
        let other = try Network(fixed.graph(batch: 2, scale: 1), layout: network.plan.layout)
        let g = Shift(diffusion, means: means, classes: 3)
            .shifted(noise: drawn["noise"], timesteps: drawn.timesteps, labels: labels)
        other.executor.write(fixed.inputs(x0: x0, drawn.with(noise: g)))
        let (found, wanted) = (try network.loss(), try other.loss())
        #expect(abs(found - wanted) <= 1e-5 * wanted, "\(found), \(wanted)")
        other.executor.write(fixed.inputs(x0: x0, drawn))
        #expect(try abs(other.loss() - wanted) > 1e-3 * wanted)
    }

    /// The same of a classifier. Its names are those of the U-Net's way down.
    @Test func wholeClassifier() throws {
        var model = smallModel(smd: false)
        model.classes = 3
        let loss = CrossEntropy(model, DiffusionConfiguration(), noised: false)
        try expectSlopes(of: loss)
        let names = Set(loss.graph(batch: 1, scale: 1).parameters.map(\.name))
        let unet = Set(SquaredError(model).graph(batch: 1, scale: 1).parameters.map(\.name))
        let shared = names.filter { !$0.hasPrefix("classifier.head.") }
        #expect(names.subtracting(shared) == ["classifier.head.weight", "classifier.head.bias"])
        #expect(Set(shared.map { $0.replacing("classifier.", with: "model.") }).isSubset(of: unet))
        #expect(shared.contains("classifier.init_conv.weight") && shared.contains { $0.contains("mid_block2") })
    }

    /// The same of a generator, its discriminator and its regressor: each by its own loss, with the others held.
    @Test(arguments: [true, false]) func generatorAndDiscriminator(smd: Bool) throws {
        var (diffusion, model) = (DiffusionConfiguration(), smallModel(smd: smd))
        (diffusion.adversary.weight, diffusion.adversary.dim, model.etaChannels) = (0.7, 12, smd ? 2 : 0)
        (diffusion.adversary.joint, diffusion.adversary.regularize) = (smd, smd ? 0.01 : 0)
        diffusion.adversary.entropy = true
        let loss = Adversarial(model, diffusion)
        let parameters = loss.graph(batch: 2, scale: 0.5).parameters
        for network in ["discriminator", "regressor", "model"] {
            #expect(parameters.contains { $0.belongs(to: network) })
        }
        try expectSlopes(of: loss)
    }

    /// One element of every parameter's gradient against central differences of the loss that its network is trained by.
    private func expectSlopes(of trained: any Loss) throws {
        let network = try Network(trained.graph(batch: 2, scale: 0.5))
        _ = try network.loss()
        let gradients = network.gradients.readDouble(0..<network.plan.layout.count)
        let largest = gradients.map(abs).max() ?? 0
        #expect(largest > 1e-3)
        let h = 1e-6
        for (index, parameter) in network.plan.layout.parameters.enumerated() {
            let element = network.plan.layout.offsets[index] + (index * 7) % parameter.count
            let value = network.parameters.readDouble(element..<element + 1)[0]
            let own = trained.opponents.first(where: parameter.belongs).map { "loss_\($0)" } ?? "loss"
            func loss(at x: Double) throws -> Double {
                network.parameters.writeDouble([x], at: element)
                try network.executor.parametersChanged()
                return try network.loss(own)
            }
            let difference = 0.5 * (try loss(at: value + h) - loss(at: value - h)) / (2 * h)
            network.parameters.writeDouble([value], at: element)
            #expect(
                abs(difference - gradients[element]) <= 1e-6 * largest,
                "\(parameter.name): \(gradients[element]) against \(difference)")
        }
    }

    /// A fused graph computes what the plain one computes.
    @Test(arguments: TrainedCase.all)
    func fusionChangesNothing(_ trained: TrainedCase) throws {
        let smd = trained.loss.model.smd
        let plainGraph = trained.loss.graph(batch: 2, scale: 1, fused: false)
        let fusedGraph = trained.loss.graph(batch: 2, scale: 1)
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
                SquaredError(model).graph(batch: 1, scale: 1, precision: precision)
            }
            for graph in [training(.fp32), Denoiser(model).inferenceGraph(batch: 1)] {
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
            narrow.unet.dim = 32
            narrow.latentDim = 32
            #expect(count(Denoiser(narrow).inferenceGraph(batch: 1, precision: .bf16), "hyperNetwork") == 2)
            var wide = model
            wide.latentDim = 129
            #expect(count(Denoiser(wide).inferenceGraph(batch: 1), "hyperNetwork") == 0)
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
        let keptGraph = SquaredError(model).graph(batch: 2, scale: 1, fused: fused, recomputed: false)
        let kept = try Network(keptGraph)
        let again = try Network(
            SquaredError(model).graph(batch: 2, scale: 1, fused: fused), layout: kept.plan.layout)
        #expect(again.plan.nodes.count > kept.plan.nodes.count)
        #expect(again.plan.activationCount < kept.plan.activationCount)
        #expect(try kept.loss() == again.loss())
        let all = 0..<kept.plan.layout.count
        #expect(kept.gradients.readDouble(all) == again.gradients.readDouble(all))
    }

    /// Gradients of micro-batches add up.
    @Test func gradientsAccumulate() throws {
        let network = try Network(SquaredError(smallModel()).graph(batch: 1, scale: 1))
        let all = 0..<network.plan.layout.count
        _ = try network.loss()
        let once = network.gradients.readDouble(all)
        _ = try network.loss()
        for (two, one) in zip(network.gradients.readDouble(all), once) {
            #expect(abs(two - 2 * one) <= 1e-12 * abs(one))
        }
    }

    /// A small function of two inputs and two parameters, and two outputs of it: `a = linear(x, w)`, `b = silu(a + y) · v`.
    private func twoOutputs(_ graph: Graph) -> (x: Tensor, y: Tensor, outputs: [Tensor]) {
        let (x, y) = (graph.input("x", [3, 4]), graph.input("y", [3, 5]))
        let w = graph.parameter("w", [5, 4], .constant(0))
        let a = x.linear(w, bias: graph.parameter("bias", [5], .constant(0)))
        let b = (a + y).silu().linear(graph.parameter("v", [2, 5], .constant(0)), bias: nil)
        return (x, y, [a, b])
    }

    /// Gradients of several outputs with seeds of their own, of inputs as of parameters, against central differences.
    @Test func severalSeedsAndInputs() throws {
        let graph = Graph()
        let (x, y, outputs) = twoOutputs(graph)
        let seeds = [graph.input("seed a", [3, 5]), graph.input("seed b", [3, 2])]
        for (output, name) in zip(outputs, ["a", "b"]) { graph.keep(output, as: name) }
        let gradients = graph.differentiate(zip(outputs, seeds).map { ($0, seed: $1) }, withRespectTo: [x, y])
        for (gradient, name) in zip(gradients, ["dx", "dy"]) { graph.keep(try #require(gradient), as: name) }
        let network = try Network(graph)
        network.gradients.clear(0..<network.plan.layout.count)
        try network.executor.run()
        let memory = try #require(network.executor.activations as? ReferenceMemory)
        func value(_ name: String) throws -> [Double] {
            try memory.readDouble(#require(network.executor.resultRange(name) ?? network.executor.inputRange(name)))
        }
        let parts = try [value("seed a"), value("seed b")]
        func total() throws -> Double {
            try network.executor.parametersChanged()
            try network.executor.run()
            return try zip(["a", "b"], parts).reduce(0) { sum, part in
                try sum + zip(value(part.0), part.1).reduce(0) { $0 + $1.0 * $1.1 }
            }
        }
        func expectSlope(_ memory: ReferenceMemory, _ element: Int, _ gradient: Double, _ what: String) throws {
            let before = memory.readDouble(element..<element + 1)[0]
            let ends = try [1e-6, -1e-6].map { h in
                memory.writeDouble([before + h], at: element)
                return try total()
            }
            memory.writeDouble([before], at: element)
            #expect(abs((ends[0] - ends[1]) / 2e-6 - gradient) < 1e-7, "\(what)")
        }
        let found = try (network.gradients.readDouble(0..<network.plan.layout.count), value("dx"), value("dy"))
        for (parameter, offset) in zip(network.plan.layout.parameters, network.plan.layout.offsets) {
            for element in offset..<offset + parameter.count {
                try expectSlope(network.parameters, element, found.0[element], parameter.name)
            }
        }
        for (name, gradient) in [("x", found.1), ("y", found.2)] {
            let range = try #require(network.executor.inputRange(name))
            for (element, slope) in zip(range, gradient) { try expectSlope(memory, element, slope, name) }
        }
    }

    /// Frozen parameters get no gradient, others the same as ever, also where one operation computes both.
    @Test func frozenPartsGetNoGradient() throws {
        let loss = SquaredError(smallModel())
        func network(freezing frozen: @escaping (String) -> Bool, layout: ParameterLayout?) throws -> Network {
            let graph = Graph()
            let value = loss(graph, batch: 2)
            graph.keep(value, as: "loss")
            graph.fuse()
            graph.differentiate([(value, seed: graph.constant(1, [2]))], freezing: { frozen($0.name) })
            return try Network(graph, layout: layout)
        }
        let whole = try network(freezing: { _ in false }, layout: nil)
        func isFrozen(_ name: String) -> Bool { name.hasPrefix("identifier") || name.hasSuffix("norm.bias") }
        let part = try network(freezing: isFrozen, layout: whole.plan.layout)
        _ = try (whole.loss(), part.loss())
        #expect(part.plan.nodes.count < whole.plan.nodes.count)
        for (parameter, offset) in zip(whole.plan.layout.parameters, whole.plan.layout.offsets) {
            let range = offset..<offset + parameter.count
            let (a, b) = (whole.gradients.readDouble(range), part.gradients.readDouble(range))
            if isFrozen(parameter.name) {
                #expect(b.allSatisfy { $0 == 0 }, "\(parameter.name)")
            } else {
                let scale = a.map(abs).max() ?? 0
                #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-12 * scale }, "\(parameter.name)")
            }
        }
    }
}
