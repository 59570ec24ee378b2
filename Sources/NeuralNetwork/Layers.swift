import TensorGraph

/// Where a layer declares its parameters: a graph and the prefix of their names.
public struct Scope {
    /// The graph that is being built.
    public let graph: Graph
    /// Names so far, e.g. `model.downs.0`.
    public let path: String

    /// The scope of names that start with `path`.
    public init(_ graph: Graph, _ path: String) {
        self.graph = graph
        self.path = path
    }

    /// The scope of a part.
    public static func / (scope: Scope, part: String) -> Scope { Scope(scope.graph, "\(scope.path).\(part)") }
    /// The scope of a numbered part.
    public static func / (scope: Scope, part: Int) -> Scope { scope / String(part) }

    func parameter(_ name: String, _ shape: [Int], _ initializer: Initializer) -> Tensor {
        graph.parameter("\(path).\(name)", shape, initializer)
    }

    /// PyTorch's default for weights and biases: uniform in ±1/√fan_in.
    func uniform(_ name: String, _ shape: [Int], fanIn: Int) -> Tensor {
        parameter(name, shape, .uniform(bound: 1 / Float(fanIn).squareRoot()))
    }
}

/// `y = x · weightᵀ + bias` over the last axis: `[..., I] → [..., O]`. `weight [O, I]`, `bias [O]`, both U(±1/√I).
struct Linear {
    let weight: Tensor
    let bias: Tensor

    init(_ scope: Scope, _ inputs: Int, _ outputs: Int) {
        weight = scope.uniform("weight", [outputs, inputs], fanIn: inputs)
        bias = scope.uniform("bias", [outputs], fanIn: inputs)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weight, bias: bias) }
}

/// 2-D convolution that keeps H and W, or divides them by its stride: `[N, H, W, I] → [N, H, W, O]`.
/// `weight [O, I, k, k]`, `bias [O]`, both U(±1/√(I·k²)), or zero.
struct Convolution {
    let weight: Tensor
    let bias: Tensor?
    let geometry: ConvolutionGeometry

    init(
        _ scope: Scope, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, bias hasBias: Bool = true,
        startsAtZero: Bool = false
    ) {
        let bound = 1 / Float(inputs * kernel * kernel).squareRoot()
        let start: Initializer = startsAtZero ? .constant(0) : .uniform(bound: bound)
        weight = scope.parameter("weight", [outputs, inputs, kernel, kernel], start)
        bias = hasBias ? scope.parameter("bias", [outputs], start) : nil
        geometry = ConvolutionGeometry(kernel: kernel, stride: stride, padding: kernel / 2)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { x.convolution(weight, bias: bias, geometry) }
}

/// Space-to-depth (channel order C, row, column) and a 1×1 convolution: `[N, H, W, I] → [N, H/2, W/2, O]`.
///
/// `weight [O, 4·I, 1, 1]` lies in memory exactly as `[O, I, 2, 2]`, so this is a 2×2 convolution with stride 2.
struct Downsample {
    let weight: Tensor
    let bias: Tensor

    init(_ scope: Scope, _ inputs: Int, _ outputs: Int) {
        weight = scope.uniform("weight", [outputs, 4 * inputs, 1, 1], fanIn: 4 * inputs)
        bias = scope.uniform("bias", [outputs], fanIn: 4 * inputs)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let kernel = weight.viewed(as: [weight.shape[0], weight.shape[1] / 4, 2, 2])
        return x.convolution(kernel, bias: bias, ConvolutionGeometry(kernel: 2, stride: 2))
    }
}

/// Group normalisation (Wu and He 2018): every group of channels of every image to mean 0 and variance 1 (ε = 1e-5 or as given),
/// then per channel `· weight + bias`. `weight [C]` starts at 1, `bias [C]` at 0.
struct GroupNorm {
    let groups: Int
    let epsilon: Float
    let weight: Tensor
    let bias: Tensor

    init(_ scope: Scope, groups: Int, channels: Int, epsilon: Float = 1e-5) {
        (self.groups, self.epsilon) = (groups, epsilon)
        weight = scope.parameter("weight", [channels], .constant(1))
        bias = scope.parameter("bias", [channels], .constant(0))
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        x.groupNorm(groups: groups, epsilon: epsilon, scale: weight, shift: bias)
    }
}

/// Every pixel's channels to norm √C, then per channel `· g`. `g [1, C, 1, 1]` starts at 1.
struct RMSNorm {
    let g: Tensor

    init(_ scope: Scope, channels: Int) {
        g = scope.parameter("g", [1, channels, 1, 1], .constant(1))
    }

    func callAsFunction(_ x: Tensor) -> Tensor { x.rmsNorm(scale: g) }
}
