import Foundation
import TestSupport
import Testing

/// The real program, a rank of which is stopped at a random instant.
@Suite(.serialized, .enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct StoppedRankTests {
    @Test func trainingEndsWhenARankIsStopped() throws {
        try withTemporaryDirectory { folder in
            let run = try Run(in: folder)
            var random = Torture.seed
            for round in 0..<Torture.amount("stoppedtraining", short: 1) {
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let ranks = [2, 4][Int(random >> 40) % 2]
                let victim = Int(random >> 33) % ranks
                let delay = Double(random >> 50) / Double(1 << 14) * 3
                let told = "round \(round), rank \(victim) of \(ranks) after \(delay) s, seed \(Torture.seed)"
                // Endless, with checkpoints and pictures: stopped wherever it happens to be.
                let command =
                    run.command(
                        "out\(round)", "steps=1000000", "checkpoint_every=7", "preview_every=5", "preview_count=8")
                    + ["--deadline", "3"]
                let script = """
                    mpirun -n \(ranks) "$@" > "$0" & launcher=$!
                    until rank=$(pgrep -P $launcher -f 'smd train' | sed -n \(victim + 1)p); [ "$rank" ]; do sleep 0.02; done
                    sleep \(delay)
                    kill -STOP $rank
                    stopped=$(date +%s)
                    wait $launcher; status=$?
                    echo "stopped $rank, ended after $(($(date +%s) - stopped)) s" >&2
                    exit $status
                    """
                let result = try TestSupport.run(
                    ["bash", "-c", script, run.path("log")] + command, environment: try localMPISettings(), timeout: 60)
                #expect(result.status == 75, "\(told): \(result)")
                let lines = result.errors.split(separator: "\n").filter { $0.hasPrefix("smd: error: ") }
                #expect(lines.count == 1, "\(told): \(result)")
                let stopped = try #require(result.errors.firstMatch(of: #/stopped (\d+), ended after (\d+) s/#))
                // It is the process that was stopped; which rank it has, the line says.
                let line = String(lines.first ?? "")
                #expect(
                    line.contains("no sign of life") && line.contains("process \(stopped.1) is stopped"),
                    "\(told): \(line)")
                #expect((Int(stopped.2) ?? 99) <= 3 + 5 + 2, "\(told): \(result)")
                #expect(try processesLeft(matching: folder).isEmpty, "\(told)")
            }
        }
    }
}
