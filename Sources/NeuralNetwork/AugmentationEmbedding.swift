import TensorGraph

/// What was done to a training image, which joins the embedding of the time (Karras et al. 2022, appendix F.2):
/// `[N, 9] → [N, E]`, without a bias, so that nothing done adds nothing. `weight [E, 9]`, U(±1/3).
struct AugmentationEmbedding {
    let weight: Tensor

    init(_ scope: Scope, width: Int) {
        let numbers = ModelConfiguration.augmentationNumbers
        weight = scope.uniform("weight", [width, numbers], fanIn: numbers)
    }

    /// - Parameter numbers: those of each sample, `[N, 9]`.
    func callAsFunction(_ numbers: Tensor) -> Tensor { numbers.linear(weight, bias: nil) }
}
