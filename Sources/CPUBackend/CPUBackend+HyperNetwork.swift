import CKernels
import TensorGraph

// Hypernetworks: whole, and layer by layer. Rows R = N·H·W, C channels of x, L latent numbers, K layers.
extension CPUBackend {
    func hyperNetwork(_ o: Operands, layers: Int) throws -> PreparedOperation {
        var shape = hyperNetworkShape(o, x: 0, layers: layers)
        let weights = try HyperNetworkWeights(&shape, parameters: (2..<7 + 2 * layers).map(o.input))
        let (x, z, y) = (o.input(0), o.input(1), o.output(0))
        return try kernel(shape, scratch: ck_hypernetwork_scratch, derived: weights.derived) {
            ck_hypernetwork($0, weights.parameters, weights.arranged, x, z, y, $1)
        }
    }

    func hyperNetworkGradient(_ o: Operands, layers: Int, addend: Bool) throws -> PreparedOperation {
        var shape = hyperNetworkShape(o, x: 1, layers: layers)
        let weights = try HyperNetworkWeights(&shape, parameters: (3..<8 + 2 * layers).map(o.input))
        let (dy, x, z, added) = (o.input(0), o.input(1), o.input(2), addend ? o.input(8 + 2 * layers) : nil)
        let (dx, dz) = (o.output(0), o.output(1))
        let gradients: [UnsafeMutablePointer<Float>?] = (2..<7 + 2 * layers).map(o.output)
        return try kernel(shape, scratch: ck_hypernetwork_scratch, derived: weights.derived) {
            ck_hypernetwork_gradient(
                $0, weights.parameters, weights.arranged, dy, x, z, added, dx, dz, gradients, $1)
        }
    }

    func rankOneUpdate(_ o: Operands, _ layer: Int) -> PreparedOperation {
        let (rows, length) = o.rows(input: 0)
        let (r, p, y) = (o.input(0), o.input(1), o.output(0))
        o.require(o.count(input: 1) == o.count(input: 0) && layer < o.count(input: 2), "shapes do not fit")
        let scale = o.input(2) + layer
        return PreparedOperation(run: { ck_rank_one_update(rows, length, r, p, scale, y) })
    }

    func rankOneUpdateGradient(_ o: Operands, _ layer: Int) -> PreparedOperation {
        let (rows, length) = o.rows(input: 0)
        let (dy, r, p) = (o.input(0), o.input(1), o.input(2))
        o.require(
            o.count(input: 1) == o.count(input: 0) && o.count(input: 2) == o.count(input: 0)
                && layer < o.count(input: 3) && layer < o.count(output: 2), "shapes do not fit")
        let scale = o.input(3) + layer
        let (dr, dp, dscale) = (o.output(0), o.output(1), o.output(2) + layer)
        return PreparedOperation(run: { ck_rank_one_update_gradient(rows, length, dy, r, p, scale, dr, dp, dscale) })
    }

    /// - Parameter x: the input that is x; z and the parameters follow.
    private func hyperNetworkShape(_ o: Operands, x: Int, layers: Int) -> ck_hypernetwork_shape {
        let (rows, channels) = o.rows(input: x)
        let (zRows, latent) = o.rows(input: x + 1)
        let (c, l) = (Int(channels), Int(latent))
        let shapes = [[l, c], [l], [c, l], [c], [layers]] + (0..<layers).flatMap { _ in [[l, l], [l]] }
        o.require(
            layers > 0 && zRows == rows && shapes.indices.allSatisfy { o.shape(input: x + 2 + $0) == shapes[$0] },
            "shapes do not fit")
        return ck_hypernetwork_shape(rows: rows, channels: channels, latent: latent, layers: Int64(layers))
    }
}

/// A hypernetwork's parameters, and the working layout that is derived from them.
private final class HyperNetworkWeights {
    let derived: DerivedParameters
    let parameters: [UnsafePointer<Float>?]
    let arranged: UnsafePointer<Float>
    private let memory: CPUMemory

    init(_ shape: inout ck_hypernetwork_shape, parameters: [UnsafePointer<Float>?]) throws {
        let memory = try CPUMemory(count: ck_hypernetwork_weights(&shape))
        let place = memory.pointer(0..<memory.count)
        derived = DerivedParameters { [shape] in
            withUnsafePointer(to: shape) { ck_hypernetwork_arrange($0, parameters, place) }
        }
        (self.memory, self.parameters, arranged) = (memory, parameters, UnsafePointer(place))
    }
}
