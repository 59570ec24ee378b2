import CKernels
import TensorGraph

extension CPUBackend {
    func groupNorm(
        _ o: Operands, _ groups: Int, _ epsilon: Float, silu: Bool, modulated: Bool, residual: Bool
    ) throws -> PreparedOperation {
        let shape = normShape(o, o.shape(input: 0), groups, epsilon)
        let (x, gamma, beta) = (o.input(0), o.input(1), o.input(2))
        let scaleShift = modulated ? o.input(3) : nil
        let added = residual ? o.input(modulated ? 4 : 3) : nil
        let (y, statistics) = (o.output(0), o.output(1))
        return try kernel(shape, scratch: ck_group_norm_scratch) {
            ck_group_norm($0, silu ? 1 : 0, x, gamma, beta, scaleShift, added, y, statistics, $1)
        }
    }

    func groupNormGradient(_ o: Operands, _ groups: Int) throws -> PreparedOperation {
        let shape = normShape(o, o.shape(input: 1), groups, 0)
        let (dy, x, gamma, statistics) = (o.input(0), o.input(1), o.input(2), o.input(3))
        let (dx, dgamma, dbeta) = (o.output(0), o.output(1), o.output(2))
        return try kernel(shape, scratch: ck_group_norm_scratch) {
            ck_group_norm_gradient($0, 0, dy, x, gamma, nil, nil, statistics, dx, dgamma, dbeta, nil, $1)
        }
    }

    func groupNormSiLUGradient(_ o: Operands, _ groups: Int, modulated: Bool) throws -> PreparedOperation {
        let shape = normShape(o, o.shape(input: 1), groups, 0)
        let (dy, x, gamma, beta) = (o.input(0), o.input(1), o.input(2), o.input(3))
        let scaleShift = modulated ? o.input(4) : nil
        let statistics = o.input(modulated ? 5 : 4)
        let (dx, dgamma, dbeta) = (o.output(0), o.output(1), o.output(2))
        let dscaleShift = modulated ? o.output(3) : nil
        return try kernel(shape, scratch: ck_group_norm_scratch) {
            ck_group_norm_gradient(
                $0, 1, dy, x, gamma, beta, scaleShift, statistics, dx, dgamma, dbeta, dscaleShift, $1)
        }
    }

    func rmsNorm(_ o: Operands, residual: Bool) -> PreparedOperation {
        let (rows, channels) = o.rows(input: 0)
        let (x, g, y) = (o.input(0), o.input(1), o.output(0))
        let added = residual ? o.input(2) : nil
        return PreparedOperation(run: { ck_rms_norm(rows, channels, x, g, added, y) })
    }

    func rmsNormGradient(_ o: Operands) throws -> PreparedOperation {
        let (rows, channels) = o.rows(input: 0)
        let (dy, x, g) = (o.input(0), o.input(1), o.input(2))
        let (dx, dg) = (o.output(0), o.output(1))
        try scratch.reserve(3 * Int(channels))
        return PreparedOperation(run: { [scratch] in
            ck_rms_norm_gradient(rows, channels, dy, x, g, dx, dg, scratch.pointer)
        })
    }

    func modulate(_ o: Operands) -> PreparedOperation {
        let axes = Axes(o.shape(input: 0))
        let (x, scaleShift, y) = (o.input(0), o.input(1), o.output(0))
        o.require(o.count(input: 1) == 2 * axes.images * axes.channels, "scaleShift is not [N, 2C]")
        return PreparedOperation(run: {
            ck_modulate(Int64(axes.images), Int64(axes.pixels), Int64(axes.channels), x, scaleShift, y)
        })
    }

    func modulateGradient(_ o: Operands) throws -> PreparedOperation {
        let axes = Axes(o.shape(input: 0))
        let (dy, x, scaleShift) = (o.input(0), o.input(1), o.input(2))
        let (dx, dscaleShift) = (o.output(0), o.output(1))
        o.require(o.count(input: 2) == 2 * axes.images * axes.channels, "scaleShift is not [N, 2C]")
        try scratch.reserve(2 * axes.channels)
        return PreparedOperation(run: { [scratch] in
            ck_modulate_gradient(
                Int64(axes.images), Int64(axes.pixels), Int64(axes.channels), dy, x, scaleShift, dx, dscaleShift,
                scratch.pointer)
        })
    }

    func activation(_ operation: Operation, _ o: Operands) -> PreparedOperation {
        let (x, y, count) = (o.input(0), o.output(0), o.count(input: 0))
        o.require(o.count(output: 0) == count, "counts differ")
        if operation == .silu { return PreparedOperation(run: { ck_silu(count, x, y) }) }
        return PreparedOperation(run: { ck_gelu(count, x, y) })
    }

    func activationGradient(_ operation: Operation, _ o: Operands) -> PreparedOperation {
        let (dy, x, dx, count) = (o.input(0), o.input(1), o.output(0), o.count(input: 0))
        o.require(o.count(input: 1) == count && o.count(output: 0) == count, "counts differ")
        if operation == .siluGradient { return PreparedOperation(run: { ck_silu_gradient(count, dy, x, dx) }) }
        return PreparedOperation(run: { ck_gelu_gradient(count, dy, x, dx) })
    }

    private func normShape(_ o: Operands, _ x: [Int], _ groups: Int, _ epsilon: Float) -> ck_group_norm_shape {
        let axes = Axes(x)
        o.require(groups > 0 && axes.channels % groups == 0, "\(groups) groups do not divide \(axes.channels) channels")
        return ck_group_norm_shape(
            images: Int64(axes.images), pixels: Int64(axes.pixels), channels: Int64(axes.channels),
            groups: Int64(groups), epsilon: epsilon)
    }
}

extension Operands {
    /// All axes but the last, and the last, of an input.
    func rows(input index: Int) -> (rows: Int64, channels: Int64) {
        let shape = shape(input: index)
        return (Int64(shape.dropLast().reduce(1, *)), Int64(shape.last ?? 0))
    }
}
