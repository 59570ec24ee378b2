/// What the network's output estimates.
public enum Objective: String, CaseIterable, Sendable {
    /// The noise ε (Ho et al. 2020).
    case noise
    /// The clean sample x_0.
    case x0
    /// v = √ᾱ ε − √(1−ᾱ) x_0 (Salimans and Ho 2022).
    case v

    /// The target as a combination of x_0 and ε: `target = x0·x_0 + noise·ε`, at the given ᾱ_t.
    public func target(alphaBar: Double) -> (x0: Double, noise: Double) {
        switch self {
        case .noise: (0, 1)
        case .x0: (1, 0)
        case .v: (-(1 - alphaBar).squareRoot(), alphaBar.squareRoot())
        }
    }

    /// The estimate of x_0 as a combination of x_t and the network's output: `x̂_0 = xt·x_t + output·output`.
    public func x0(alphaBar: Double) -> (xt: Double, output: Double) {
        switch self {
        case .noise: ((1 / alphaBar).squareRoot(), -(1 / alphaBar - 1).squareRoot())
        case .x0: (0, 1)
        case .v: (alphaBar.squareRoot(), -(1 - alphaBar).squareRoot())
        }
    }

    /// The estimate of ε that belongs to an estimate of x_0: `ε̂ = xt·x_t + x0·x̂_0`, from x_t = √ᾱ x_0 + √(1−ᾱ) ε.
    public static func noise(alphaBar: Double) -> (xt: Double, x0: Double) {
        (1 / (1 - alphaBar).squareRoot(), -alphaBar.squareRoot() / (1 - alphaBar).squareRoot())
    }

    /// Weight of the squared error, for snr = ᾱ/(1−ᾱ).
    ///
    /// With c = snr every objective weighs the error of x_0 by snr, which makes it the plain error of ε, and that of v
    /// divided by snr + 1 its own plain error; `clippedAt` (min-SNR, Hang et al. 2023: 5) takes c = min(snr, γ), and a
    /// deviation s of the data above 0 EDM's weight c = (σ² + s²)/(σ s)² = snr + 1/s², σ² = 1/snr (Karras et al. 2022, table 1).
    public func weight(signalToNoise snr: Double, clippedAt gamma: Double?, dataDeviation s: Double = 0) -> Double {
        let c = (gamma.map { min(snr, $0) } ?? snr) + (s > 0 ? 1 / (s * s) : 0)
        return switch self {
        case .noise: c / snr
        case .x0: c
        case .v: c / (snr + 1)
        }
    }
}

extension Objective: Codable {
    /// Reads `noise`, `x0` or `v`, also with the published code's prefix `pred_`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let word = try container.decode(String.self)
        guard let value = Self(rawValue: word.hasPrefix("pred_") ? String(word.dropFirst(5)) : word) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "objective is \(word); it can be noise, x0 or v")
        }
        self = value
    }
}
