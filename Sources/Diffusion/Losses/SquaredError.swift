import NeuralNetwork
import TensorGraph

/// `weight(t) · mean (f(x_t, t, η) − target)²` at `x_t = √ᾱ x_0 + √(1−ᾱ) ε`: the published loss (SMD, section 4; Ho et al.
/// 2020, algorithm 1). t is uniform, ε and η are N(0, I), the target is the ``Objective``'s.
public struct SquaredError: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess
    public let shiftTable: ShiftTable?

    /// The loss of a network, in the diffusion that `diffusion` describes.
    public init(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration = DiffusionConfiguration()) {
        self.model = model
        process = ForwardProcess(diffusion, model)
        shiftTable = ShiftTable(model, diffusion)
    }

    public var draws: [Draw] { process.draws(for: model) + model.networkDraws() }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        let (xt, target) = process.noised(x0, drawn)
        let t = drawn.timesteps
        let network = model.inputs(xt: xt, drawn)
        let weight = t.map { Float(process.weight($0)) }
        return network.merging(["target": target, "weight": weight]) { $1 }
    }

    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor {
        let seen = Denoiser(model)(graph, batch: batch) { shiftTable?.shifted(y: $0) ?? $0 }.output
        let output = shiftTable?.unshifted(output: seen) ?? seen
        graph.keep(output, as: "output")
        return output.weightedSquaredError(
            target: graph.input("target", output.shape), weight: graph.input("weight", [batch]))
    }

    static func fault(_ model: ModelConfiguration, _: DiffusionConfiguration) -> String? {
        model.head == .mixture
            ? "diffusion.loss is squared_error, but model.head is mixture, which is trained by likelihood: set "
                + "diffusion.loss=likelihood or model.head=single" : nil
    }
}
