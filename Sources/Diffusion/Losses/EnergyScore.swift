import Foundation
import NeuralNetwork
import TensorGraph

/// The energy score of m draws x̂_0 = f(x_t, t, η_j) against x_0, a strictly proper scoring rule with λ = 1 and 0 < β < 2
/// (Gneiting and Raftery 2007; for diffusion De Bortoli et al. 2025): with `|·|` the root mean square over a window,
///
///     score = 1/m Σ_j |x̂_j − x_0|^β − λ/(2m(m−1)) Σ_{j≠k} |x̂_j − x̂_k|^β
///
/// It is least where the draws are distributed as q(x_0|x_t): an output is a draw, and η decides which. It is taken of what
/// the network estimates: at the same x_t all estimates of x_0 differ by the same factor from those. A share
/// `s(t) = (1 − ᾱ_t)^handover` of the loss is the score, with the weight w(t) of the squared error as `w^(β/2)`; the rest
/// is w(t) times the draws' squared error, which is least where all draws are the mean.
public struct EnergyScoreLoss: Loss {
    public let model: ModelConfiguration
    public let process: ForwardProcess
    private let score: EnergyScore
    private let handover: Double

    /// The loss of a network, in the diffusion that `diffusion` describes.
    public init(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) {
        self.model = model
        process = ForwardProcess(diffusion, model)
        score = EnergyScore(
            draws: diffusion.draws, windows: diffusion.energyWindows, exponent: Float(diffusion.energyExponent),
            repulsion: Float(diffusion.energyRepulsion), softening: Float(diffusion.energySoftening))
        handover = diffusion.energyHandover
    }

    public var draws: [Draw] {
        process.draws(for: model) + model.networkDraws(latents: score.draws)
    }

    public var weightInputs: [String] { ["energy_weight", "error_weight"] }

    public func inputs(x0: [Float], _ drawn: Drawn) -> [String: [Float]] {
        let (xt, target) = process.noised(x0, drawn)
        let t = drawn.timesteps
        let weights = t.map { t in
            let (weight, share) = (process.weight(t), pow(1 - process.schedule.alphaBars[t], handover))
            return (energy: share * pow(weight, Double(score.exponent) / 2), error: (1 - share) * weight)
        }
        return model.inputs(xt: xt, drawn).merging([
            "target": target, "energy_weight": weights.map { Float($0.energy) },
            "error_weight": weights.map { Float($0.error) },
        ]) { $1 }
    }

    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor {
        let output = Denoiser(model)(graph, batch: batch, draws: score.draws).output
        graph.keep(output, as: "output")
        return output.energyScore(
            score, target: graph.input("target", [batch] + output.shape.dropFirst()),
            energyWeight: graph.input("energy_weight", [batch]), errorWeight: graph.input("error_weight", [batch]))
    }

    static func fault(_ model: ModelConfiguration, _ diffusion: DiffusionConfiguration) -> String? {
        if !model.drawsEta {
            return "diffusion.loss is energy_score, which compares draws of the latent: set model.smd=true and "
                + "model.eta=normal, or diffusion.loss=squared_error"
        }
        if model.head == .mixture {
            return "diffusion.loss is energy_score, but model.head is mixture, which is trained by likelihood: set "
                + "model.head=single or diffusion.loss=likelihood"
        }
        return diffusion.energyWindows.first { $0 > model.size || ($0 > 0 && model.size % $0 != 0) }.map {
            "diffusion.energy_windows has \($0), which does not divide model.size \(model.size); 0 is the whole image"
        }
    }
}
