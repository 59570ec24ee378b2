import Foundation

/// How fast the data are drowned in noise.
public enum ScheduleKind: String, Codable, CaseIterable, Sendable {
    /// β from 0.0001·s to 0.02·s in equal steps, s = 1000/T (Ho et al. 2020, scaled to T steps).
    case linear
    /// √β in equal steps between the roots of two given β (Rombach et al. 2022, whose code calls it linear).
    case sqrtLinear = "sqrt_linear"
    /// ᾱ a squared cosine, offset 0.008 (Nichol and Dhariwal 2021).
    case cosine
    /// ᾱ a sigmoid from −3 to 3 (Jabri et al. 2022); what the published SMD code trains with.
    case sigmoid
    /// λ = ln(ᾱ/(1 − ᾱ)) in equal steps from a given maximum to a given minimum: the grid of an integral over λ (Kong et al.
    /// 2023), and as far to either side as it is asked for.
    case logSNR = "logsnr"
}

/// The tables of a diffusion over T steps, in double precision, indexed by timestep t = 0 ..< T.
///
/// `q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I)` and
/// `q(x_{t−1} | x_t, x_0) = N(posteriorMeanX0_t x_0 + posteriorMeanXt_t x_t, posteriorVariance_t I)`
/// (Ho et al. 2020, equations 4 and 6–7). t = 0 is the least noisy step; ᾱ before it is 1.
public struct NoiseSchedule: Equatable, Sendable {
    /// β_t, the variance that step t adds.
    public let betas: [Double]
    /// ᾱ_t = Π_{s ≤ t} (1 − β_s), the share of the signal's variance left.
    public let alphaBars: [Double]
    /// ᾱ_{t−1}; 1 at t = 0.
    public let alphaBarsBefore: [Double]
    /// β̃_t = β_t (1 − ᾱ_{t−1})/(1 − ᾱ_t).
    public let posteriorVariance: [Double]
    /// ln β̃_t, where β̃_t is not taken below 10⁻²⁰.
    public let posteriorLogVariance: [Double]
    /// Coefficient of x_0 in the posterior mean, β_t √ᾱ_{t−1}/(1 − ᾱ_t).
    public let posteriorMeanX0: [Double]
    /// Coefficient of x_t in the posterior mean, (1 − ᾱ_{t−1}) √α_t/(1 − ᾱ_t).
    public let posteriorMeanXt: [Double]

    /// ln β̃_t, the smaller end of a learned variance; the first, where β̃ is 0, is the second's (Nichol and Dhariwal 2021).
    public var logVarianceSmall: [Double] {
        timesteps == 1
            ? posteriorLogVariance : [log(posteriorVariance[1])] + posteriorVariance.dropFirst().map { log($0) }
    }
    /// ln β_t, the larger end.
    public var logVarianceLarge: [Double] { betas.map { log($0) } }
    /// β_t, the first one β̃_1: the fixed variance that goes with the likelihood of the last step.
    public var fixedLargeVariance: [Double] { [posteriorVariance[min(1, timesteps - 1)]] + betas.dropFirst() }

    /// T, the number of steps.
    public var timesteps: Int { betas.count }

    /// The schedule of `configuration`.
    public init(_ configuration: DiffusionConfiguration) {
        if configuration.schedule == .logSNR {
            self = configuration.logSNRSchedule(timesteps: configuration.timesteps)
        } else {
            self.init(
                kind: configuration.schedule, timesteps: configuration.timesteps,
                ends: (configuration.betaStart, configuration.betaEnd))
        }
    }

    /// The schedule with ᾱ = 1/(1 + e^−λ) at the descending λ.
    public init(logSNRs: [Double]) {
        precondition(
            !logSNRs.isEmpty && zip(logSNRs, logSNRs.dropFirst()).allSatisfy { $0 > $1 },
            "\(logSNRs) are no descending logarithms of signal to noise")
        let alphaBars = logSNRs.map { 1 / (1 + exp(-$0)) }
        let before = [1] + alphaBars.dropLast()
        // 1 − ᾱ without the difference, which at 1 − ᾱ = 10⁻⁶ would leave ten digits.
        let first = 1 / (1 + exp(logSNRs[0]))
        self.init(
            betas: zip(alphaBars, before).enumerated().map { $0 == 0 ? first : 1 - $1.0 / $1.1 }, alphaBars: alphaBars)
    }

    /// The schedule `kind` over T = `timesteps` steps.
    ///
    /// The linear schedule has β_T = 20/T: it is a diffusion only for T > 20 (see ``DiffusionConfiguration/validate()``).
    ///
    /// - Parameter ends: the first and the last β of a root-linear schedule.
    public init(kind: ScheduleKind, timesteps: Int, ends: (first: Double, last: Double) = (0.0015, 0.0195)) {
        precondition(timesteps > 0, "a schedule has at least one step, not \(timesteps)")
        self.init(betas: Self.betas(kind, timesteps, ends))
    }

