import CPUBackend
import Diffusion
import NeuralNetwork
import TensorGraph

/// A denoiser on a backend, for a fixed batch: the graphs that the trainer and the sampler run.
///
/// Axes: N samples, H = W = size, C channels, channels last.
final class DenoiserModel {
    let configuration: ModelConfiguration
    let layout: ParameterLayout
    let parameters: any Memory
    private let gradients: (any Memory)?
    private let inference: Executor
    private let training: Executor?

    /// Builds the network for batches of `batch`, for inference and with a loss for training on the batch's mean.
    init(_ configuration: ModelConfiguration, batch: Int, training loss: (any Loss)? = nil, on backend: any Backend)
        throws
    {
        self.configuration = configuration
        let precision = (backend as? CPUBackend)?.precision ?? .fp32
        let inferenceGraph = Denoiser(configuration).inferenceGraph(batch: batch, precision: precision)
        guard let loss else {
            let plan = ExecutionPlan(inferenceGraph)
            layout = plan.layout
            parameters = try backend.allocate(count: layout.count)
            inference = try Executor(plan, on: backend, parameters: parameters)
            (gradients, training) = (nil, nil)
            return
        }
        let plan = ExecutionPlan(loss.graph(batch: batch, scale: 1 / Float(batch), precision: precision))
        layout = plan.layout
        parameters = try backend.allocate(count: layout.count)
        let gradients = try backend.allocate(count: layout.count)
        self.gradients = gradients
        training = try Executor(plan, on: backend, parameters: parameters, gradients: gradients)
        inference = try Executor(
            ExecutionPlan(inferenceGraph, layout: layout), on: backend, parameters: parameters)
    }

    /// Number of learned scalars.
    var parameterCount: Int { layout.parameters.reduce(0) { $0 + $1.count } }

    /// Replaces the whole parameter arena.
    func load(_ arena: [Float]) throws {
        parameters.write(arena, at: 0)
        try inference.parametersChanged()
        try training?.parametersChanged()
    }

    /// A forward pass.
    func predict(
        _ xt: [Float], timestep: [Float], eta: [Float]?, selfCondition: [Float]?, labels: [Float]? = nil
    ) throws -> (output: [Float], z: [Float]?) {
        inference.write(
            configuration.inputs(
                xt: xt, timestep: timestep, eta: eta, selfCondition: selfCondition, labels: labels))
        try inference.run()
        return (inference.read("output"), configuration.usesEta ? inference.read("z") : nil)
    }

    /// A forward and a backward pass on the inputs of the loss: the output, each sample's weighted loss, and the gradient
    /// arena of their mean.
    func gradient(_ inputs: [String: [Float]]) throws -> (output: [Float], loss: [Float], gradients: [Float]) {
        guard let training, let gradients else { preconditionFailure("the model was not built for training") }
        training.write(inputs)
        gradients.clear(0..<layout.count)
        try training.run()
        return (training.read("output"), training.read("loss"), gradients.read(0..<layout.count))
    }
}
