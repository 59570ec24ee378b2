import ArgumentParser
import CPUBackend
import Configuration
import Files

/// The command `smd`: names its subcommands, and ends the process with one line and a status when one of them fails.
@main
struct SMD: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "smd",
        abstract: "Train Soft Mixture Denoising diffusion models on CPU clusters: HDF5 in, HDF5 out, MPI between.",
        discussion: """
            EXAMPLES
              smd dataset prepare fashion-mnist --output fashion-mnist.h5
              mpirun -n 4 smd train launch/presets/fashion.yaml --output runs/fashion
              smd metrics show runs/fashion/metrics.h5
              smd report runs/fashion --output fashion.html
              smd checkpoint inspect runs/fashion/checkpoints/step-00030000.h5
              smd sample CHECKPOINT --count 64 --output samples.h5 --grid samples.png

            \(ExitStatus.help)
            """,
        version: Release.version,
        subcommands: [
            DatasetCommand.self,
            TrainCommand.self,
            SampleCommand.self,
            RestoreCommand.self,
            EncodeCommand.self,
            DecodeCommand.self,
            TranslateCommand.self,
            InterpolateCommand.self,
            EvaluateCommand.self,
            PriorCommand.self,
            PlanCommand.self,
            DoctorCommand.self,
            MetricsCommand.self,
            RunsCommand.self,
            ReportCommand.self,
            CheckpointCommand.self,
            BenchCommand.self,
            ConformanceCommand.self,
            CompletionCommand.self,
            ManCommand.self,
            TryFileCommand.self,
            LaunchFactsCommand.self,
        ]
    )

    static func main() {
        StandardStreams.occupy()
        CPUMemory.returnLargeBlocks()
        do {
            try checkArguments()
            var command = try parsed(Array(CommandLine.arguments.dropFirst()))
            try command.run()
        } catch {
            endReporting(error)
        }
    }

    /// The command that a command line means.
    ///
    /// - Throws: `CommandFailure` where it is wrong, with the first line of what the argument parser has to say and where
    ///   the help is; what is no failure, such as a request for help, as the parser throws it.
    static func parsed(_ words: [String]) throws -> any ParsableCommand {
        do {
            return try parseAsRoot(words)
        } catch let error where exitCode(for: error) != .success {
            let problem = message(for: error).split(whereSeparator: \.isNewline).first ?? "wrong arguments"
            let names = ["smd"] + commands(named: words).map { $0._commandName }
            throw CommandFailure(.usage, "\(problem) (see \(names.joined(separator: " ")) --help)")
        }
    }

    /// The commands, each below the one before, that the first words name.
    static func commands(named words: [String]) -> [any ParsableCommand.Type] {
        var path: [any ParsableCommand.Type] = []
        for word in words {
            let choices = path.last?.configuration.subcommands ?? configuration.subcommands
            guard let next = choices.first(where: { $0._commandName == word }) else { break }
            path.append(next)
        }
        return path
    }
}
