import Configuration
import Evaluation
import Files
import Foundation
import Plots
import Reports

/// What sampling can begin with.
enum PriorKind: String, CaseIterable, Encodable {
    /// N(0, I).
    case normal
    /// The Gaussian with the data's mean and covariance.
    case gaussian
    /// That of a file.
    case prior

    var gap: (PriorGap.Row) -> Estimate? {
        switch self {
        case .normal: { $0.normal }
        case .gaussian: { $0.gaussian }
        case .prior: { $0.prior }
        }
    }

    var words: String {
        switch self {
        case .normal: "N(0, I)"
        case .gaussian: "matched Gaussian"
        case .prior: "the prior"
        }
    }
}

/// What `smd evaluate gap` says.
struct GapReport: Encodable {
    struct Row: Encodable {
        let horizon: Int
        let timestep: Int
        let logsnr: Double
        let normal: FigureJSON
        let gaussian: FigureJSON
        let prior: FigureJSON?

        init(_ row: PriorGap.Row) {
            (horizon, timestep, logsnr) = (row.timestep + 1, row.timestep, row.logSNR)
            normal = FigureJSON("KL of the noised data to N(0, I)", row.normal)
            gaussian = FigureJSON("KL to the matched Gaussian", row.gaussian)
            prior = row.prior.map { FigureJSON("KL to the prior", $0) }
        }
    }

    /// The shortest horizon that costs less than the tolerance.
    struct Advice: Encodable {
        let prior: PriorKind
        /// nil where none does.
        let horizon: Int?
    }

    let version = Release.version
    let data: String
    let count: Int
    let isTruthKnown: Bool
    let timesteps: Int
    let tolerance: Double
    let seed: UInt64
    let horizons: [Row]
    let advice: [Advice]
    private let rows: [PriorGap.Row]

    private enum CodingKeys: String, CodingKey {
        case version, data, count, isTruthKnown, timesteps, tolerance, seed, horizons, advice
    }

    init(
        _ command: EvaluateGapCommand, _ rows: [PriorGap.Row], _ advice: [Advice], count: Int, isKnown: Bool,
        of timesteps: Int
    ) {
        (data, tolerance, seed) = (command.data, command.tolerance, command.seed)
        (self.rows, self.advice, self.count, isTruthKnown, self.timesteps) = (rows, advice, count, isKnown, timesteps)
        horizons = rows.map(Row.init)
    }

    private var kinds: [PriorKind] { advice.map(\.prior) }

    var text: String {
        let table = rows.map { row in
            ["\(row.timestep + 1)", String(format: "%.2f", row.logSNR)] + kinds.map { $0.gap(row)?.text ?? "—" }
        }
        let lines = advice.map { advice in
            "\(advice.prior.words): "
                + (advice.horizon.map { "\($0) of \(timesteps) steps cost less than \(fourDigits(tolerance)) nats" }
                    ?? "no horizon costs less than \(fourDigits(tolerance)) nats")
        }
        let whose = isTruthKnown ? "\(grouped(count)) draws of the mixture" : "\(grouped(count)) samples"
        return """
            \(whose) of \(data); cost of a horizon in nats\(isTruthKnown ? "" : ", from above")

            \(aligned([["horizon", "λ"] + kinds.map(\.words)] + table))

            \(lines.joined(separator: "\n"))
            """
    }

    /// The costs over the horizons.
    var figure: Plots.Figure {
        let x = rows.map { Double($0.timestep + 1) }
        let curves = kinds.enumerated().map { number, kind in
            Curve(name: kind.words, color: number, x: x, y: rows.map { kind.gap($0)?.value ?? .nan })
        }
        return Plots.Figure(
            panels: [Panel(title: "cost of a horizon", unit: "nats, over steps", curves: curves, hasLegend: true)],
            legend: [], label: "divergence of priors from the noised data over the horizon")
    }
}
