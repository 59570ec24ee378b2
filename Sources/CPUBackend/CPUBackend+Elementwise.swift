import CKernels
import TensorGraph

extension CPUBackend {
    func add(_ o: Operands) -> PreparedOperation {
        let (a, b, y, count) = (o.input(0), o.input(1), o.output(0), o.count(input: 0))
        o.require(o.count(input: 1) == count && o.count(output: 0) == count, "counts differ")
        return PreparedOperation(run: { ck_add(count, a, b, y) })
    }

    func relu(_ o: Operands) -> PreparedOperation {
        let (x, y, count) = (o.input(0), o.output(0), o.count(input: 0))
        o.require(o.count(output: 0) == count, "counts differ")
        return PreparedOperation(run: { ck_relu(count, x, y) })
    }

    func concatenateChannels(_ o: Operands) -> PreparedOperation {
        let (rows, first) = o.rows(input: 0)
        let (rowsB, second) = o.rows(input: 1)
        let (a, b, y) = (o.input(0), o.input(1), o.output(0))
        o.require(rows == rowsB && o.count(output: 0) == Int(rows * (first + second)), "shapes do not fit")
        return PreparedOperation(run: {
            ck_copy_columns(rows, first, a, first, 0, y, first + second, 0)
            ck_copy_columns(rows, second, b, second, 0, y, first + second, first)
        })
    }

    func sliceChannels(_ o: Operands, _ channels: Range<Int>) -> PreparedOperation {
        let (rows, all) = o.rows(input: 0)
        let (x, y, length) = (o.input(0), o.output(0), Int64(channels.count))
        o.require(
            channels.lowerBound >= 0 && channels.upperBound <= all && o.count(output: 0) == Int(rows * length),
            "shapes do not fit")
        return PreparedOperation(run: {
            ck_copy_columns(rows, length, x, all, Int64(channels.lowerBound), y, length, 0)
        })
    }

    func upsampleNearest(_ o: Operands) -> PreparedOperation {
        let axes = Axes(o.shape(input: 0))
        let (x, y) = (o.input(0), o.output(0))
        o.require(o.count(output: 0) == 4 * o.count(input: 0), "the output is not 2x2 as large")
        return PreparedOperation(run: {
            ck_upsample_nearest(
                Int64(axes.images), Int64(axes.height), Int64(axes.width), Int64(axes.channels), x, y)
        })
    }

    func upsampleNearestGradient(_ o: Operands) -> PreparedOperation {
        let axes = Axes(o.shape(output: 0))
        let (dy, dx) = (o.input(0), o.output(0))
        o.require(o.count(input: 0) == 4 * o.count(output: 0), "the input is not 2x2 as large")
        return PreparedOperation(run: {
            ck_upsample_nearest_gradient(
                Int64(axes.images), Int64(axes.height), Int64(axes.width), Int64(axes.channels), dy, dx)
        })
    }

    func reshape(_ o: Operands) -> PreparedOperation {
        let (count, x, y) = (o.count(input: 0), o.input(0), o.output(0))
        o.require(o.count(output: 0) == count, "shapes do not fit")
        return PreparedOperation(run: { ck_repeat_samples(1, 1, Int64(count), x, y) })
    }

    func repeatSamples(_ o: Operands, _ count: Int) -> PreparedOperation {
        let (images, elements) = samples(o.shape(input: 0))
        let (x, y) = (o.input(0), o.output(0))
        o.require(o.count(output: 0) == count * o.count(input: 0), "shapes do not fit")
        return PreparedOperation(run: { ck_repeat_samples(images, Int64(count), elements, x, y) })
    }

    func repeatSamplesGradient(_ o: Operands, _ count: Int) -> PreparedOperation {
        let (images, elements) = samples(o.shape(output: 0))
        let (dy, dx) = (o.input(0), o.output(0))
        o.require(o.count(input: 0) == count * o.count(output: 0), "shapes do not fit")
        return PreparedOperation(run: { ck_repeat_samples_gradient(images, Int64(count), elements, dy, dx) })
    }

