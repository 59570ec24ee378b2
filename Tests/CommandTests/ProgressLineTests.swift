import Foundation
import Synchronization
import Testing
import smd

/// Collects what is written.
private final class Paper: Sendable {
    private let pieces = Mutex<[String]>([])
    var all: [String] { pieces.withLock { $0 } }

    func output(isTerminal: Bool, hasColor: Bool = false, width: Int = 80) -> ProgressOutput {
        ProgressOutput(isTerminal: isTerminal, hasColor: hasColor, width: { width }) { text in
            self.pieces.withLock { $0.append(text) }
        }
    }
}

@Suite struct ProgressLineTests {
    /// Writes the progress of a run with this many seconds a step and returns each piece written.
    private func run(
        steps: Int, secondsPerStep: Double, isTerminal: Bool, hasColor: Bool = false, width: Int = 80, logEvery: Int = 0
    ) -> [String] {
        let paper = Paper()
        var line = ProgressLine(
            output: paper.output(isTerminal: isTerminal, hasColor: hasColor, width: width), logEvery: logEvery)
        for step in 1...steps {
            let progress = Progress(step: step, steps: steps, loss: 0.03125, imagesPerSecond: 43.21)
            line.update(progress, now: Double(step) * secondsPerStep)
        }
        return paper.all
    }

    private func steps(_ lines: [String]) -> [Int] {
        lines.compactMap { $0.firstMatch(of: /step ([0-9]+)/).flatMap { Int($0.1) } }
    }

    @Test func plainLinesAreSparseAndRound() {
        let lines = run(steps: 1000, secondsPerStep: 0.3, isTerminal: false)
        #expect(lines.first == "step 1/1000  loss 0.03125  images/s 43.2\n")
        #expect(lines[1] == "step 50/1000  loss 0.03125  images/s 43.2  left 4:45\n")
        #expect(lines.last == "step 1000/1000  loss 0.03125  images/s 43.2\n")
        #expect(steps(lines) == [1] + Array(stride(from: 50, through: 1000, by: 50)))
        #expect(!lines.contains { $0.dropLast().contains { $0.isNewline } || hasControlCharacters($0) })
    }

    @Test(arguments: [0.001, 0.04, 1, 7, 60])
    func aLogNeverFloods(secondsPerStep: Double) {
        let total = 20_000
        let lines = run(steps: total, secondsPerStep: secondsPerStep, isTerminal: false)
        let times = steps(lines).map { Double($0) * secondsPerStep }
        for (earlier, later) in zip(times, times.dropFirst()).dropLast() { #expect(later - earlier >= 9) }
        // About one each 10 s at first; later one each 2 % of the time, and at least one each 12.5 minutes.
        let duration = Double(total) * secondsPerStep
        #expect(Double(lines.count) <= 3 + min(duration / 9, 60 + 55 * log(max(1, duration / 500)) + duration / 270))
        let longest = zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? 0
        #expect(longest <= max(25, min(duration / 20, 750)) + secondsPerStep)
    }

    @Test func logEveryIsLiteral() {
        let lines = run(steps: 95, secondsPerStep: 0.001, isTerminal: false, logEvery: 20)
        #expect(steps(lines) == [1, 20, 40, 60, 80, 95])
    }

    @Test func aTerminalGetsOneLineThatIsRewritten() {
        let pieces = run(steps: 100, secondsPerStep: 0.05, isTerminal: true)
        #expect(pieces.first == "\rstep 1/100  loss 0.03125  images/s 43.2\u{1B}[K")
        #expect(pieces.count <= 60)
        #expect(pieces.dropLast().allSatisfy { $0.hasPrefix("\r") && !$0.contains("\n") })
        #expect(pieces.last == "\n")
        #expect(!pieces.joined().contains("\u{1B}[2m"))
    }

    @Test(arguments: [1, 5, 12, 20, 30, 45, 60, 200])
    func theLineFitsTheTerminal(width: Int) {
        for hasColor in [false, true] {
            for piece in run(steps: 300, secondsPerStep: 0.5, isTerminal: true, hasColor: hasColor, width: width) {
                let visible = piece.replacing(/\u{1B}\[[0-9]*[mK]|\r|\n/, with: "")
                #expect(visible.count <= max(0, width - 1))
            }
        }
    }

    @Test func colorIsAskedFor() {
        let pieces = run(steps: 3, secondsPerStep: 1, isTerminal: true, hasColor: true)
        #expect(pieces.first?.contains("\u{1B}[2mstep\u{1B}[0m 1/3") == true)
        #expect(ProgressOutput.errors(.always, environment: ["TERM": "xterm", "NO_COLOR": "1"]).hasColor)
        #expect(!ProgressOutput.errors(.auto, environment: ["TERM": "dumb"]).isTerminal)
        #expect(!ProgressOutput.errors(.auto, environment: [:]).isTerminal)
    }

    @Test(arguments: [
        (ColorChoice.auto, true, ["TERM": "xterm"], true), (.auto, true, [:], true), (.auto, false, [:], false),
        (.auto, true, ["TERM": "dumb"], false), (.auto, true, ["NO_COLOR": "1"], false),
        (.auto, true, ["NO_COLOR": ""], true), (.always, false, ["NO_COLOR": "1", "TERM": "dumb"], true),
        (.never, true, ["TERM": "xterm"], false),
    ])
    func whenThereIsColor(choice: ColorChoice, isTerminal: Bool, environment: [String: String], wanted: Bool) {
        #expect(choice.allows(isTerminal: isTerminal, environment: environment) == wanted)
    }

    @Test func notesDoNotGarbleTheLine() {
        let paper = Paper()
        var line = ProgressLine(output: paper.output(isTerminal: true), logEvery: 0)
        line.update(Progress(step: 1, steps: 9, loss: 1, imagesPerSecond: 1), now: 0)
        line.note("saved")
        line.note("again")
        line.finish()
        #expect(paper.all.dropFirst() == ["\r\u{1B}[Ksaved\n", "again\n"])
    }

    @Test func theLossIsSmoothedAndDivergenceShows() {
        let paper = Paper()
        var line = ProgressLine(output: paper.output(isTerminal: false), logEvery: 1)
        for step in 1...100 {
            line.update(
                Progress(step: step, steps: 101, loss: step.isMultiple(of: 2) ? 3 : 1, imagesPerSecond: 1), now: 0)
        }
        #expect(paper.all.first?.contains("loss 1 ") == true)
        #expect(paper.all.last?.contains(/loss (1\.9|2\.0)/) == true)
        line.update(Progress(step: 101, steps: 101, loss: .nan, imagesPerSecond: 1), now: 0)
        #expect(paper.all.last?.contains("loss nan") == true)
    }

    @Test(arguments: [
        (0, "0 s"), (59.4, "59 s"), (60, "1:00"), (187, "3:07"), (3600, "1:00:00"), (7387, "2:03:07"),
        (172_799, "47:59:59"), (273_600, "3 d 4 h"), (.infinity, "?"), (-1, "?"), (.nan, "?"),
    ])
    func durations(seconds: Double, text: String) {
        #expect(duration(seconds: seconds) == text)
    }
}
