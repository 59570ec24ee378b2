import Foundation
import TestSupport
import Testing

/// Whoever reads the output of a script through a pipe is done when the script is: nothing of it stays behind.
@Suite(.enabled(if: Ability.time.isGiven, "\(Ability.time)"))
struct LaunchPipeTests {
    /// Ways in which launch/run ends: its status, the program, an mpirun (which is to run `"$@"`), and what it says.
    struct Way: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var status: Int32
        var program: String
        /// It stays a while after its ranks, so that launch/run begins to wait for its end.
        var launcher = "\"$@\"; status=$?; sleep 3; exit $status"
        var says = ""
    }

    private static let ways = [
        Way(testDescription: "success", status: 0, program: "sleep 2"),
        Way(testDescription: "failure", status: 65, program: "sleep 2; exit 65"),
        Way(testDescription: "success at once", status: 0, program: "exit 0"),
        Way(testDescription: "killed, no restarts left", status: 137, program: "sleep 2; kill -9 $$"),
        // The program sees the launcher's process in its folder.
        Way(
            testDescription: "asked to stop", status: 75,
            program: "trap 'exit 75' USR1; sleep 1; kill -INT $(<$run/../launcher); while :; do sleep 0.1; done",
            launcher: "trap 'kill -USR1 $!' USR1; \"$@\" & wait $! || true; wait $!", says: "got SIGINT"),
        Way(
            testDescription: "interrupted twice", status: 130,
            // On a busy machine two signals can arrive as one.
            program: "while sleep 1; do kill -INT $(<$run/../launcher); done",
            launcher: "trap '' USR1; \"$@\"", says: "got SIGINT"),
        Way(
            testDescription: "stopped in the pause before a restart", status: 75,
            // In a session of its own: what is left of the job's is killed.
            program: "setsid bash -c 'sleep 3; kill -TERM $(<$0)' $run/../launcher </dev/null &>/dev/null & exit 75",
            launcher: "\"$@\"", says: "starting again in 200 s"),
    ]

    /// --linger and --pause are longer than the test waits.
    @Test(arguments: ways) func launcherLeavesNothing(_ way: Way) throws {
        try withTemporaryDirectory { folder in
            let launch = try ScriptedLaunch(way.program, in: folder)
            try launch.writeLauncher(way.launcher)
            let restarts = way.says.contains("starting again") ? "2" : "0"
            let options = ["--linger", "200", "--pause", "200", "--restarts", restarts]
            let arguments = ScriptedLaunch.command(options) + ["c.yaml", "--output", folder + "/run"]
            let script = """
                set -o pipefail
                bash -c 'echo $$ >"$0/launcher"; exec "$@"' "$0" "$@" 2>&1 | cat
                """
            let start = ContinuousClock.now
            let result = try run(
                ["bash", "-c", script, folder] + arguments, environment: launch.settings(), timeout: 60)
            #expect(result.status == way.status, "\(result)")
            #expect(way.says.isEmpty || result.output.contains(way.says), "\(result)")
            #expect(ContinuousClock.now - start < .seconds(30))
            #expect(try processesLeft(matching: folder).isEmpty)
        }
    }

    /// A cable that was to be taken out later does not hold the end up.
    @Test(.enabled(if: Ability.namespaces.isGiven, "\(Ability.namespaces)"))
    func twoHostsLeaveNothing() throws {
        let script = repositoryFolder + "/launch/two-hosts"
        let result = try run(
            ["bash", "-c", "set -o pipefail; \"$0\" --cut 200 true 2>&1 | cat", script], timeout: 60)
        #expect(result.status == 0, "\(result)")
    }
}
