import Foundation

/// How t of a training sample is drawn.
public enum TimestepSampling: String, Codable, CaseIterable, Sendable {
    /// Each t equally likely.
    case uniform
    /// In proportion to the root of the mean square of the last losses at t (Nichol and Dhariwal 2021, section 3.3).
    case lossSecondMoment = "loss_second_moment"
    /// So that the logarithm of the noise σ = √((1 − ᾱ)/ᾱ) is normal (Karras et al. 2022, table 1).
    case logNormal = "log_normal"
    /// So that λ = ln(ᾱ/(1 − ᾱ)) is logistic, with weights that make up for it: the loss is that of a uniform λ (Kong et al.
    /// 2023, appendix B).
    case logistic
}

extension NoiseSchedule {
    /// Sums of the probabilities of 0 … t: of each t the normal density of ln σ_t, times the part of the axis that is nearer to
    /// it than to other timesteps.
    package func logNormal(mean: Double, deviation: Double) -> [Double] {
        sums(
            zip(logNoises, widths).map { logNoise, width in
                let z = (logNoise - mean) / deviation
                return width * exp(-z * z / 2)
            })
    }

    /// The same with the logistic density of λ_t, and of each t the weight that turns the mean over such draws into one over
    /// a uniform λ: in proportion to 1/density. More than 4 scales from `location` the density is that at 4, as the
    /// weights would be without bound.
    package func logistic(location: Double, scale: Double) -> (sums: [Double], weights: [Double]) {
        let densities = logNoises.map { logNoise in
            let u = min(4, max(-4, (-2 * logNoise - location) / scale))
            return 1 / ((1 + exp(-u)) * (1 + exp(u)))
        }
        let shares = zip(widths, densities).map { $0 * $1 }
        let mean = shares.reduce(0, +) / widths.reduce(0, +)
        return (sums(shares), densities.map { mean / $0 })
    }

    /// ln σ_t, σ² = (1 − ᾱ)/ᾱ.
    private var logNoises: [Double] { alphaBars.map { log((1 - $0) / $0) / 2 } }

    /// Of each t the part of the axis of ln σ that is nearer to it than to other timesteps.
    private var widths: [Double] {
        let places = logNoises
        return places.indices.map { t in
            let (low, high) = (max(t - 1, 0), min(t + 1, places.count - 1))
            return places.count == 1 ? 1 : (places[high] - places[low]) / Double(high - low)
        }
    }

    /// Sums of `shares` as parts of their whole.
    private func sums(_ shares: [Double]) -> [Double] {
        let sum = shares.reduce(0, +)
        var done = 0.0
        // Far from all timesteps nothing is left to choose by.
        return shares.map {
            done += sum > 0 ? $0 / sum : 1 / Double(shares.count)
            return done
        }
    }
}

extension [Double] {
    /// The first place whose ascending value is above `u`; the last where none is.
    func place(of u: Double) -> Int {
        var (low, high) = (0, count - 1)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] > u { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// The last 10 losses at each t, and t drawn by them: with probability `0.999 · √⟨loss²⟩ / Σ_t √⟨loss²⟩ + 0.001/T`, and
/// each equally likely until every t has 10 losses (Nichol and Dhariwal 2021, equation 18).
public struct LossHistory: Equatable, Sendable {
    /// Losses that are kept of each t.
    public static let length = 10
    private static let uniformShare = 0.001

    /// The losses, oldest first, of each t.
    public private(set) var losses: [[Float]]
    /// Probability of each t.
    public private(set) var probabilities: [Double]
    private var cumulative: [Double] = []

    /// T.
    public var timesteps: Int { losses.count }

    /// A history without losses.
    public init(timesteps: Int) { self.init(losses: [[Float]](repeating: [], count: timesteps)) }

    /// A history of these losses, of each t at most ``length``, oldest first.
    public init(losses: [[Float]]) {
        precondition(!losses.isEmpty && losses.allSatisfy { $0.count <= Self.length }, "\(losses.count) timesteps")
        self.losses = losses
        probabilities = []
        weigh()
    }

    /// Adds the losses of a step, in the order of its samples.
    public mutating func add(_ samples: [(timestep: Int, loss: Float)]) {
        for (t, loss) in samples {
            if losses[t].count == Self.length { losses[t].removeFirst() }
            losses[t].append(loss)
        }
        weigh()
    }

    /// The t of a number `u` in [0, 1), by inverse transform, and the weight 1/(T p_t) that makes up for its probability.
    public func draw(_ u: Double) -> (timestep: Int, weight: Double) {
        let t = cumulative.place(of: u)
        return (t, 1 / (Double(timesteps) * probabilities[t]))
    }

    private mutating func weigh() {
        let uniform = 1 / Double(timesteps)
        if losses.allSatisfy({ $0.count == Self.length }) {
            let roots = losses.map { last in
                (last.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(Self.length)).squareRoot()
            }
            let sum = roots.reduce(0, +)
            // Losses that are all 0 leave nothing to weigh by.
            probabilities = roots.map {
                sum > 0 ? (1 - Self.uniformShare) * $0 / sum + Self.uniformShare * uniform : uniform
            }
        } else {
            probabilities = losses.map { _ in uniform }
        }
        var sum = 0.0
        cumulative = probabilities.map { probability in
            sum += probability
            return sum
        }
    }
}
