import TensorGraph

/// What a denoising network is shown, as inputs of a graph for N samples.
public enum NetworkInput: String {
    /// x_t, `[N, H, W, C]`.
    case xt = "x"
    /// t, `[N]`.
    case timestep
    /// η, `[N, H, W, C]`, where the network takes it.
    case eta
    /// The network's earlier estimate of x_0, `[N, H, W, C]`, with self-conditioning.
    case selfCondition = "self_condition"
}

extension ModelConfiguration {
    /// Values of the network's inputs by name, as ``Executor/write(_:)`` takes them.
    ///
    /// - Parameters:
    ///   - eta: given exactly where the network takes η.
    ///   - selfCondition: nil where the network takes none, or it is added later.
    public func inputs(
        xt: [Float], timestep: [Float], eta: [Float]?, selfCondition: [Float]? = nil
    ) -> [String: [Float]] {
        precondition(usesEta == (eta != nil), "η is given to a network that takes none, or missing")
        precondition(
            self.selfCondition || selfCondition == nil, "an estimate of x_0 is given without self-conditioning")
        let values: [NetworkInput: [Float]?] = [
            .xt: xt, .timestep: timestep, .eta: eta, .selfCondition: selfCondition,
        ]
        return Dictionary(
            uniqueKeysWithValues: values.compactMap { name, values in values.map { (name.rawValue, $0) } })
    }
}

extension Denoiser {
    /// Adds the network for `batch` samples to a graph, and the inputs that it takes.
    public func callAsFunction(_ graph: Graph, batch: Int) -> (output: Tensor, z: Tensor?) {
        let c = configuration
        let shape = [batch, c.size, c.size, c.channels]
        func input(_ name: NetworkInput, _ shape: [Int]) -> Tensor { graph.input(name.rawValue, shape) }
        return self(
            input(.xt, shape), timestep: input(.timestep, [batch]), eta: c.usesEta ? input(.eta, shape) : nil,
            selfCondition: c.selfCondition ? input(.selfCondition, shape) : nil)
    }

    /// A forward pass over `batch` samples, to be run in `precision`; `output` is kept, and with SMD the latent map `z`.
    ///
    /// - Parameter fused: turned off only to compare with.
    public func inferenceGraph(batch: Int, precision: Precision = .fp32, fused: Bool = true) -> Graph {
        let graph = Graph()
        let (output, z) = self(graph, batch: batch)
        graph.keep(output, as: "output")
        if let z { graph.keep(z, as: "z") }
        if fused { graph.fuse(for: precision) }
        return graph
    }
}
