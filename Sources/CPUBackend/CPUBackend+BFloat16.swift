import CKernels
import COneDNN
import TensorGraph

/// What a processor multiplies bfloat16 with, twice as fast as float32 or more.
public enum BFloat16Unit: Sendable {
    /// Tiles (AMX): oneDNN's convolutions of bfloat16 into float32, a product over pixels being one with a window of
    /// 1×1, and kernels of our own for the gradients of weights.
    case tiles
    /// AVX512_BF16's vectors, where they give twice the rate of float32. Twice is less than what Winograd's 16
    /// multiplications for 36 give: it is Winograd's products that read bfloat16 here. Layers that are not computed
    /// that way stay float32.
    case vectors
}

// The ways to read factors in bfloat16: native, by one of these units; emulated, where factors are rounded first, and
// then all goes as in float32. Two kinds are the same kernel in every way, because they round factors that they compute
// themselves: linear attention, and Winograd's gradient of the weights of 3×3 convolutions.
extension CPUBackend {
    /// The unit of this processor, for which ``Precision/bf16`` is fast; nil where it has none.
    ///
    /// The vectors of AMD's Zen 4 and later have the double rate. Those of Intel's (Sapphire and Emerald Rapids) give
    /// half the rate of float32: there it takes tiles.
    public static let bfloat16Unit: BFloat16Unit? =
        odnn_has_bfloat16_tiles() == 1 && ck_has_tiles() == 1
        ? .tiles : ck_has_fast_bfloat16_vectors() == 1 ? .vectors : nil

    // MARK: Native

    /// A linear layer over pixels as the convolution that reads bfloat16.
    func asConvolution(_ operation: Operation) -> Operation {
        let pointwise = ConvolutionGeometry(kernel: 1)
        switch operation {
        case .linear(let channels, let bias, let addend):
            return .convolution(pointwise, weightChannels: channels, bias: bias, addend: addend)
        case .linearInputGradient(let channels, let addend):
            return .convolutionInputGradient(pointwise, weightChannels: channels, addend: addend)
        case .linearParameterGradient(let channels, let bias):
            return .convolutionParameterGradient(pointwise, weightChannels: channels, bias: bias)
        default:
            return operation
        }
    }

    /// The gradient of the weights of a convolution of stride 1 that keeps the image's size; nil of others.
    func tiledParameterGradient(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ s: odnn_convolution_shape, bias: Bool
    ) throws -> PreparedOperation? {
        guard geometry.isCentredSquare else { return nil }
        let window = Int64(geometry.kernelWidth)
        let shape = ck_window_shape(
            images: s.images, height: s.height, width: s.width, channels: s.inputChannels, outputs: s.outputChannels,
            kernel: window, weightChannels: s.weightInputChannels)
        let slice = o.output(0) + Int(s.firstWeightChannel * window * window)
        let (x, dy, dbias) = (o.input(0), o.input(1), bias ? o.output(1) : nil)
        return try kernel(shape, scratch: ck_window_gradient_scratch) {
            ck_window_gradient($0, x, dy, slice, dbias, $1)
        }
    }

    // MARK: Emulated

    /// Prepares `operation` on rounded copies of its factors: of activations made at each run, of a parameter when it
    /// changes.
    func prepareRounded(
        _ operation: Operation, _ o: Operands, _ inputs: [Operand], _ outputs: [Operand],
        _ factors: (activations: [Int], weight: Int?)
    ) throws -> PreparedOperation {
        var rounded = inputs
        var end = 0
        let places = factors.activations.map { index in
            defer { end += (inputs[index].count + 15) / 16 * 16 }
            return end
        }
        let room = try roomForRounded(end)
        var copies: [(count: Int, from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>)] = []
        for (index, place) in zip(factors.activations, places) {
            rounded[index] = Operand(memory: room, offset: place, shape: inputs[index].shape)
            copies.append((inputs[index].count, o.input(index), room.pointer(place..<place + inputs[index].count)))
        }
        let parameter = try factors.weight.map { try roundedParameter(o.input($0), count: inputs[$0].count) }
        if let parameter, let weight = factors.weight {
            rounded[weight] = Operand(memory: parameter.memory, offset: 0, shape: inputs[weight].shape)
        }
        let prepared = try prepareFloat32(operation, inputs: rounded, outputs: outputs)
        return PreparedOperation(
            run: {
                try withExtendedLifetime(parameter) {
                    for copy in copies { ck_round_bfloat16(copy.count, copy.from, copy.to) }
                    try prepared.run()
                }
            },
            derived: (parameter.map { [$0.derived] } ?? []) + prepared.derived)
    }

    /// Memory for `count` elements that operations share while they run. It has to stay where it is, so a larger need
    /// gets memory of its own: a handful of times, as networks have few sizes.
    private func roomForRounded(_ count: Int) throws -> CPUMemory {
        if let room = roundedActivations.first(where: { $0.count >= count }) { return room }
        let room = try CPUMemory(count: count)
        roundedActivations.append(room)
        return room
    }

    /// The rounded copy of a parameter that an operation of this backend already reads, or a new one.
    private func roundedParameter(_ parameter: UnsafePointer<Float>, count: Int) throws -> RoundedParameter {
        if let known = roundedParameters[parameter]?.parameter, known.memory.count == count { return known }
        let new = try RoundedParameter(parameter, count: count)
        roundedParameters[parameter] = WeakRounded(parameter: new)
        return new
    }
}

/// A parameter rounded to bfloat16, as float32.
final class RoundedParameter {
    let memory: CPUMemory
    let derived: DerivedParameters

    init(_ parameter: UnsafePointer<Float>, count: Int) throws {
        let memory = try CPUMemory(count: count)
        self.memory = memory
        derived = DerivedParameters { ck_round_bfloat16(count, parameter, memory.pointer(0..<count)) }
    }
}

/// An entry of the backend's table, which keeps nothing alive.
struct WeakRounded {
    weak var parameter: RoundedParameter?
}

extension odnn_format {
    /// Stands before a primitive's name in errors.
    var name: String { self == odnn_bfloat16 ? "bf16 " : "" }
}
