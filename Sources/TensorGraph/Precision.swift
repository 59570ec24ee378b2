/// Number format in which products over pixels read their factors: activations, weights, and gradients of activations.
/// Their sums and everything else are float32, and so are layers that have too few channels to gain
/// (``Operation/factors(_:)``).
public enum Precision: String, Codable, CaseIterable, Sendable {
    /// float32 as they are.
    case fp32
    /// Rounded to bfloat16, multiplied by the processor's instructions for it. Gradients of the weights of 3×3
    /// convolutions are rounded in Winograd's basis; where the instructions are those of vectors (`BFloat16Unit`), so are
    /// these convolutions themselves, and layers of at least 32 channels take part.
    case bf16
    /// Rounded to bfloat16, multiplied in float32: on any processor the numbers of one with tiles, but for the order of
    /// sums.
    case bf16Emulated = "bf16-emulated"
}

extension Operation {
    /// The inputs that ``Precision`` is about, as indices; nil where the operation has none. `weight` is a parameter.
    ///
    /// These are convolutions, gradients of their weights only where there are at least 16 channels on either side; 1×1
    /// convolutions and linear layers over pixels only where there are at least 96. Narrower ones are no faster than in
    /// float32 (measured on AMX): the first do not fill the processor's tiles, the second wait for memory. (Vectors have
    /// rules of their own, and linear attention has further factors of its own.)
    ///
    /// - Parameter inputs: shapes of the inputs.
    public func factors(_ inputs: [[Int]]) -> (activations: [Int], weight: Int?)? {
        let (channels, isPointwise): (Range<Int>, Bool)
        switch self {
        case .convolution(let geometry, let range, _, _), .convolutionInputGradient(let geometry, let range, _),
            .convolutionParameterGradient(let geometry, let range, _):
            (channels, isPointwise) = (range, geometry.isPointwise)
        case .linear(let range, _, _), .linearInputGradient(let range, _), .linearParameterGradient(let range, _):
            guard inputs[0].count == 4 else { return nil }
            (channels, isPointwise) = (range, true)
        default:
            return nil
        }
        switch self {
        case .convolutionParameterGradient, .linearParameterGradient:
            let outputs = inputs[1][inputs[1].count - 1]
            return min(channels.count, outputs) >= (isPointwise ? 96 : 16) ? ([0, 1], nil) : nil
        default:
            return isPointwise && min(channels.count, inputs[1][0]) < 96 ? nil : ([0], 1)
        }
    }
}
