import Configuration
import Diffusion
import Sampling
import TensorGraph
import Training

/// A plain network of the same cost: the width (`model.dim`) at which the U-Net without mixture, trained by the squared
/// error, has as many parameters as a configured network, or takes as many floating-point operations an image.
public struct WidthMatch: Encodable, Sendable {
    /// What is to be equal.
    public enum Quantity: String, Encodable, CaseIterable, Sendable {
        /// Learned scalars.
        case parameters
        /// Floating-point operations of convolutions and products that training takes for an image.
        case flops
    }

    /// Cost of a network.
    public struct Cost: Encodable, Sendable {
        public var parameters: Int
        /// Operations an image in training, forward and backward and with all that the loss asks for, in units of 1e9.
        public var gflopPerImage: Double
    }

    public var quantity: Quantity
    /// `model.dim` of the plain network.
    public var width: Int
    public var configured: Cost
    public var plain: Cost
    /// The quantity of the plain network as a share of that of the configured one.
    public var ratio: Double
    /// What makes the configuration that of the plain network, `key=value` each.
    public var settings: [String]

    /// What trains a network that has no mixture.
    private static let teacher: [TrainingMethod: String] = [
        .classifier: "its labels", .autoencoder: "its images", .dds: "a density",
    ]

    /// Finds the width whose quantity is nearest.
    ///
    /// - Throws: `ConfigurationError` when the configuration cannot be used; ``RunError`` when it is that of a plain network
    ///   already, or of none with a mixture.
    public init(_ configuration: RunConfiguration, by quantity: Quantity) throws {
        try configuration.validate()
        let plain = Self.plain(configuration)
        guard configuration.method == .diffusion, plain != configuration else {
            throw RunError(
                "nothing is to be matched: this is the configuration of \(configuration.networkName), trained by "
                    + "\(Self.teacher[configuration.method] ?? "the squared error"); give one with "
                    + "model.smd=true, or another diffusion.loss")
        }
        let wanted = Self.cost(configuration)
        func cost(_ width: Int) -> Cost {
            var candidate = plain
            candidate.model.unet.dim = width
            return Self.cost(candidate)
        }
        let widths = Self.widths(of: plain)
        // Cost grows with the width: the first that is not below, or the one before it.
        var (low, high) = (0, widths.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if cost(widths[middle])[quantity] < wanted[quantity] { low = middle + 1 } else { high = middle }
        }
        func distance(_ cost: Cost) -> Double { abs(cost[quantity] - wanted[quantity]) }
        let near = [max(0, low - 1), low].map { (width: widths[$0], cost: cost(widths[$0])) }
        let nearest = distance(near[0].cost) < distance(near[1].cost) ? near[0] : near[1]
        self.quantity = quantity
        (width, self.plain) = nearest
        configured = wanted
        ratio = nearest.cost[quantity] / wanted[quantity]
        var found = plain
        found.model.unet.dim = width
        settings = found.changes(since: configuration, sameData: true).map { "\($0.key)=\($0.now)" }
    }

    /// The configuration with nothing but a plain network in it.
    private static func plain(_ configuration: RunConfiguration) -> RunConfiguration {
        var plain = configuration
        plain.model.smd = false
        plain.model.head = .single
        plain.diffusion.loss = .squaredError
        return plain
    }

    /// Widths that a network can have, ascending: even ones that the groups divide.
    private static func widths(of configuration: RunConfiguration) -> [Int] {
        let groups = configuration.model.unet.groups
        let step = groups.isMultiple(of: 2) ? groups : 2 * groups
        return stride(from: step, through: 8192, by: step).filter { $0 >= 4 }
    }

    /// Both quantities, of the graph of one image.
    private static func cost(_ configuration: RunConfiguration) -> Cost {
        let plan = ExecutionPlan(configuration.trainingLoss.graph(batch: 1, scale: 1))
        return Cost(
            parameters: plan.layout.parameters.reduce(0) { $0 + $1.count },
            gflopPerImage: Double(plan.floatingPointOperations) / 1e9)
    }
}

extension WidthMatch.Cost {
    fileprivate subscript(quantity: WidthMatch.Quantity) -> Double {
        quantity == .parameters ? Double(parameters) : gflopPerImage
    }
}
