import TensorGraph

/// Inception-v3 (Szegedy et al. 2016) up to its last pool, as the Fréchet Inception distance has it: the graph of
/// `inception-2015-12-05` of TensorFlow, in the names and shapes of pytorch-fid. From torchvision's network it differs in
/// that average pools do not count padding, and in the last block, whose pool takes the largest. Forward only.
public struct InceptionV3 {
    /// Rows and columns of an image.
    public static let size = 299
    /// Numbers an image.
    public static let features = 2048
    /// ε of the batch normalisation that follows each convolution.
    public static let epsilon = 1e-3

    private let graph: Graph

    /// Adds the network for `batch` images to a new graph: the input `x [batch, 299, 299, 3]`, in [−1, 1] with channels in
    /// the order red, green, blue, and the result `features [batch, 2048]`.
    ///
    /// The parameters of a layer NAME are `NAME.weight [O, I, kh, kw]` and `NAME.bias [O]`, with the normalisation in
    /// them.
    public static func inferenceGraph(batch: Int) -> Graph {
        let network = InceptionV3(graph: Graph())
        let x = network.graph.input("x", [batch, size, size, 3])
        network.graph.keep(network.mixed(network.stem(x)).meanOverPositions(), as: "features")
        return network.graph
    }

    /// `[N, 299, 299, 3] → [N, 35, 35, 192]`.
    private func stem(_ x: Tensor) -> Tensor {
        var x = layer("Conv2d_1a_3x3", x, 32, ConvolutionGeometry(kernel: 3, stride: 2))
        x = layer("Conv2d_2a_3x3", x, 32, ConvolutionGeometry(kernel: 3))
        x = layer("Conv2d_2b_3x3", x, 64, .odd(3, 3)).maxPool(.halving)
        x = layer("Conv2d_3b_1x1", x, 80, .odd(1, 1))
        return layer("Conv2d_4a_3x3", x, 192, ConvolutionGeometry(kernel: 3)).maxPool(.halving)
    }

    /// `[N, 35, 35, 192] → [N, 8, 8, 2048]`.
    private func mixed(_ x: Tensor) -> Tensor {
        var x = x
        for (name, pool) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] { x = blockA(name, x, pool: pool) }
        x = blockB("Mixed_6a", x)
        for (name, width) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
            x = blockC(name, x, width)
        }
        x = blockD("Mixed_7a", x)
        x = blockE("Mixed_7b", x, pooled: x.averagePool(.around))
        return blockE("Mixed_7c", x, pooled: x.maxPool(.around))
    }

    /// A convolution with its normalisation, and max(·, 0).
    private func layer(_ name: String, _ x: Tensor, _ outputs: Int, _ geometry: ConvolutionGeometry) -> Tensor {
        // Whoever builds this has weights: nothing is trained from here.
        let shape = [outputs, x.channels, geometry.kernelHeight, geometry.kernelWidth]
        let weight = graph.parameter("\(name).weight", shape, .constant(0))
        let bias = graph.parameter("\(name).bias", [outputs], .constant(0))
        return x.convolution(weight, bias: bias, geometry).relu()
    }

    /// Layers of odd kernels that keep the size, one after the other: name, outputs, rows and columns of the kernel.
    private func chain(
        _ block: String, _ x: Tensor, _ layers: [(name: String, outputs: Int, height: Int, width: Int)]
    ) -> Tensor {
        layers.reduce(x) { x, one in
            layer("\(block).\(one.name)", x, one.outputs, .odd(one.height, one.width))
        }
    }

    private func blockA(_ name: String, _ x: Tensor, pool: Int) -> Tensor {
        joined([
            chain(name, x, [("branch1x1", 64, 1, 1)]),
            chain(name, x, [("branch5x5_1", 48, 1, 1), ("branch5x5_2", 64, 5, 5)]),
            chain(
                name, x, [("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 3), ("branch3x3dbl_3", 96, 3, 3)]),
            chain(name, x.averagePool(.around), [("branch_pool", pool, 1, 1)]),
        ])
    }

    /// To half the size.
    private func blockB(_ name: String, _ x: Tensor) -> Tensor {
        let double = chain(name, x, [("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 3)])
        return joined([
            layer("\(name).branch3x3", x, 384, .halving), layer("\(name).branch3x3dbl_3", double, 96, .halving),
            x.maxPool(.halving),
        ])
    }

    private func blockC(_ name: String, _ x: Tensor, _ width: Int) -> Tensor {
        joined([
            chain(name, x, [("branch1x1", 192, 1, 1)]),
            chain(
                name, x, [("branch7x7_1", width, 1, 1), ("branch7x7_2", width, 1, 7), ("branch7x7_3", 192, 7, 1)]),
            chain(
                name, x,
                [
                    ("branch7x7dbl_1", width, 1, 1), ("branch7x7dbl_2", width, 7, 1), ("branch7x7dbl_3", width, 1, 7),
                    ("branch7x7dbl_4", width, 7, 1), ("branch7x7dbl_5", 192, 1, 7),
                ]),
            chain(name, x.averagePool(.around), [("branch_pool", 192, 1, 1)]),
        ])
    }

    /// To half the size.
    private func blockD(_ name: String, _ x: Tensor) -> Tensor {
        let three = chain(name, x, [("branch3x3_1", 192, 1, 1)])
        let seven = chain(
            name, x, [("branch7x7x3_1", 192, 1, 1), ("branch7x7x3_2", 192, 1, 7), ("branch7x7x3_3", 192, 7, 1)])
        return joined([
            layer("\(name).branch3x3_2", three, 320, .halving), layer("\(name).branch7x7x3_4", seven, 192, .halving),
            x.maxPool(.halving),
        ])
    }

    private func blockE(_ name: String, _ x: Tensor, pooled: Tensor) -> Tensor {
        let three = chain(name, x, [("branch3x3_1", 384, 1, 1)])
        let double = chain(name, x, [("branch3x3dbl_1", 448, 1, 1), ("branch3x3dbl_2", 384, 3, 3)])
        return joined([
            chain(name, x, [("branch1x1", 320, 1, 1)]),
            chain(name, three, [("branch3x3_2a", 384, 1, 3)]), chain(name, three, [("branch3x3_2b", 384, 3, 1)]),
            chain(name, double, [("branch3x3dbl_3a", 384, 1, 3)]),
            chain(name, double, [("branch3x3dbl_3b", 384, 3, 1)]),
            chain(name, pooled, [("branch_pool", 192, 1, 1)]),
        ])
    }

    private func joined(_ branches: [Tensor]) -> Tensor {
        branches.dropFirst().reduce(branches[0]) { $0.concatenated(with: $1) }
    }
}

extension ConvolutionGeometry {
    fileprivate static func odd(_ height: Int, _ width: Int) -> Self { Self(oddKernel: height, width) }
    /// Windows of 3×3, each second one in a row and column, without padding.
    fileprivate static let halving = Self(kernel: 3, stride: 2)
    /// Windows of 3×3 around each pixel.
    fileprivate static let around = Self(kernel: 3, padding: 1)
}
