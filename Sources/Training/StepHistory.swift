import Foundation
import Storage

/// What a step came to, before the update.
public enum StepVerdict: Equatable {
    case good
    /// Loss or gradient norm is not finite.
    case notFinite
    /// One of them is far above what was normal: what is, and in numbers.
    case spike(String)
}

/// Losses and gradient norms of the last good steps: what a step is judged by. All ranks have the same numbers, and so
/// come to the same verdict.
public struct StepHistory {
    /// Good steps that count.
    static let length = 100
    /// Fewer say nothing yet.
    public static let fewest = 20
    /// Bad steps that may follow each other.
    static let mostBadSteps = 10

    private let factor: Double
    private var losses: [Double] = []
    private var norms: [Double] = []
    /// Bad steps since the last good one.
    public private(set) var badStepsInARow = 0

    /// - Parameter factor: times the median from which on a step is a spike; 0: no step is.
    public init(spikeFactor factor: Double) { self.factor = factor }

    /// Judges a step by its mean loss and the norm of its gradient, and counts bad ones.
    public mutating func judge(loss: Double, gradientNorm: Double) -> StepVerdict {
        let verdict = verdict(loss, gradientNorm)
        if verdict == .good { append(loss, gradientNorm) } else { badStepsInARow += 1 }
        return verdict
    }

    private func verdict(_ loss: Double, _ norm: Double) -> StepVerdict {
        guard loss.isFinite && norm.isFinite else { return .notFinite }
        guard factor > 0, losses.count >= Self.fewest else { return .good }
        for (name, value, normal) in [("loss", loss, median(losses)), ("gradient norm", norm, median(norms))]
        where value > factor * normal {
            let times = String(format: "%.4g, %.3g times the median", value, value / normal)
            return .spike("\(name), \(times) of the last \(losses.count) good steps")
        }
        return .good
    }

    private mutating func append(_ loss: Double, _ norm: Double) {
        badStepsInARow = 0
        losses = losses.suffix(Self.length - 1) + [loss]
        norms = norms.suffix(Self.length - 1) + [norm]
    }

    /// Of an even number of values the upper of the two in the middle.
    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    // MARK: From the metrics

    /// Rows of the metrics among which all that count are: good ones with as many bad ones between as there can be.
    static let rows = (length + 1) * (mostBadSteps + 1)

    /// Numbers that `numbers(of:)` gives.
    static let numberCount = 2 + 2 * length

    /// The last steps of a run, of its metrics, as numbers that rank 0 can hand to the others.
    static func numbers(of table: MetricsTable) -> [Double] {
        var history = StepHistory(spikeFactor: 0)
        let skipped = table.column("skipped")
        for (row, (loss, norm)) in zip(table.column("loss") ?? [], table.column("gradient_norm") ?? []).enumerated() {
            if skipped?[row] == 1 || !loss.isFinite || !norm.isFinite {
                history.badStepsInARow += 1
            } else {
                history.append(loss, norm)
            }
        }
        let padding = [Double](repeating: 0, count: length - history.losses.count)
        return [Double(history.badStepsInARow), Double(history.losses.count)] + history.losses + padding
            + history.norms + padding
    }

    /// Takes over what `numbers(of:)` found.
    mutating func restore(_ numbers: [Double]) {
        badStepsInARow = Int(numbers[0])
        let count = Int(numbers[1])
        losses = Array(numbers[2..<2 + count])
        norms = Array(numbers[2 + Self.length..<2 + Self.length + count])
    }
}
