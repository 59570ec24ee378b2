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
            EvaluateCommand.self,
            PlanCommand.self,
            DoctorCommand.self,
            MetricsCommand.self,
            RunsCommand.self,
            ReportCommand.self,
            CheckpointCommand.self,
            BenchCommand.self,
            ConformanceCommand.self,
            TryFileCommand.self,
        ]
    )

    static func main() {
        StandardStreams.occupy()
        CPUMemory.returnLargeBlocks()
        do {
            try checkArguments()
            var command: any ParsableCommand
            do {
                command = try parseAsRoot()
            } catch let error where exitCode(for: error) != .success {
                throw CommandFailure(.usage, usageProblem(error))
            }
            try command.run()
        } catch {
            endReporting(error)
        }
    }

    /// The first line of what the argument parser has to say, and where the help is.
    private static func usageProblem(_ error: any Error) -> String {
        let problem = message(for: error).split(whereSeparator: \.isNewline).first ?? "wrong arguments"
        return "\(problem) (see \(helpCommand(for: CommandLine.arguments.dropFirst())))"
    }

    /// "smd dataset prepare --help": the command line as far as it names commands.
    private static func helpCommand(for arguments: ArraySlice<String>) -> String {
        var names = ["smd"]
        var choices = configuration.subcommands
        for argument in arguments {
            guard let next = choices.first(where: { $0._commandName == argument }) else { break }
            names.append(argument)
            choices = next.configuration.subcommands
        }
        return names.joined(separator: " ") + " --help"
    }
}
