import ArgumentParser
import Files

/// What launch/run tells `smd train` when it starts it again; not for people.
struct LauncherOptions: ParsableArguments {
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

extension TrainCommand: RankCommand {
    static var takesThreads: Bool { true }

    var launchFacts: LaunchFacts {
        // The newest checkpoint of the run itself, said in another way.
        let isOwn = [output, Path.join(output, "checkpoints")].contains { isFolder(resume) && isSameFile($0, resume) }
        return LaunchFacts(run: output, resume: isOwn ? "auto" : resume, threads: threads, seconds: secondsAllowed)
    }

    /// Seconds that the job may take in all its starts; nil without a limit.
    private var secondsAllowed: Double? { maxHours.map { $0 * 3600 } }

    /// Seconds that are left to this start.
    var secondsLeft: Double? { secondsAllowed.map { max(0, $0 - Double(launcher.secondsUsed)) } }
}
