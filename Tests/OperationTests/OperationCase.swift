import ReferenceBackend
import TensorGraph
import Testing

/// One operation with sizes and a kind of values: from these follow the operands.
struct OperationCase: Sendable, CustomTestStringConvertible {
    /// What the operands are filled with.
    enum Values: String, Sendable {
        /// Normal numbers of about 1.
        case ordinary
        /// Normal numbers of deviation 1 around 1000: what is not centred first loses three digits.
        case offset
        /// Logits of ±80 and more, exponentials of which overflow or vanish in float32.
        case saturated
        /// Zeros in all channels of every third position.
        case zeroPositions
    }

    let operation: Operation
    /// Where the operation is part of a derivative: of which operation, by which of its rules.
    private(set) var derivative: Derivative?
    /// N.
    var images = 2
    /// `[H, W]` of the operation's input; `[]` for activations `[N, C]`.
    var positions = [4, 4]
    /// C, K, or L.
    var channels = 8
    /// O; the channels of the second operand of a concatenation; L of a whole hypernetwork.
    var outputChannels = 8
    /// I, the input channels of the whole weight.
    var weightInputs = 8
    /// Whether the weight of a linear operation is `[O,I,1,1]` rather than `[O,I]`.
    var pointwise = false
    /// Number of layers in `scales`.
    var layers = 1
    var values = Values.ordinary

    var testDescription: String {
        "\(operation) N\(images) \(positions) C\(channels) O\(outputChannels) I\(weightInputs) \(values)"
    }

    /// Which operation of a derivative.
    struct Derivative {
        let of: Operation
        let rule: Int
        let hasAddend: Bool
    }

    /// What the planner knows of the operation.
    var traits: OperationTraits { operands().traits(of: operation) }

    /// The case of the operation that this is in the derivative of.
    var forward: OperationCase? { derivative.map { with($0.of, nil) } }

    /// The operations of the derivative in the same sizes, with and without a gradient so far to add to.
    var derivatives: [OperationCase] {
        traits.gradient.enumerated().flatMap { index, rule in
            (rule.addend == nil ? [false] : [false, true]).compactMap { hasAddend in
                rule.operation.map {
                    with($0(hasAddend), Derivative(of: operation, rule: index, hasAddend: hasAddend))
                }
            }
        }
    }

    private func with(_ operation: Operation, _ derivative: Derivative?) -> OperationCase {
        OperationCase(
            operation: operation, derivative: derivative, images: images, positions: positions, channels: channels,
            outputChannels: outputChannels, weightInputs: weightInputs, pointwise: pointwise, layers: layers,
            values: values)
    }

    /// The shape of an activation of this case.
    func activation(_ channels: Int, positions: [Int]? = nil) -> [Int] {
        [images] + (positions ?? self.positions) + [channels]
    }
}

/// The largest |a − b| relative to the largest |b|, part by part of the last axis; the worst part counts.
///
/// A part of zeros (rounding left aside) is measured against the whole. Infinite when `a` is not finite.
func relativeError(_ a: [Double], _ b: [Double], shape: [Int], parts: Int) -> Double {
    let columns = shape[shape.count - 1]
    let largest = b.map(abs).max() ?? 0
    var worst = 0.0
    for part in 0..<parts {
        let indices = b.indices.filter { $0 % columns / (columns / parts) == part }
        let largestOfPart = indices.map { abs(b[$0]) }.max() ?? 0
        let scale = largestOfPart > 1e-6 * largest ? largestOfPart : largest
        for index in indices {
            let difference = abs(a[index] - b[index])
            guard difference != 0 else { continue }
            worst = difference.isFinite && scale > 0 ? max(worst, difference / scale) : .infinity
        }
    }
    return worst
}
