import ArgumentParser
import Files
import Foundation

/// What launch/run asks `smd train` and tells it; not for people. The script reads none of the command's arguments
/// itself: an option that two programs read is read in two ways some day.
struct LauncherOptions: ParsableArguments {
    @Flag(help: "Write what launch/run must know of these arguments, and stop.")
    var launchFacts = false

    @Flag(help: "Go on as with --resume auto, whatever --resume says: this job was started before.")
    var restarted = false

    @Option(help: "How much of --max-hours earlier starts of this job have used.")
    var secondsUsed = 0

    func validate() throws {
        guard secondsUsed >= 0 else {
            throw ValidationError("--seconds-used is \(secondsUsed); it must not be negative")
        }
    }
}

extension TrainCommand {
    /// Seconds that the job may take in all its starts; nil without a limit.
    var secondsAllowed: Double? { maxHours.map { $0 * 3600 } }

    /// Seconds that are left to this start.
    var secondsLeft: Double? { secondsAllowed.map { max(0, $0 - Double(launcher.secondsUsed)) } }

    /// Writes the folder of the run, where to start, the threads of a rank and the whole seconds of --max-hours (nothing
    /// without), each with a zero byte after it, which no argument can hold.
    func printLaunchFacts() throws {
        let seconds = secondsAllowed.map { "\(Int($0))" } ?? ""
        // The newest checkpoint of the run itself, said in another way.
        let isOwn = [output, Path.join(output, "checkpoints")].contains { isFolder(resume) && isSameFile($0, resume) }
        let facts = [output, isOwn ? "auto" : resume, "\(threads)", seconds]
        if let reason = StandardStreams.write(facts.map { $0 + "\0" }.joined(), to: STDOUT_FILENO) {
            throw CommandFailure(.cannotCreateOutput, "cannot write to standard output: \(reason)")
        }
    }
}