    private func samples(_ shape: [Int]) -> (images: Int64, elements: Int64) {
        (Int64(shape[0]), Int64(shape.dropFirst().reduce(1, *)))
    }

    func meanOverPositions(_ o: Operands) -> PreparedOperation {
        let axes = Axes(o.shape(input: 0))
        let (x, y) = (o.input(0), o.output(0))
        o.require(o.count(output: 0) == axes.images * axes.channels, "shapes do not fit")
        return PreparedOperation(run: {
            ck_mean_over_positions(Int64(axes.images), Int64(axes.pixels), Int64(axes.channels), x, y)
        })
    }

    func meanOverPositionsGradient(_ o: Operands) -> PreparedOperation {
        let axes = Axes(o.shape(output: 0))
        let (dy, dx) = (o.input(0), o.output(0))
        o.require(o.count(input: 0) == axes.images * axes.channels, "shapes do not fit")
        return PreparedOperation(run: {
            ck_mean_over_positions_gradient(Int64(axes.images), Int64(axes.pixels), Int64(axes.channels), dy, dx)
        })
    }

    func pool(
        _ o: Operands, _ window: ConvolutionGeometry,
        _ run: @escaping (UnsafePointer<ck_pool_shape>, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) -> PreparedOperation {
        prepared(o, poolShape(o, window, of: o.shape(input: 0), to: o.shape(output: 0)), run)
    }

    func averagePoolGradient(_ o: Operands, _ window: ConvolutionGeometry) -> PreparedOperation {
        prepared(o, poolShape(o, window, of: o.shape(output: 0), to: o.shape(input: 0)), ck_average_pool_gradient)
    }

    private func prepared(
        _ o: Operands, _ shape: ck_pool_shape,
        _ run: @escaping (UnsafePointer<ck_pool_shape>, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) -> PreparedOperation {
        let (x, y) = (o.input(0), o.output(0))
        return PreparedOperation(run: { withUnsafePointer(to: shape) { run($0, x, y) } })
    }

    private func poolShape(_ o: Operands, _ window: ConvolutionGeometry, of x: [Int], to y: [Int]) -> ck_pool_shape {
        let (input, output) = (Axes(x), Axes(y))
        let size = window.outputSize(input.height, input.width)
        o.require(
            output.images == input.images && output.height == size.height && output.width == size.width
                && output.channels == input.channels,
            "shapes do not fit")
        return ck_pool_shape(
            images: Int64(input.images), height: Int64(input.height), width: Int64(input.width),
            channels: Int64(input.channels), outputHeight: Int64(size.height), outputWidth: Int64(size.width),
            kernelHeight: Int64(window.kernelHeight), kernelWidth: Int64(window.kernelWidth),
            stride: Int64(window.stride), paddingHeight: Int64(window.paddingHeight),
            paddingWidth: Int64(window.paddingWidth))
    }

    func dropout(_ o: Operands, _ rate: Double, _ layer: UInt32) -> PreparedOperation {
        let (x, key, y, count) = (o.input(0), o.input(1), o.output(0), o.count(input: 0))
        let images = o.count(input: 1) / 4
        o.require(o.count(output: 0) == count && images > 0 && count.isMultiple(of: images), "shapes do not fit")
        return PreparedOperation(run: { ck_dropout(Int64(images), Int64(count / images), rate, layer, x, key, y) })
    }

    func embedding(_ o: Operands) -> PreparedOperation {
        let width = o.rows(input: 1).channels
        let (label, weight, y, images) = (o.input(0), o.input(1), o.output(0), Int64(o.count(input: 0)))
        o.require(Int64(o.count(output: 0)) == images * width, "shapes do not fit")
        return PreparedOperation(run: { ck_embedding(images, width, label, weight, y) })
    }

    func embeddingGradient(_ o: Operands) -> PreparedOperation {
        let (images, width) = o.rows(input: 0)
        let (dy, label, dweight) = (o.input(0), o.input(1), o.output(0))
        o.require(
            o.count(input: 1) == images && Int64(o.count(output: 0)).isMultiple(of: width), "shapes do not fit")
        return PreparedOperation(run: { ck_embedding_gradient(images, width, label, dy, dweight) })
    }

    func sinusoidalEmbedding(_ o: Operands, _ dimension: Int, _ cosinesFirst: Bool) -> PreparedOperation {
        let (t, y, images) = (o.input(0), o.output(0), o.count(input: 0))
        o.require(
            dimension > 0 && (cosinesFirst || dimension % 2 == 0) && o.count(output: 0) == images * dimension,
            "shapes do not fit")
        return PreparedOperation(run: {
            ck_sinusoidal_embedding(Int64(images), Int64(dimension), cosinesFirst ? 1 : 0, t, y)
        })
    }

    func constant(_ o: Operands, _ value: Float) -> PreparedOperation {
        let y = UnsafeMutableBufferPointer(start: o.output(0), count: o.count(output: 0))
        return PreparedOperation(run: { y.update(repeating: value) })
    }

    func weightedSquaredError(_ o: Operands) -> PreparedOperation {
        let (images, elements) = errorShape(o, 0)
        let (prediction, target, weight, loss) = (o.input(0), o.input(1), o.input(2), o.output(0))
        return PreparedOperation(run: {
            ck_weighted_squared_error(images, elements, prediction, target, weight, loss)
        })
    }

    func weightedSquaredErrorGradient(_ o: Operands) -> PreparedOperation {
        let (images, elements) = errorShape(o, 1)
        let (dloss, prediction, target, weight) = (o.input(0), o.input(1), o.input(2), o.input(3))
        let gradient = o.output(0)
        return PreparedOperation(run: {
            ck_weighted_squared_error_gradient(images, elements, dloss, prediction, target, weight, gradient)
        })
    }

    func weightedAbsoluteError(_ o: Operands) -> PreparedOperation {
        let (images, elements) = errorShape(o, 0)
        let (prediction, target, weight, loss) = (o.input(0), o.input(1), o.input(2), o.output(0))
        return PreparedOperation(run: {
            ck_weighted_absolute_error(images, elements, prediction, target, weight, loss)
        })
    }

    func weightedAbsoluteErrorGradient(_ o: Operands) -> PreparedOperation {
        let (images, elements) = errorShape(o, 1)
        let (dloss, prediction, target, weight) = (o.input(0), o.input(1), o.input(2), o.input(3))
        let gradient = o.output(0)
        return PreparedOperation(run: {
            ck_weighted_absolute_error_gradient(images, elements, dloss, prediction, target, weight, gradient)
        })
    }

    func softmaxCrossEntropy(_ o: Operands) -> PreparedOperation {
        let (images, classes) = classShape(o, 0)
        let (logits, label, weight, loss) = (o.input(0), o.input(1), o.input(2), o.output(0))
        return PreparedOperation(run: { ck_softmax_cross_entropy(images, classes, logits, label, weight, loss) })
    }

    func softmaxCrossEntropyGradient(_ o: Operands) -> PreparedOperation {
        let (images, classes) = classShape(o, 1)
        let (dloss, logits, label, weight) = (o.input(0), o.input(1), o.input(2), o.input(3))
        let gradient = o.output(0)
        return PreparedOperation(run: {
            ck_softmax_cross_entropy_gradient(images, classes, dloss, logits, label, weight, gradient)
        })
    }

    /// - Parameter first: index of the logits.
    private func classShape(_ o: Operands, _ first: Int) -> (images: Int64, classes: Int64) {
        let (images, classes) = o.rows(input: first)
        o.require(
            o.count(input: first + 1) == images && o.count(input: first + 2) == images && classes > 0,
            "shapes do not fit")
        return (images, classes)
    }

    /// - Parameter first: index of the prediction.
    private func errorShape(_ o: Operands, _ first: Int) -> (images: Int64, elements: Int64) {
        let images = o.count(input: first + 2)
        let count = o.count(input: first)
        o.require(images > 0 && count % images == 0 && o.count(input: first + 1) == count, "shapes do not fit")
        return (Int64(images), Int64(count / images))
    }
}
