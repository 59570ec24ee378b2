/// Number format in which products over pixels (convolutions, and linear layers over `[N,H,W,C]`) read their factors:
/// activations, weights, and gradients of activations. Their sums and everything else are float32.
public enum Precision: String, Codable, CaseIterable, Sendable {
    /// float32 as they are.
    case fp32
    /// Rounded to bfloat16, multiplied by the processor's instructions for it.
    case bf16
    /// Rounded to bfloat16, multiplied as float32: the same numbers but for the order of sums, on any processor.
    case bf16Emulated = "bf16-emulated"
}

extension Operation {
    /// The inputs that ``Precision`` is about, as indices; nil where the operation has none. `weight` is a parameter.
    ///
    /// - Parameter inputs: shapes of the inputs.
    public func factors(_ inputs: [[Int]]) -> (activations: [Int], weight: Int?)? {
        switch self {
        case .convolution, .convolutionInputGradient:
            return ([0], 1)
        case .convolutionParameterGradient:
            return ([0, 1], nil)
        case .linear, .linearInputGradient:
            return inputs[0].count == 4 ? ([0], 1) : nil
        case .linearParameterGradient:
            return inputs[0].count == 4 ? ([0, 1], nil) : nil
        default:
            return nil
        }
    }
}
