import TensorGraph

/// A classifier of images: the way down of the ``UNet`` and its middle, the mean over all positions, and a linear layer.
///
/// As the classifiers of Dhariwal and Nichol (2021, section 4) it takes t, so that it can be trained on x_t, too.
public struct Classifier {
    /// Sizes, and the number of classes.
    public let configuration: ModelConfiguration
    /// What the names of its parameters begin with.
    public let name: String

    /// The network that `configuration` describes; it has at least one class.
    public init(_ configuration: ModelConfiguration, name: String = "classifier") {
        precondition(configuration.classes > 0, "a classifier of \(configuration.classes) classes")
        (self.configuration, self.name) = (configuration, name)
    }

    /// Adds the network to the graph of its arguments.
    ///
    /// - Parameters:
    ///   - x: images, `[N, H, W, C]`.
    ///   - timestep: t, `[N]`; 0 for images without noise.
    /// - Returns: the logits `[N, classes]`, and what they are a linear function of, `[N, F]`.
    public func callAsFunction(_ x: Tensor, timestep: Tensor) -> (logits: Tensor, features: Tensor) {
        let c = configuration
        let scope = Scope(x.graph, name)
        let unet = UNet(scope: scope, sizes: c.unet)
        let time = unet.timeEmbedding(timestep).silu()
        let bottom = unet.down(unet.first(x), time: time).x
        let features = unet.middle(bottom, time: time).meanOverPositions()
        return (Linear(scope / "head", features.channels, c.classes)(features), features)
    }

    /// Adds the network for `batch` images to a graph, and its inputs `x [batch, H, W, C]` and `timestep [batch]`.
    public func callAsFunction(_ graph: Graph, batch: Int) -> (logits: Tensor, features: Tensor) {
        let c = configuration
        let x = graph.input(NetworkInput.xt.rawValue, [batch, c.size, c.size, c.channels])
        return self(x, timestep: graph.input(NetworkInput.timestep.rawValue, [batch]))
    }

    /// `∇_x ln p(label | x, t)` of `batch` images, with the weights held: `gradient [batch, H, W, C]` is kept, the inputs are
    /// those of the network and `label [batch]`.
    public func gradientGraph(batch: Int, precision: Precision = .fp32) -> Graph {
        let c = configuration
        let graph = Graph()
        let x = graph.input(NetworkInput.xt.rawValue, [batch, c.size, c.size, c.channels])
        let logits = self(x, timestep: graph.input(NetworkInput.timestep.rawValue, [batch])).logits
        let loss = logits.softmaxCrossEntropy(
            label: graph.input(NetworkInput.label.rawValue, [batch]), weight: graph.constant(1, [batch]))
        graph.keep(loss, as: "loss")
        graph.fuse(for: precision)
        // The loss is −ln p.
        let gradients = graph.differentiate(
            [(loss, seed: graph.constant(-1, [batch]))], withRespectTo: [x], freezing: { _ in true })
        guard let gradient = gradients[0] else { preconditionFailure("a classifier that does not look at images") }
        graph.keep(gradient, as: "gradient")
        return graph
    }

    /// A forward pass over `batch` images, to be run in `precision`; `logits` and `features` are kept.
    public func inferenceGraph(batch: Int, precision: Precision = .fp32) -> Graph {
        let graph = Graph()
        let (logits, features) = self(graph, batch: batch)
        graph.keep(logits, as: "logits")
        graph.keep(features, as: "features")
        graph.fuse(for: precision)
        return graph
    }
}

extension ModelConfiguration {
    /// F, the features that a ``Classifier`` classifies by: the channels of the last stage.
    public var features: Int { unet.channels[unet.channels.count - 1] }
}
