import ArgumentParser
import Communication
import Configuration
import Files
import Foundation
import Training
import Mixtures

/// `smd train`: the main job.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model; launch it with mpirun or srun for several ranks.",
        discussion: """
            Writes RUN/metrics.h5 (one row a step), RUN/checkpoints/step-N.h5 and RUN/previews/step-N-{raw,ema}.png. \
            An existing run is never written over: continue it with --resume auto. On SIGINT, SIGTERM or SIGUSR1 all \
            ranks stop after the same step, save a checkpoint and end with status 75; a second SIGINT ends at once.

            Progress, notes and warnings go to standard error. Standard output gets the result, one line or with --json an \
            object: the folder, the step, the loss of the last step and the newest checkpoint; after a stop, too.

            EXAMPLES
              smd train launch/presets/fashion.yaml --output runs/fashion
              mpirun -n 16 smd train cifar --output runs/cifar --resume auto
              mpirun -n 4 --map-by slot:PE=4 --bind-to core smd train cifar --threads 4 --output runs/cifar
              smd train fashion --set model.smd=false --output runs/vanilla
              smd train fashion --set batch_size=256 --output runs/x --dry-run
              smd train fashion --output runs/fashion --quiet --json | jq -r .checkpoint
            """)

    @Argument(help: "Configuration: a YAML file, or the name of a preset.", completion: .configurations)
    var config: String

    @OptionGroup var overrides: ConfigurationOverrides

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Folder of the run; made if it is missing.", valueName: "run"),
        completion: .directory)
    var output: String

    @Option(
        help: ArgumentHelp(
            "Where to start: none, auto (newest good checkpoint of the run), or a checkpoint: a file, or the folder of a "
                + "run, whose newest good one it is.",
            valueName: "auto|none|checkpoint"))
    var resume = "none"

    @Option(help: "Compute threads of each rank; give each rank as many cores (launch/run does).")
    var threads = 1

    @Option(
        help: ArgumentHelp(
            "Stop after the step in which so many hours have passed since the start, save, and end with status 75.",
            valueName: "hours"))
    var maxHours: Double?

    @OptionGroup var watchdog: DeadlineOption
    @OptionGroup var quietness: QuietOption
    @OptionGroup var color: ColorOption

    @Flag(help: "Write the result as a JSON object.")
    var json = false

    @Flag(help: "Print the resolved configuration as JSON and stop.")
    var dryRun = false

    @OptionGroup(visibility: .hidden) var launcher: LauncherOptions

    func validate() throws {
        guard (1...1024).contains(threads) else {
            throw ValidationError("--threads is \(threads); it must be in 1 ... 1024")
        }
        if let maxHours, !(maxHours > 0 && maxHours <= 1e5) {
            throw ValidationError("--max-hours is \(maxHours); it must be above 0 and at most 100000")
        }
    }

    func run() throws {
        // Whoever reads the progress may go away: `smd train … | head`.
        signal(SIGPIPE, SIG_IGN)
        let signals = StopSignals(deadline: secondsLeft.map { .now + .seconds($0) })
        try onAllRanks(deadline: watchdog.deadline) { communicator in
            let configuration = try communicator.together("reading the configuration") {
                try RunConfiguration.load(fileOrPreset: config, overrides)
            }
            try communicator.together("checking the configuration") {
                try configuration.validate(ranks: communicator.size, threads: threads)
            }
            if dryRun {
                if communicator.rank == 0 { try printOut(configuration.resolvedJSON()) }
                return
            }
            let observer = TrainingProgress(configuration, color.color)
            let folder = try communicator.together("opening the run folder") {
                guard communicator.rank == 0 else { return RunFolder(output) }
                return try creatingOutput { try claimFolder(observer) }
            }
            let trainer: Trainer
            do {
                trainer = try Trainer(
                    configuration, folder: folder, resume: try tryFiles(configuration, communicator), threads: threads,
                    communicator: communicator, observer: observer)
            } catch {
                folder.leave()
                throw error
            }
            let binding = try communicator.binding(threads: threads)
            if communicator.rank == 0 { announce(trainer, configuration, binding, observer) }
            let outcome = try trainer.run(signals)
            observer.finish()
            if outcome == .interrupted, communicator.rank == 0 {
                let reason = signals.reason.map { " (\($0))" } ?? ""
                observer.say("stopped after step \(trainer.step)\(reason); continue with --resume auto")
            }
            try communicator.together("writing the result") {
                guard communicator.rank == 0 else { return }
                let result = try TrainingResult(
                    run: output, step: trainer.step, steps: configuration.steps, loss: observer.loss)
                do {
                    try json ? printJSON(result) : printOut(result.text)
                } catch  where outcome == .interrupted {
                    warn(describeOnOneLine(error))  // the status has to say that the run can go on
                }
            }
            if outcome == .interrupted { throw ExitCode(ExitStatus.tryAgain.rawValue) }
        }
    }

    /// A rank is a child of its launcher, and ends without it.
    private func claimFolder(_ observer: TrainingProgress) throws -> RunFolder {
        let launch = Launch.detect(in: ProcessInfo.processInfo.environment)
        return try RunFolder(claiming: output, launcher: launch == nil ? nil : getppid(), report: observer.warn)
    }

    /// Reads what others may have made in a helper process first. The run's own checkpoints are not among it.
    ///
    /// - Returns: where to start.
    private func tryFiles(_ configuration: RunConfiguration, _ communicator: any Communicator) throws -> Resume {
        try communicator.together("opening the data set") {
            if configuration.method != .dds { try configuration.requireData() }
            if communicator.rank == 0 { try FileTrial.run(source: configuration) }
        }
        if let path = configuration.diffusion.priorPath {
            try communicator.together("reading the prior \(path)") {
                if communicator.rank == 0 { try FileTrial.run(.arrays, path, PriorFile.members) }
            }
        }
        if launcher.restarted { return .auto }
        switch resume {
        case "none": return .none
        case "auto": return .auto
        default: return .checkpoint(try triedCheckpoint(resume, communicator))
        }
    }

    private func announce(
        _ trainer: Trainer, _ configuration: RunConfiguration, _ binding: Binding, _ observer: TrainingProgress
    ) {
        let batch = trainer.batchPlan
        observer.say(
            "training \(configuration.networkName), \(grouped(trainer.parameterCount)) parameters, "
                + "on \(trainer.source(grouped))")
        observer.say(binding.summary)
        let ranks = binding.ranks.count
        observer.say(
            "\(ranks) \(ranks == 1 ? "rank" : "ranks") × \(batch.microBatchesPerRank) "
                + "\(batch.microBatchesPerRank == 1 ? "micro-batch" : "micro-batches") of \(batch.microBatchSize) = batch "
                + "\(configuration.batchSize), \(batch.isExact ? "exact" : "fast") sums, "
                + "\(trainer.precision.precision.rawValue); steps \(trainer.step) to \(configuration.steps)"
        )
        if let problem = binding.problem { observer.warn(problem) }
    }
}
