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
    /// N.
    var images = 2
    /// `[H, W]` of the operation's input (of x, for gradients too); `[]` for activations `[N, C]`.
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

    /// What the planner knows of the operation.
    var traits: OperationTraits {
        let operands = operands()
        return operation.traits(operands.inputs.map(\.shape), operands.outputs.map(\.shape))
    }

    /// The shape of an activation of this case.
    func activation(_ channels: Int, positions: [Int]? = nil) -> [Int] {
        [images] + (positions ?? self.positions) + [channels]
    }
}

/// The operands of a case: inputs with their values, outputs with their shapes.
struct CaseOperands {
    struct Output {
        let shape: [Int]
        /// Added to (a parameter gradient) rather than assigned.
        var accumulates = false
        /// The last axis consists of so many unlike parts, whose errors are measured apart.
        var parts = 1

        static func assigned(_ shape: [Int], parts: Int = 1) -> Output { Output(shape: shape, parts: parts) }
        static func accumulated(_ shape: [Int]) -> Output { Output(shape: shape, accumulates: true) }
    }

    let inputs: [ReferenceTensor]
    let outputs: [Output]
}
