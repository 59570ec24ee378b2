import NeuralNetwork

/// How far the forward process is moved towards what its class has in common, by kind of k_t (ShiftDDPMs, Zhang et al. 2023;
/// names are those of its code).
public enum ShiftKind: String, Codable, CaseIterable, Sendable {
    /// Not at all.
    case none
    /// k_t = 1 − √ᾱ: x_T is noise around the class's mean (prior_shift).
    case prior
    /// k_t = −√ᾱ: what is diffused is x_0 less the class's mean (data_normalization).
    case data
    /// k_t = √ᾱ (1 − √ᾱ): moved on the way, at neither end (quadratic_shift).
    case quadratic

    /// k_t at ᾱ_t.
    func coefficient(alphaBar: Double) -> Double {
        let signal = alphaBar.squareRoot()
        return switch self {
        case .none: 0
        case .prior: 1 - signal
        case .data: -signal
        case .quadratic: signal * (1 - signal)
        }
    }

    /// Why `model` cannot be trained so, and what to set; nil where it can.
    public func fault(_ model: ModelConfiguration) -> String? {
        guard self == .data, !model.takesLabels else { return nil }
        return "diffusion.shift is data, which takes the class out of x_t, so that the network has to be told it: set "
            + "model.classes, or diffusion.shift=prior or quadratic"
    }
}

/// What u is, towards which the forward process of a class moves.
public enum ShiftSource: String, Codable, CaseIterable, Sendable {
    /// The mean of the class in the data.
    case classMean = "class-mean"
    /// Numbers that are trained with the network: a ``ShiftTable``.
    case classTable = "class-table"
    /// The mean of the class in a file.
    case file
}

/// The forward process with a mean that moves towards u, which a sample's class has:
///
///     x_t = √ᾱ x_0 + k_t u + √(1−ᾱ) ε = √ᾱ x_0 + √(1−ᾱ) g,   g = ε + k_t u/√(1−ᾱ)
///
/// so that every ``Objective`` of (x_0, g) is one at x_t, and y_t = x_t − k_t u is the process without a shift. A network is
/// trained at x_t with g for the noise; samplers run in y: the network is shown y + k_t u, and the share of k_t u is taken
/// off its output.
public struct Shift: Sendable {
    /// u of each class, `[classes, H, W, C]`.
    public let means: [Float]
    public let classes: Int
    private let coefficients: ShiftCoefficients

    /// - Parameter means: `[classes, H, W, C]`, as the network is shown samples.
    public init(_ configuration: DiffusionConfiguration, means: [Float], classes: Int) {
        precondition(classes > 0 && means.count % classes == 0, "\(means.count) numbers of \(classes) classes")
        (self.means, self.classes, coefficients) = (means, classes, ShiftCoefficients(configuration))
    }

    /// g for the noise ε `[N, H, W, C]`, in training.
    public func shifted(noise: [Float], timesteps: [Int], labels: [Float]) -> [Float] {
        adding(to: noise, timesteps, labels, factor: coefficients.ofNoise)
    }

    /// x_t of y_t `[N, H, W, C]`.
    public func shifted(y: [Float], timesteps: [Int], labels: [Float]) -> [Float] {
        adding(to: y, timesteps, labels, factor: coefficients.ofY)
    }

    /// The output `[N, H, W, C]` of a network at x_t as it would be at y_t.
    public func unshifted(output: [Float], timesteps: [Int], labels: [Float]) -> [Float] {
        adding(to: output, timesteps, labels, factor: coefficients.ofOutput)
    }

    /// values + factor(t) u.
    private func adding(
        to values: [Float], _ timesteps: [Int], _ labels: [Float], factor: (Int) -> Double
    ) -> [Float] {
        let size = means.count / classes
        precondition(
            values.count == timesteps.count * size && labels.count == timesteps.count,
            "\(values.count) numbers and \(labels.count) labels of \(timesteps.count) samples of \(size)")
        var result = values
        for (sample, t) in timesteps.enumerated() {
            let ofMean = Float(factor(t))
            let first = Int(labels[sample]) * size
            for i in 0..<size { result[sample * size + i] += ofMean * means[first + i] }
        }
        return result
    }
}

/// The factors of u at a timestep.
struct ShiftCoefficients: Sendable {
    private let kind: ShiftKind
    private let schedule: NoiseSchedule
    private let objective: Objective

    init(_ configuration: DiffusionConfiguration) {
        (kind, objective, schedule) = (configuration.shift, configuration.objective, NoiseSchedule(configuration))
    }

    /// k_t, in x_t.
    func ofY(_ t: Int) -> Double { kind.coefficient(alphaBar: schedule.alphaBars[t]) }

    /// k_t/√(1−ᾱ), in g.
    func ofNoise(_ t: Int) -> Double { ofY(t) / (1 - schedule.alphaBars[t]).squareRoot() }

    /// What is added to an output at x_t, which estimates a share of g, to be that at y_t.
    func ofOutput(_ t: Int) -> Double { -objective.target(alphaBar: schedule.alphaBars[t]).noise * ofNoise(t) }
}
