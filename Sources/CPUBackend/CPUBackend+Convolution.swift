import CKernels
import COneDNN
import TensorGraph

extension CPUBackend {
    func convolution(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ channels: Range<Int>, _ format: odnn_format, bias: Bool,
        addend: Bool
    ) throws -> PreparedOperation {
        if format == odnn_float32 && geometry.isPointwise { return try linear(o, channels, bias: bias, addend: addend) }
        let shape = convolutionShape(
            o, geometry, channels, x: o.shape(input: 0), y: o.shape(output: 0), w: o.shape(input: 1))
        if format == odnn_float32 {
            if let narrow = try narrowConvolution(o, geometry, shape, bias: bias, addend: addend) { return narrow }
            if let sizes = WinogradSizes(geometry, shape) {
                return try winogradConvolution(o, sizes, bias: bias, addend: addend)
            }
        }
        let operation = try OneDNNOperation(engine, name: "\(format.name)convolution \(describe(shape))") {
            odnn_convolution_forward(
                $0, [shape], format, addend ? 1 : 0, o.input(0), o.input(1), bias ? o.input(2) : nil, o.output(0), &$1)
        }
        return withAddend(addend ? o.input(bias ? 3 : 2) : nil, operation, o)
    }

    func convolutionInputGradient(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ channels: Range<Int>, _ format: odnn_format, addend: Bool
    ) throws -> PreparedOperation {
        if format == odnn_float32 && geometry.isPointwise {
            return try linearInputGradient(o, channels, addend: addend)
        }
        let shape = convolutionShape(
            o, geometry, channels, x: o.shape(output: 0), y: o.shape(input: 0), w: o.shape(input: 1))
        if format == odnn_float32 {
            if let narrow = try narrowInputGradient(o, geometry, shape, addend: addend) { return narrow }
            if let sizes = WinogradSizes(geometry, shape) {
                return try winogradInputGradient(o, sizes, addend: addend)
            }
        }
        let name = "\(format.name)convolution input gradient \(describe(shape))"
        let operation = try OneDNNOperation(engine, name: name) {
            odnn_convolution_input_gradient(
                $0, [shape], format, o.input(0), o.input(1), addend ? o.input(2) : nil, o.output(0), &$1)
        }
        return PreparedOperation(run: operation.run, derived: operation.derived)
    }

    func convolutionParameterGradient(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ channels: Range<Int>, _ format: odnn_format, bias: Bool
    ) throws -> PreparedOperation {
        if format == odnn_float32 && geometry.isPointwise {
            return try linearParameterGradient(o, channels, bias: bias)
        }
        let shape = convolutionShape(
            o, geometry, channels, x: o.shape(input: 0), y: o.shape(input: 1), w: o.shape(output: 0))
        if format == odnn_float32 {
            if let point = try onePixelParameterGradient(o, geometry, shape, bias: bias) { return point }
            if let narrow = try narrowParameterGradient(o, geometry, shape, bias: bias) { return narrow }
            if let sizes = WinogradSizes(geometry, shape) {
                return try winogradParameterGradient(o, sizes, bias: bias)
            }
        } else if let tiled = try tiledParameterGradient(o, geometry, shape, bias: bias) {
            return tiled
        }
        let name = "\(format.name)convolution parameter gradient \(describe(shape))"
        let operation = try OneDNNOperation(engine, name: name) {
            odnn_convolution_parameter_gradient(
                $0, [shape], format, o.input(0), o.input(1), o.output(0), bias ? o.output(1) : nil, &$1)
        }
        return PreparedOperation(run: operation.run)
    }

    /// Of images of one pixel, which only the middle of the kernel meets: one product of all images. nil of others.
    private func onePixelParameterGradient(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ shape: odnn_convolution_shape, bias: Bool
    ) throws -> PreparedOperation? {
        let taps = geometry.taps
        guard
            shape.height == 1, shape.width == 1, shape.outputHeight == 1, shape.outputWidth == 1,
            geometry.isCentredSquare
        else { return nil }
        let (inputs, outputs) = (Int(shape.inputChannels), Int(shape.outputChannels))
        let (x, dy, dw) = (o.input(0), o.input(1), o.output(0))
        let dbias = bias ? o.output(1) : nil
        let (row, first) = (Int(shape.weightInputChannels), Int(shape.firstWeightChannel))
        try scratch.reserve(max(inputs, 1) * outputs)
        return PreparedOperation(run: { [scratch] in
            let product = scratch.pointer
            ck_product(
                shape.outputChannels, shape.inputChannels, shape.images, 1,
                ck_matrix(base: dy, row: 1, column: shape.outputChannels), x, shape.inputChannels, 0, product,
                shape.inputChannels)
            for o in 0..<outputs {
                let middles = dw + ((o * row + first) * taps + taps / 2)
                for i in 0..<inputs { middles[i * taps] += product[o * inputs + i] }
            }
            if let dbias { ck_add_column_sums(shape.images, shape.outputChannels, dy, dbias, product) }
        })
    }

    /// A product that adds to its output: brings the addend there first, unless it is there already.
    func withAddend(
        _ addend: UnsafePointer<Float>?, _ operation: OneDNNOperation, _ o: Operands
    ) -> PreparedOperation {
        let output = o.output(0)
        let count = o.count(output: 0)
        guard let addend, addend != UnsafePointer(output) else {
            return PreparedOperation(run: operation.run, derived: operation.derived)
        }
        return PreparedOperation(
            run: {
                output.update(from: addend, count: count)
                try operation.run()
            },
            derived: operation.derived)
    }

    func convolutionShape(
        _ o: Operands, _ geometry: ConvolutionGeometry, _ channels: Range<Int>, x: [Int], y: [Int], w: [Int]
    ) -> odnn_convolution_shape {
        let input = Axes(x)
        let output = Axes(y)
        let kernel = geometry.kernelHeight * geometry.kernelWidth
        // A space-to-depth weight [O, C·kh·kw, 1, 1] is the same memory as [O, C, kh, kw].
        let weightInputs = w.dropFirst().reduce(1, *) / kernel
        let size = geometry.outputSize(input.height, input.width)
        o.require(
            input.channels == channels.count && output.channels == w.first && channels.upperBound <= weightInputs
                && weightInputs * kernel == w.dropFirst().reduce(1, *) && input.images == output.images
                && output.height == size.height && output.width == size.width,
            "shapes do not fit")
        return odnn_convolution_shape(
            images: Int64(input.images), height: Int64(input.height), width: Int64(input.width),
            inputChannels: Int64(input.channels), outputHeight: Int64(output.height),
            outputWidth: Int64(output.width), outputChannels: Int64(output.channels),
            kernelHeight: Int64(geometry.kernelHeight), kernelWidth: Int64(geometry.kernelWidth),
            stride: Int64(geometry.stride), paddingHeight: Int64(geometry.paddingHeight),
            paddingWidth: Int64(geometry.paddingWidth),
            weightInputChannels: Int64(weightInputs), firstWeightChannel: Int64(channels.lowerBound))
    }

    private func describe(_ s: odnn_convolution_shape) -> String {
        "[\(s.images), \(s.height), \(s.width), \(s.inputChannels)] to [\(s.outputHeight), \(s.outputWidth), "
            + "\(s.outputChannels)], kernel \(s.kernelHeight)x\(s.kernelWidth), stride \(s.stride), padding "
            + "\(s.paddingHeight)x\(s.paddingWidth)"
    }
}
