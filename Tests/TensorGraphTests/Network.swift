import Diffusion
import NeuralNetwork
import Philox
import ReferenceBackend
import TensorGraph
import Testing

/// A network small enough for the scalar reference, with every kind of layer in it.
func smallModel(smd: Bool = true, selfCondition: Bool = false) -> ModelConfiguration {
    var model = ModelConfiguration()
    model.size = 4
    model.channels = 2
    model.unet.dim = 8
    model.unet.dimMults = [1, 2]
    model.unet.fullAttention = [false, true]
    model.unet.groups = 2
    model.unet.heads = 2
    model.unet.headDim = 4
    model.selfCondition = selfCondition
    model.smd = smd
    model.latentDim = 6
    model.identifier.dim = 4
    model.identifier.dimMults = [1, 1]
    model.identifier.headDim = 4
    return model
}

/// A small network with a loss that trains it.
struct TrainedCase: CustomTestStringConvertible {
    let testDescription: String
    let loss: any Loss

    private init(
        _ name: String, _ kind: LossKind, smd: Bool = true, selfCondition: Bool = false,
        _ edit: (inout ModelConfiguration, inout DiffusionConfiguration) -> Void = { _, _ in }
    ) {
        testDescription = name
        var (model, diffusion) = (smallModel(smd: smd, selfCondition: selfCondition), DiffusionConfiguration())
        edit(&model, &diffusion)
        if let fault = kind.fault(model, diffusion) { preconditionFailure(fault) }
        loss = kind.of(model, diffusion)
    }

    /// Every loss with every way in which a network differs for it.
    static let all = [
        TrainedCase("squared error", .squaredError),
        TrainedCase("squared error, self-conditioned", .squaredError, selfCondition: true),
        TrainedCase("squared error, vanilla", .squaredError, smd: false),
        TrainedCase("squared error, η channels", .squaredError) { model, _ in model.etaChannels = 3 },
        TrainedCase("squared error, classes", .squaredError) { model, _ in model.classes = 3 },
        TrainedCase("squared error, vanilla, classes or none", .squaredError, smd: false) { model, _ in
            (model.classes, model.labelDropout) = (2, 0.1)
        },
        TrainedCase("squared error, condition", .squaredError) { model, _ in model.conditionChannels = 3 },
        TrainedCase("squared error, vanilla, score of the condition", .squaredError, smd: false, selfCondition: true) {
            ($0.conditionChannels, $0.conditionScore, $1.conditionSpeed) = (1, true, 0.5)
        },
        TrainedCase("energy score", .energyScore) { $1.draws = 2 },
        TrainedCase("energy score, self-conditioned", .energyScore, selfCondition: true) { $1.draws = 2 },
        TrainedCase("energy score, latent at the output", .energyScore) { model, diffusion in
            (model.latentAt, model.etaChannels, diffusion.draws, diffusion.energyWindows) = (.output, 2, 3, [0, 2])
        },
        TrainedCase("likelihood", .likelihood) { model, _ in (model.head, model.components) = (.mixture, 3) },
        TrainedCase("likelihood, vanilla", .likelihood, smd: false) { model, _ in
            (model.head, model.components) = (.mixture, 3)
        },
    ]
}

/// A graph on the reference backend with random parameters and inputs, in double precision.
struct Network {
    let plan: ExecutionPlan
    let executor: Executor
    let parameters: ReferenceMemory
    let gradients: ReferenceMemory

    init(_ graph: Graph, layout: ParameterLayout? = nil) throws {
        let backend = ReferenceBackend()
        plan = ExecutionPlan(graph, layout: layout)
        parameters = ReferenceMemory(count: plan.layout.count)
        gradients = ReferenceMemory(count: plan.layout.count)
        executor = try Executor(plan, on: backend, parameters: parameters, gradients: gradients)
        let names = plan.layout.parameters.map(\.name).sorted()
        for (index, name) in names.enumerated() {
            guard let range = plan.layout.range(name) else { continue }
            parameters.writeDouble(normals(range.count, index).map { 0.3 * $0 + 0.1 }, at: range.lowerBound)
        }
        var inputs: [String: [Float]] = [:]
        for (index, name) in plan.inputs.keys.sorted().enumerated() {
            guard let range = executor.inputRange(name) else { continue }
            let values = normals(range.count, 10_000 + index)
            inputs[name] = values.enumerated().map { place, value in
                switch name {
                case "timestep": Float(Int(abs(value) * 400))
                case "label": Float(place % 3)
                default: Float(value)
                }
            }
        }
        executor.write(inputs)
        try executor.parametersChanged()
    }

    private func normals(_ count: Int, _ position: Int) -> [Double] {
        RandomStream(seed: 7, purpose: .data).normals(count: count, epoch: 0, position: position).map(Double.init)
    }

    /// Sum over samples of the loss, or of another that is kept, in double precision.
    func loss(_ name: String = "loss") throws -> Double {
        try executor.run()
        guard let range = executor.resultRange(name), let memory = executor.activations as? ReferenceMemory else {
            preconditionFailure("a training graph on the reference backend keeps its loss")
        }
        return memory.readDouble(range).reduce(0, +)
    }
}
