import Files
import Foundation
import Reports

/// Where a run stands after a step.
public struct Progress: Sendable {
    /// Steps done, those before a resume included.
    public var step: Int
    /// Steps of the whole run.
    public var steps: Int
    /// Loss of this step.
    public var loss: Double
    /// Images a second over all ranks, this step.
    public var imagesPerSecond: Double

    /// The state after step `step` of `steps`.
    public init(step: Int, steps: Int, loss: Double, imagesPerSecond: Double) {
        self.step = step
        self.steps = steps
        self.loss = loss
        self.imagesPerSecond = imagesPerSecond
    }
}

/// What the progress of a run is written to.
public struct ProgressOutput: Sendable {
    /// True to rewrite one line; false for lines of plain text that are seldom.
    public var isTerminal: Bool
    /// True to write escape sequences for colour.
    public var hasColor: Bool
    /// Columns of the terminal, asked again at every line because windows change.
    public var width: @Sendable () -> Int
    /// Writes text at once.
    public var write: @Sendable (String) -> Void

    /// An output with these properties.
    public init(
        isTerminal: Bool, hasColor: Bool, width: @escaping @Sendable () -> Int,
        write: @escaping @Sendable (String) -> Void
    ) {
        self.isTerminal = isTerminal
        self.hasColor = hasColor
        self.width = width
        self.write = write
    }

    /// This process's standard error. `TERM=dumb` cannot rewrite a line.
    public static func errors(
        _ color: ColorChoice, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> ProgressOutput {
        let terminal =
            environment["TERM"].map { $0 != "dumb" } == true
            ? Terminal(of: STDERR_FILENO, environment: environment) : nil
        return ProgressOutput(
            isTerminal: terminal != nil,
            hasColor: color.allows(isTerminal: terminal != nil, environment: environment),
            width: { terminal?.columns ?? 80 },
            // A closed pipe or a full disk must not end a training run: its results are elsewhere.
            write: { _ = StandardStreams.write($0, to: STDERR_FILENO) })
    }
}

/// The progress of a run for a person: in a terminal one line that is rewritten, in a log few plain lines.
///
/// A plain line is written for the first and the last step, and between them at round step numbers that are about ten
/// seconds apart, later 2 % of the time since the start, at most five minutes; or every `logEvery` steps. A log of
/// days then has some hundred lines, not millions.
public struct ProgressLine {
    private let output: ProgressOutput
    private let logEvery: Int
    private var start: (time: Double, step: Int)?
    private var lastWritten: Double?
    private var loss = RunningMean()
    private var speed = RunningMean()
    private var isLineOpen = false

    /// Seconds between two rewrites in a terminal.
    private static let rewriteInterval = 0.1

    /// - Parameters:
    ///   - output: where to.
    ///   - logEvery: steps between two plain lines; 0 spaces them by time.
    public init(output: ProgressOutput, logEvery: Int) {
        precondition(logEvery >= 0, "logEvery \(logEvery)")
        self.output = output
        self.logEvery = logEvery
    }

    /// Takes a finished step and writes what is due. `now`: seconds of a clock that never goes back.
    public mutating func update(_ progress: Progress, now: Double) {
        let begin = start ?? (now, progress.step)
        start = begin
        loss.add(progress.loss)
        speed.add(progress.imagesPerSecond)
        guard isDue(progress, now: now, begin: begin) else { return }
        lastWritten = now
        let text = line(progress, secondsLeft: secondsLeft(progress, now: now, begin: begin))
        if output.isTerminal {
            output.write("\r\(text)\u{1B}[K")
            isLineOpen = true
            if progress.step >= progress.steps { finish() }
        } else {
            output.write(text + "\n")
        }
    }

    /// Writes a line of its own, for instance of a checkpoint that was saved, without garbling the progress.
    public mutating func note(_ text: String) {
        output.write(isLineOpen ? "\r\u{1B}[K\(text)\n" : text + "\n")
        isLineOpen = false
    }

    /// Leaves the cursor on a new line.
    public mutating func finish() {
        if isLineOpen { output.write("\n") }
        isLineOpen = false
    }

    private func isDue(_ progress: Progress, now: Double, begin: (time: Double, step: Int)) -> Bool {
        guard let lastWritten, progress.step < progress.steps else { return true }
        if output.isTerminal { return now - lastWritten >= Self.rewriteInterval }
        if logEvery > 0 { return progress.step.isMultiple(of: logEvery) }
        let elapsed = now - begin.time
        let interval = min(300, max(10, elapsed / 50))
        let stepsInInterval = Double(progress.step - begin.step) / max(elapsed, 1e-9) * interval
        return now - lastWritten >= 0.9 * interval
            && progress.step.isMultiple(of: roundNumber(atLeast: stepsInInterval))
    }

    private func secondsLeft(_ progress: Progress, now: Double, begin: (time: Double, step: Int)) -> Double? {
        let done = progress.step - begin.step
        guard done > 0 else { return nil }
        return (now - begin.time) / Double(done) * Double(progress.steps - progress.step)
    }

    /// As much as fits the width, the most important first.
    private func line(_ progress: Progress, secondsLeft: Double?) -> String {
        var parts = [
            ("step", "\(progress.step)/\(progress.steps)"),
            ("loss", fourDigits(progress.loss.isFinite ? loss.value : progress.loss)),
            ("images/s", speed.value < 100 ? String(format: "%.1f", speed.value) : String(format: "%.0f", speed.value)),
        ]
        if progress.step < progress.steps, let secondsLeft { parts.append(("left", duration(seconds: secondsLeft))) }
        func length() -> Int { parts.map { $0.0.count + 1 + $0.1.count }.reduce(2 * (parts.count - 1), +) }
        if output.isTerminal {
            // The last column stays free: some terminals wrap there.
            let room = output.width() - 1
            while parts.count > 1 && length() > room { parts.removeLast() }
            guard length() <= room else { return String("\(progress.step)".prefix(max(0, room))) }
        }
        return parts.map { (output.hasColor ? LetterStyle.faint($0) : $0) + " " + $1 }.joined(separator: "  ")
    }
}

/// Mean in which a value counts half after 35 more (factor 0.98), without bias towards 0 at the start. The loss of a step
/// that was skipped may be not-a-number, which would stay for ever: it does not count.
struct RunningMean {
    private var sum = 0.0
    private var weight = 0.0

    mutating func add(_ value: Double) {
        guard value.isFinite else { return }
        sum = 0.98 * sum + value
        weight = 0.98 * weight + 1
    }

    var value: Double { weight > 0 ? sum / weight : 0 }
}

/// Seconds for a person: "45 s", "3:07", "2:03:07", "3 d 4 h".
public func duration(seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e10 else { return "?" }
    let total = Int(seconds.rounded())
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    switch total {
    case ..<60: return "\(total) s"
    case ..<3600: return "\(total / 60):\(two(total % 60))"
    case ..<172_800: return "\(total / 3600):\(two(total / 60 % 60)):\(two(total % 60))"
    default: return "\(total / 86_400) d \(total / 3600 % 24) h"
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50, … that is at least `value`.
func roundNumber(atLeast value: Double) -> Int {
    var power = 1
    while power < 1_000_000_000 {
        for factor in [1, 2, 5] where Double(factor * power) >= value { return factor * power }
        power *= 10
    }
    return power
}
