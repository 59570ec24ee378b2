import TensorGraph

/// What a denoising network is shown, as inputs of a graph for N samples.
public enum NetworkInput: String {
    /// x_t, `[N, H, W, C]`.
    case xt = "x"
    /// t, `[N]`.
    case timestep
    /// η, `[N, H, W, C]`, where the network takes it.
    case eta
    /// The numbers of η that all pixels share, `[N, E]`, where there are any.
    case etaChannels = "eta_channels"
    /// The network's earlier estimate of x_0, `[N, H, W, C]`, with self-conditioning.
    case selfCondition = "self_condition"
    /// The class of each sample, `[N]`, where the network takes it.
    case label
    /// What decides which numbers are dropped in training, `[N, 4]`, each in [0, 1); with dropout.
    case dropoutKey = "dropout_key"
    /// What was done to each training image, `[N, 9]`, where the network is told; else it is shown zeros.
    case augmentation
    /// The image that the sample is drawn from, y_t, `[N, H, W, C']`, where there is one.
    case condition
}

extension ModelConfiguration {
    /// Values of the network's inputs by name, as ``Executor/write(_:)`` takes them.
    ///
    /// - Parameters:
    ///   - timestep: t, `[N]`, which the network gets times ``timeScale``.
    ///   - eta: given exactly where the network takes η: of each sample first H·W·C numbers, then those that pixels share;
    ///     in training with several draws these follow each other.
    ///   - selfCondition: nil where the network takes none, or it is added later.
    ///   - labels: the class of each sample; nil where the network takes none, or they are added later.
    ///   - conditions: y_t, `[N, H, W, C']`; nil where the network takes none, or they are added later.
    public func inputs(
        xt: [Float], timestep: [Float], eta: [Float]?, selfCondition: [Float]? = nil, labels: [Float]? = nil,
        conditions: [Float]? = nil
    ) -> [String: [Float]] {
        precondition(usesEta == (eta != nil), "η is given to a network that takes none, or missing")
        precondition(
            self.selfCondition || selfCondition == nil, "an estimate of x_0 is given without self-conditioning")
        precondition(takesLabels || labels == nil, "labels are given to a network that takes none")
        precondition(
            labels.map { $0.allSatisfy { $0 >= 0 && $0 < Float(classRows) } } ?? true,
            "labels beyond \(classes) classes\(nullClass == nil ? "" : " and none")")
        let shared = eta.map { eta in
            stride(from: 0, to: eta.count, by: etaElements).flatMap { eta[$0 + sampleElements..<$0 + etaElements] }
        }
        let ofPixels =
            etaChannels == 0
            ? eta
            : eta.map { eta in
                stride(from: 0, to: eta.count, by: etaElements).flatMap { eta[$0..<$0 + sampleElements] }
            }
        let values: [NetworkInput: [Float]?] = [
            .xt: xt, .timestep: timeScale == 1 ? timestep : timestep.map { Float(Double($0) * timeScale) },
            .eta: ofPixels, .etaChannels: etaChannels == 0 ? nil : shared,
            .selfCondition: selfCondition, .label: labels, .condition: conditions,
        ]
        return Dictionary(
            uniqueKeysWithValues: values.compactMap { name, values in values.map { (name.rawValue, $0) } })
    }
}

extension ModelConfiguration {
    /// The estimates and v of an output `[N, H, W, 2C]`, each `[N, H, W, C]`; without a learned variance the estimates and
    /// nothing. What is said of conditions is left out.
    public func parts(ofOutput output: [Float]) -> (estimate: [Float], v: [Float]) {
        guard learnedVariance || conditionScore else { return (output, []) }
        func channels(_ first: Int) -> [Float] {
            stride(from: first, to: output.count, by: outputChannels).flatMap { output[$0..<$0 + self.channels] }
        }
        return (channels(0), learnedVariance ? channels(self.channels) : [])
    }
}

extension Denoiser {
    /// Adds the network for `batch` samples to a graph, and the inputs that it takes.
    ///
    /// - Parameters:
    ///   - draws: draws of the latent for each sample, one after the other in η and in the output.
    ///   - training: whether numbers are dropped, where the network has dropout, and whether images are augmented.
    ///   - seen: what the network is shown of its input x_t.
    public func callAsFunction(
        _ graph: Graph, batch: Int, draws: Int = 1, training: Bool = true, seen: (Tensor) -> Tensor = { $0 }
    ) -> (output: Tensor, z: Tensor?) {
        let c = configuration
        return self(
            graph, x: seen(graph.input(NetworkInput.xt.rawValue, [batch, c.size, c.size, c.channels])), draws: draws,
            training: training)
    }

    /// The same, given the input x_t, `[batch, H, W, C]`.
    private func callAsFunction(
        _ graph: Graph, x: Tensor, draws: Int = 1, training: Bool
    ) -> (output: Tensor, z: Tensor?) {
        let c = configuration
        let batch = x.shape[0]
        func input(_ name: NetworkInput, _ shape: [Int]) -> Tensor { graph.input(name.rawValue, shape) }
        let image = [c.size, c.size, c.channels]
        let told = [batch, ModelConfiguration.augmentationNumbers]
        let timestep = input(.timestep, [batch])
        let eta =
            c.usesEta
            ? Eta(
                pixels: input(.eta, [batch * draws] + image),
                shared: c.etaChannels > 0 ? input(.etaChannels, [batch * draws, c.etaChannels]) : nil) : nil
        return self(
            x, timestep: timestep, eta: eta, selfCondition: c.selfCondition ? input(.selfCondition, x.shape) : nil,
            label: c.takesLabels ? input(.label, [batch]) : nil,
            dropoutKey: training && c.drops ? input(.dropoutKey, [batch, 4]) : nil,
            augmentation: c.augment == 0
                ? nil : training ? input(.augmentation, told) : graph.constant(0, told),
            imageCondition: c.conditionChannels > 0
                ? input(.condition, [batch, c.size, c.size, c.conditionChannels]) : nil, draws: draws)
    }

    /// A forward pass over `batch` samples, to be run in `precision`; `output` is kept, and with SMD the latent map `z`.
    ///
    /// - Parameter fused: turned off only to compare with.
    public func inferenceGraph(batch: Int, precision: Precision = .fp32, fused: Bool = true) -> Graph {
        let graph = Graph()
        let (output, z) = self(graph, batch: batch, training: false)
        graph.keep(output, as: "output")
        if let z { graph.keep(z, as: "z") }
        if fused { graph.fuse(for: precision) }
        return graph
    }

    /// Forward and backward pass over `batch` samples from the input `seed`, of the shape of the output, to x_t, with the weights
    /// held; the gradient `[batch, H, W, C]` is kept as `gradient`.
    public func slopeGraph(batch: Int, precision: Precision = .fp32) -> Graph {
        let c = configuration
        let graph = Graph()
        let x = graph.input(NetworkInput.xt.rawValue, [batch, c.size, c.size, c.channels])
        let output = self(graph, x: x, training: false).output
        let seed = graph.input("seed", output.shape)
        graph.keep(output, as: "output")
        graph.fuse(for: precision)
        let gradients = graph.differentiate([(output, seed)], withRespectTo: [x], freezing: { _ in true })
        guard let gradient = gradients[0] else { preconditionFailure("a network that does not look at x_t") }
        graph.keep(gradient, as: "gradient")
        return graph
    }
}
