import TensorGraph

/// One learned vector a class, which joins the embedding of the time (Dhariwal and Nichol 2021): `[N] → [N, E]`.
/// `weight [K, E]`, N(0, 1); with a row K more for no class where there is label dropout (Ho and Salimans 2022).
struct ClassEmbedding {
    let weight: Tensor

    init(_ scope: Scope, rows: Int, width: Int) {
        weight = scope.parameter("weight", [rows, width], .normal(deviation: 1))
    }

    /// - Parameter label: the class of each sample, `[N]`.
    func callAsFunction(_ label: Tensor?) -> Tensor {
        guard let label else { preconditionFailure("a network of \(weight.shape[0]) classes needs labels") }
        return label.embedded(weight)
    }
}
