import NeuralNetwork

/// Classifier-free guidance (Ho and Salimans 2022): with o the output of the network that is told a class, and o_∅ that of
/// the same one told none, at the same x_t, t and η, samplers see
///
///     o_∅ + w (o − o_∅)
///
/// Every objective is an affine function of x_0 at a given x_t, so that it is the same for each. w = 1 is no guidance (and
/// no second pass), w = 0 no class. With an interval only noise levels inside are guided (Kynkäänniemi et al. 2024).
public struct Guidance: Equatable, Sendable {
    /// w.
    public var weight = 1.0
    /// Evaluations with `low < (t + 1)/T ≤ high` are guided.
    public var low = 0.0
    public var high = 1.0

    public init() {}

    /// w at t, of T timesteps; nil where the network is not guided.
    public func weight(at t: Int, of timesteps: Int) -> Double? {
        let level = Double(t + 1) / Double(timesteps)
        return weight != 1 && low < level && level <= high ? weight : nil
    }

    /// o_∅ + w (o − o_∅), element by element.
    public static func combined(_ output: [Float], _ unconditional: [Float], weight: Double) -> [Float] {
        precondition(output.count == unconditional.count, "\(output.count) and \(unconditional.count) elements")
        let w = Float(weight)
        return zip(output, unconditional).map { $1 + w * ($0 - $1) }
    }

    /// Why a network cannot be guided so, and what to set; nil where it can.
    public func fault(_ model: ModelConfiguration) -> String? {
        if low >= high { return "diffusion.guidance_low is \(low), not below the \(high) of diffusion.guidance_high" }
        if weight == 1 { return nil }
        if model.nullClass == nil {
            return "diffusion.guidance is \(weight), but the network has not learned to do without a class: set "
                + "diffusion.guidance=1, or train with model.label_dropout=0.1"
        }
        if model.head == .mixture {
            return
                "diffusion.guidance is \(weight), but model.head is mixture: draws of two mixtures are no direction; set "
                + "diffusion.guidance=1"
        }
        return nil
    }
}
