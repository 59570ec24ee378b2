import Communication
import Evaluation
import Foundation
import Reports

/// The ranks' work of an evaluation, whose progress shows on standard error and which a signal ends.
func evaluationWork(_ communicator: any Communicator) -> EvaluationWork {
    var task = ""
    var progress: WorkProgress?
    Watchdog.enter(.evaluation)
    return EvaluationWork(communicator) { part in
        Watchdog.beat()
        if part.task != task || progress == nil {
            progress?.finish()
            (task, progress) = (part.task, WorkProgress(part.task, unit: "parts"))
        }
        try endingAllRanks(communicator) {
            try communicator.rank == 0
                ? progress?.update(part.done, part.all) : progress?.stopIfAsked(part.done, part.all)
        }
    }
}

/// A figure in a JSON object.
struct FigureJSON: Encodable {
    let name: String
    let value: Double?
    let error: Double?

    init(_ name: String, _ estimate: Estimate) {
        self.name = name
        value = estimate.value.isFinite ? estimate.value : nil
        error = estimate.error.flatMap { $0.isFinite ? $0 : nil }
    }
}

extension Estimate {
    /// "0.1234" or "0.1234 ± 0.0012".
    var text: String { fourDigits(value) + (error.map { " ± " + String(format: "%.2g", $0) } ?? "") }
}
