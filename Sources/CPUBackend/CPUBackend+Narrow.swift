import CKernels
import COneDNN
import TensorGraph

// Convolutions with 8 results a pixel, one vector, from few channels: the direct sum runs at 0.8 to 0.9 of peak with
// AVX-512. Windows of 3×3 would lose in Winograd's changes of basis more than these save, and with those of 7×7 oneDNN
// reaches a third of peak. The identifier's layers are of this kind.

extension odnn_convolution_shape {
    /// Whether `from` channels, an even number, and 8 `to` are few enough, in a window of 3×3 or 7×7 at every pixel.
    fileprivate func isNarrow(_ geometry: ConvolutionGeometry, from: Int64, to: Int64) -> Bool {
        guard to == 8 && from % 2 == 0 else { return false }
        switch geometry {
        case ConvolutionGeometry(kernel: 3, padding: 1): return (4...16).contains(from)
        case ConvolutionGeometry(kernel: 7, padding: 3): return (2...16).contains(from)
        default: return false
        }
    }

    fileprivate func narrow(channels: Int64) -> ck_narrow_shape {
        ck_narrow_shape(images: images, height: height, width: width, channels: channels, kernel: kernelHeight)
    }
}

extension CPUBackend {
    /// Nil where the convolution is not of this kind; so are the two below.
    func narrowConvolution(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ s: odnn_convolution_shape, bias: Bool, addend: Bool
    ) throws -> PreparedOperation? {
        guard s.isNarrow(geometry, from: s.inputChannels, to: s.outputChannels) else { return nil }
        return try narrow(
            o, s, s.narrow(channels: s.inputChannels), rotated: false, bias: bias ? o.input(2) : nil,
            addend: addend ? o.input(bias ? 3 : 2) : nil)
    }

    /// dx is the convolution of dy with the windows rotated by 180°.
    func narrowInputGradient(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ s: odnn_convolution_shape, addend: Bool
    ) throws -> PreparedOperation? {
        guard s.isNarrow(geometry, from: s.outputChannels, to: s.inputChannels) else { return nil }
        return try narrow(
            o, s, s.narrow(channels: s.outputChannels), rotated: true, bias: nil, addend: addend ? o.input(2) : nil)
    }

    private func narrow(
        _ o: Operands, _ s: odnn_convolution_shape, _ shape: ck_narrow_shape, rotated: Bool,
        bias: UnsafePointer<Float>?, addend: UnsafePointer<Float>?
    ) throws -> PreparedOperation {
        let taps = shape.kernel * shape.kernel
        let weights = try CPUMemory(count: Int(taps * s.inputChannels * s.outputChannels))
        let slice = o.input(1) + Int(taps * s.firstWeightChannel)
        let (x, y) = (o.input(0), o.output(0))
        let derived = DerivedParameters {
            ck_narrow_weights(
                shape.kernel, s.outputChannels, s.inputChannels, s.weightInputChannels, rotated ? 1 : 0, slice,
                weights.pointer(0..<weights.count))
        }
        return try kernel(shape, scratch: ck_narrow_scratch, derived: derived) {
            ck_narrow($0, x, weights.pointer(0..<weights.count), bias, addend, y, $1)
        }
    }

    func narrowParameterGradient(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ s: odnn_convolution_shape, bias: Bool
    ) throws -> PreparedOperation? {
        guard s.isNarrow(geometry, from: s.inputChannels, to: s.outputChannels) else { return nil }
        let shape = s.narrow(channels: s.inputChannels)
        let (x, dy) = (o.input(0), o.input(1))
        let dw = o.output(0) + Int(shape.kernel * shape.kernel * s.firstWeightChannel)
        let dbias = bias ? o.output(1) : nil
        return try kernel(shape, scratch: ck_narrow_scratch) {
            ck_narrow_weights_gradient($0, s.weightInputChannels, x, dy, dw, dbias, $1)
        }
    }
}
