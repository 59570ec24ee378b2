import Configuration
import Files
import Foundation
import Reports
import Storage
import Training

/// Progress of a run on standard error; made on every rank, printed only on rank 0.
final class TrainingProgress: TrainingObserver {
    private let steps: Int
    private var line: ProgressLine
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    /// The loss of the last step; nil before the first, and where it is not finite.
    private(set) var loss: Double?

    init(_ configuration: RunConfiguration, _ color: ColorChoice) {
        steps = configuration.steps
        line = ProgressLine(output: .errors(color), logEvery: configuration.logEvery)
        start = clock.now
    }

    func say(_ text: String) { if !isQuiet { line.note(printable(text)) } }

    func warn(_ text: String) {
        line.finish()
        smd.warn(text)
    }

    func stepped(_ report: StepReport) {
        loss = report.loss.isFinite ? report.loss : nil
        if isQuiet { return }
        line.update(
            Progress(step: report.step, steps: steps, loss: report.loss, imagesPerSecond: report.imagesPerSecond),
            now: (clock.now - start).seconds)
    }

    func finish() { line.finish() }
}

/// What `smd train` has made.
struct TrainingResult: Encodable {
    /// The folder of the run.
    let run: String
    /// Steps done, those before a resume included.
    let step: Int
    /// Steps of the whole run.
    let steps: Int
    /// Whether all are done.
    let finished: Bool
    /// Loss of the last step of this job; nil where it did none, or it is not finite.
    let loss: Double?
    /// The newest checkpoint; nil where there is none.
    let checkpoint: String?

    init(run: String, step: Int, steps: Int, loss: Double?) throws {
        (self.run, self.step, self.steps, self.loss) = (run, step, steps, loss)
        finished = step >= steps
        let folder = CheckpointFolder(path: Path.join(run, "checkpoints"))
        checkpoint = try folder.steps().last.map(folder.path)
    }

    /// One line.
    var text: String {
        let parts = [
            "step \(step) of \(steps)", loss.map { "loss \(fourDigits($0))" },
            checkpoint.map { "newest checkpoint \($0)" },
        ]
        return "\(run): " + parts.compactMap { $0 }.joined(separator: ", ")
    }
}