    /// The schedule of the given β.
    public init(betas: [Double]) {
        var product = 1.0
        self.init(
            betas: betas,
            alphaBars: betas.map { beta in
                product *= 1 - beta
                return product
            })
    }

    /// The steps of this schedule from one of `times` to the next (ascending): `ᾱ` stays, `β_i = 1 − ᾱ_i/ᾱ_{i−1}`.
    ///
    /// All of the times give this schedule itself. Source: Nichol and Dhariwal 2021, section 4.
    public func respaced(to times: [Int]) -> NoiseSchedule {
        precondition(
            times.first.map { $0 >= 0 } ?? false && times.last.map { $0 < timesteps } ?? false
                && zip(times, times.dropFirst()).allSatisfy { $0 < $1 },
            "\(times) are not ascending times in 0 ..< \(timesteps)")
        if times.count == timesteps { return self }
        var before = 1.0
        let betas = times.map { time in
            defer { before = alphaBars[time] }
            return 1 - alphaBars[time] / before
        }
        return NoiseSchedule(betas: betas, alphaBars: times.map { alphaBars[$0] })
    }

    /// The first `count` steps of it.
    public func truncated(to count: Int) -> NoiseSchedule {
        precondition(1...timesteps ~= count, "\(count) of \(timesteps) steps")
        return NoiseSchedule(betas: Array(betas.prefix(count)), alphaBars: Array(alphaBars.prefix(count)))
    }

    /// λ_t = ln(ᾱ_t/(1 − ᾱ_t)).
    public var logSNRs: [Double] { alphaBars.map { log($0 / (1 - $0)) } }

    /// ᾱ_t/(1 − ᾱ_t), the ratio of the variances of signal and noise at `t`.
    public func signalToNoise(_ t: Int) -> Double { alphaBars[t] / (1 - alphaBars[t]) }

    private init(betas: [Double], alphaBars: [Double]) {
        let before = [1] + alphaBars.dropLast()
        let t = betas.indices
        self.betas = betas
        self.alphaBars = alphaBars
        alphaBarsBefore = before
        posteriorVariance = t.map { betas[$0] * (1 - before[$0]) / (1 - alphaBars[$0]) }
        posteriorLogVariance = posteriorVariance.map { log($0 < 1e-20 ? 1e-20 : $0) }
        posteriorMeanX0 = t.map { betas[$0] * before[$0].squareRoot() / (1 - alphaBars[$0]) }
        posteriorMeanXt = t.map { (1 - before[$0]) * (1 - betas[$0]).squareRoot() / (1 - alphaBars[$0]) }
    }

    private static func betas(
        _ kind: ScheduleKind, _ timesteps: Int, _ ends: (first: Double, last: Double)
    ) -> [Double] {
        switch kind {
        case .logSNR: preconditionFailure("the ends of a schedule in λ are those of a configuration")
        case .sqrtLinear:
            let (first, last) = (ends.first.squareRoot(), ends.last.squareRoot())
            return (0..<timesteps).map { t in
                let root = first + (last - first) * Double(t) / Double(max(timesteps - 1, 1))
                return root * root
            }
        case .linear:
            let s = 1000 / Double(timesteps)
            let intervals = Double(max(timesteps - 1, 1))
            return (0..<timesteps).map { 0.0001 * s + (0.02 - 0.0001) * s * Double($0) / intervals }
        case .cosine:
            let s = 0.008
            return betas(timesteps) { u in
                let c = cos((u + s) / (1 + s) * Double.pi / 2)
                return c * c
            }
        case .sigmoid:
            let (start, end) = (-3.0, 3.0)
            func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
            return betas(timesteps) { u in
                (sigmoid(end) - sigmoid(start + u * (end - start))) / (sigmoid(end) - sigmoid(start))
            }
        }
    }

    /// β from ᾱ as a function of t/T, up to a constant factor; β is kept within [0, 0.999].
    private static func betas(_ timesteps: Int, alphaBar: (Double) -> Double) -> [Double] {
        let values = (0...timesteps).map { alphaBar(Double($0) / Double(timesteps)) / alphaBar(0) }
        return (1...timesteps).map { min(max(1 - values[$0] / values[$0 - 1], 0), 0.999) }
    }
}

extension DiffusionConfiguration {
    /// λ in equal steps from `logsnr_max` to `logsnr_min`.
    func logSNRSchedule(timesteps: Int) -> NoiseSchedule {
        let intervals = Double(max(timesteps - 1, 1))
        return NoiseSchedule(
            logSNRs: (0..<timesteps).map { logSNRMax + (logSNRMin - logSNRMax) * Double($0) / intervals })
    }
}
