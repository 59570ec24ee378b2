import Communication
import Files
import Foundation
import Training

/// Shows on standard error how far a long work is: a line that renews itself in a terminal, else a line now and then;
/// nothing with `--quiet`. And ends the work when a signal asks to stop.
final class WorkProgress {
    private let what: String
    private let unit: String
    private let signals = StopSignals()
    private let isTerminal = Terminal(of: STDERR_FILENO) != nil
    private let start = ContinuousClock.now
    private var last = ContinuousClock.now
    private var shown = false
    private var known = (done: 0, total: 0)

    init(_ what: String, unit: String) {
        self.what = what
        self.unit = unit
    }

    /// Takes note that `done` of `total` are done.
    ///
    /// - Throws: `CommandFailure` when a signal has come.
    func update(_ done: Int, _ total: Int) throws {
        known = (done, total)
        try stopIfAsked(done, total)
        if isQuiet { return }
        let now = ContinuousClock.now
        guard now - last >= .milliseconds(isTerminal ? 200 : 15_000), done < total else { return }
        last = now
        shown = true
        let seconds = (now - start) / .seconds(1)
        let rate = Double(done) / max(seconds, 1e-3)
        let left = duration(seconds: Double(total - done) / rate)
        let percent = total > 0 ? 100 * done / total : 0
        let speed = String(format: rate < 10 ? "%.2g" : "%.0f", rate)
        write("\(what) \(done)/\(total) \(unit) (\(percent) %), \(speed) \(unit)/s, \(left) left")
    }

    /// A sign of life in the middle of a part of the work.
    ///
    /// - Throws: `CommandFailure` when a signal has come.
    func beat() throws {
        Watchdog.beat()
        try stopIfAsked(known.done, known.total)
    }

    /// Throws a `CommandFailure` when a signal has come.
    func stopIfAsked(_ done: Int, _ total: Int) throws {
        guard let reason = signals.reason else { return }
        clear()
        throw CommandFailure(.tryAgain, "\(reason): stopped \(what) at \(done) of \(total) \(unit)")
    }

    /// A note among the progress.
    func note(_ line: String) {
        clear()
        smd.note(line)
    }

    /// A warning among the progress.
    func warn(_ line: String) {
        clear()
        smd.warn(line)
    }

    /// Ends the progress; what follows begins on a clean line.
    func finish() { clear() }

    private func clear() {
        if isTerminal && shown { _ = StandardStreams.write("\r\u{1B}[K", to: STDERR_FILENO) }
        shown = false
    }

    private func write(_ line: String) {
        _ = StandardStreams.write(isTerminal ? "\r\u{1B}[K\(line)" : line + "\n", to: STDERR_FILENO)
    }
}
