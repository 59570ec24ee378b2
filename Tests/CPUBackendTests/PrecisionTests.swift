import CPUBackend
import Diffusion
import NeuralNetwork
import Philox
import TensorGraph
import TestSupport
import Testing

/// A small network with every kind of layer, trained for some steps in each precision.
@Suite struct BackendPrecisionTests {
    private static func model(dim: Int) -> ModelConfiguration {
        var model = ModelConfiguration()
        model.size = 8
        model.channels = 2
        model.unet.dim = dim
        model.unet.dimMults = [1, 2]
        model.unet.fullAttention = [false, true]
        model.unet.groups = 2
        model.unet.heads = 2
        model.unet.headDim = 8
        model.latentDim = 12
        model.identifier.dim = 8
        model.identifier.dimMults = [1, 1]
        model.identifier.headDim = 4
        return model
    }

    /// Losses and gradients of each of some steps of plain descent.
    private func train(
        _ precision: Precision, _ unit: BFloat16Unit = .tiles, dim: Int = 16, steps: Int
    ) throws -> (losses: [Double], gradients: [[Float]]) {
        let backend = try CPUBackend(precision: precision, bfloat16Unit: unit)
        let batch = 4
        func graph(_ precision: Precision) -> Graph {
            SquaredError(Self.model(dim: dim)).graph(batch: batch, scale: 1 / Float(batch), precision: precision)
        }
        // Graphs of two precisions finish their gradients in another order; here all are to lie in the same places.
        let plan = ExecutionPlan(graph(precision), layout: ExecutionPlan(graph(.fp32)).layout)
        let (parameters, gradients) = (try CPUMemory(count: plan.layout.count), try CPUMemory(count: plan.layout.count))
        func normals(_ count: Int, _ position: Int) -> [Float] {
            RandomStream(seed: 7, purpose: .data).normals(count: count, epoch: 0, position: position)
        }
        for (index, parameter) in plan.layout.parameters.enumerated() {
            let inputs = parameter.shape.dropFirst().reduce(1, *)
            let values = normals(parameter.count, index)
            let isGain = parameter.name.hasSuffix(".g") || parameter.name.hasSuffix("norm.weight")
            let width: Float = parameter.shape.count > 1 ? 0.5 / Float(inputs).squareRoot() : 0.1
            parameters.write(
                values.map { isGain ? 1 + 0.1 * $0 : width * $0 },
                at: plan.layout.offsets[index])
        }
        let executor = try Executor(plan, on: backend, parameters: parameters, gradients: gradients)
        var inputs: [String: [Float]] = ["timestep": [3, 200, 500, 900], "weight": [1, 1, 1, 1]]
        for (index, name) in ["x", "eta", "target"].enumerated() {
            inputs[name] = normals(executor.inputRange(name)?.count ?? 0, 10_000 + index)
        }
        executor.write(inputs)
        var result: (losses: [Double], gradients: [[Float]]) = ([], [])
        for _ in 0..<steps {
            try executor.parametersChanged()
            gradients.clear(0..<gradients.count)
            try executor.run()
            result.losses.append(executor.read("loss").reduce(0) { $0 + Double($1) } / Double(batch))
            result.gradients.append(gradients.read(0..<gradients.count))
            let moved = zip(parameters.elements, gradients.elements).map { $0 - 0.01 * $1 }
            parameters.write(moved, at: 0)
        }
        return result
    }

    /// L2 norm of a − b by that of b.
    private func distance(_ a: [Float], _ b: [Float]) -> Double {
        let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        return (difference / b.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
    }

    /// The gradient of the whole network is off by what 8 bits of significand give: 1e-2 was measured.
    @Test func gradientIsNearThatOfFloat32() throws {
        let (full, rounded) = (try train(.fp32, steps: 1), try train(.bf16Emulated, steps: 1))
        let error = distance(rounded.gradients[0], full.gradients[0])
        #expect(error > 1e-3 && error < 2e-2, "\(error)")
        #expect(abs(rounded.losses[0] - full.losses[0]) < 1e-3 * full.losses[0])
    }

    /// Some steps of descent with oneDNN's bfloat16, be its instructions emulated, and with factors rounded beforehand.
    ///
    /// Each product is the same but for float32's rounding of sums (`bothWaysAreTheSameNumbers`). A sum that is off by
    /// its last bit may be read as the other of two bfloat16 in the next layer, so after many layers gradients differ
    /// by as much as rounding changes them: 1.1e-2 was measured.
    @Test(.enabled(if: Processor.runsBFloat16, "oneDNN has no bfloat16 on this processor"))
    func bothWaysTrainAlike() throws {
        let steps = 8
        let (native, emulated) = (try train(.bf16, steps: steps), try train(.bf16Emulated, steps: steps))
        for step in 0..<steps {
            let error = distance(native.gradients[step], emulated.gradients[step])
            #expect(error < 2e-2, "step \(step): \(error)")
            let losses = (native.losses[step], emulated.losses[step])
            #expect(abs(losses.0 - losses.1) < 1e-3 * losses.1, "step \(step): \(losses)")
        }
        #expect(emulated.losses[steps - 1] < 0.95 * emulated.losses[0])
    }

    /// What the processor lacks is not computed in another format instead.
    @Test func bfloat16RunsOrIsRefused() throws {
        if Processor.runsBFloat16 {
            _ = try train(.bf16, steps: 1)
        } else {
            #expect(throws: OneDNNError.self) { try train(.bf16, steps: 1) }
        }
    }

    /// With vectors Winograd's products are what is rounded, of layers of 32 channels and more: 8e-3 was measured.
    @Test func vectorsTrainLikeFloat32() throws {
        let steps = 8
        let full = try train(.fp32, dim: 32, steps: steps)
        let rounded = try train(.bf16, .vectors, dim: 32, steps: steps)
        let error = distance(rounded.gradients[0], full.gradients[0])
        #expect(error > 1e-3 && error < 2e-2, "\(error)")
        for step in 0..<steps {
            #expect(abs(rounded.losses[step] - full.losses[step]) < 2e-3 * full.losses[step], "step \(step)")
        }
        #expect(rounded.losses[steps - 1] < 0.95 * rounded.losses[0])
    }
}
