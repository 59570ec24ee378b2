import TensorGraph

/// The drift of a Denoising Diffusion Sampler: `f(x, t) = NN₁(x, t) + NN₂(t) ⊙ ∇ ln γ(x)`, 0 at first (Zhang and Chen 2022;
/// Vargas, Grathwohl and Doucet 2023, section 5).
///
/// Hidden layers of NN₁ are linear, scaled and shifted by what the time says, and GELU. All samples are at the same time.
public struct DriftNetwork: Sendable {
    /// D.
    public let dimension: Int
    /// Units W of a hidden layer; even, at least 4.
    public let width: Int
    /// Hidden layers of NN₁.
    public let layers: Int

    public init(dimension: Int, width: Int, layers: Int) {
        (self.dimension, self.width, self.layers) = (dimension, width, layers)
    }

    /// The input ∇ ln γ(x), `[N, 1, 1, D]`.
    public static let scoreInput = "score"

    /// Adds the network to a graph, and its inputs: x and ``scoreInput`` `[batch, 1, 1, D]`, the time `[1]` of all.
    ///
    /// - Returns: f, `[batch, 1, 1, D]`.
    public func callAsFunction(_ graph: Graph, batch: Int) -> Tensor {
        let scope = Scope(graph, "drift")
        let x = graph.input(NetworkInput.xt.rawValue, [batch, 1, 1, dimension])
        let score = graph.input(Self.scoreInput, [batch, 1, 1, dimension])
        let time = embedding(scope / "time", graph.input(NetworkInput.timestep.rawValue, [1]))

        var h = x
        for layer in 0..<layers {
            let part = scope / "layers" / layer
            let scaleShift = Linear(part / "modulation", width, 2 * width)(time)
            h = Linear(part / "linear", h.channels, width)(h).modulated(by: scaleShift.repeatedSamples(batch)).gelu()
        }
        let own = start(scope / "output", h, bias: 0)
        // score · (1 + scale): −1 at first.
        let scale = start(scope / "score_scale", time, bias: -1)
        let shift = start(scope / "score_shift", time, bias: 0)
        return score.modulated(by: scale.concatenated(with: shift).repeatedSamples(batch)) + own
    }

    /// `[1] → [1, W]`.
    private func embedding(_ scope: Scope, _ timestep: Tensor) -> Tensor {
        let hidden = Linear(scope / 0, width, width)(timestep.sinusoidalEmbedding(dimension: width)).gelu()
        return Linear(scope / 1, width, width)(hidden).gelu()
    }

    /// A linear layer to D numbers that gives `bias` at first.
    private func start(_ scope: Scope, _ x: Tensor, bias: Float) -> Tensor {
        x.linear(
            scope.parameter("weight", [dimension, x.channels], .constant(0)),
            bias: scope.parameter("bias", [dimension], .constant(bias)))
    }

    /// A forward pass over `batch` samples; `output` is kept.
    public func inferenceGraph(batch: Int, precision: Precision = .fp32) -> Graph {
        let graph = Graph()
        graph.keep(self(graph, batch: batch), as: "output")
        graph.fuse(for: precision)
        return graph
    }
}
