import ArgumentParser
import Communication
import Configuration
import Files
import Foundation
import Planning
import Training

/// `smd doctor`: what a job stands on, checked before it runs.
struct DoctorCommand: RankCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check the launch, cores, clocks, memory, disk, HDF5 and MPI that a job would run with.",
        discussion: """
            Start it exactly as the job: same launcher, hosts and numbers of ranks and threads. With the job's \
            configuration, memory, disk and data are compared with what it needs. Every check that fails names its \
            fix. Nothing is left behind in the run's folder. Status 0 when a job would run, warnings included; else 1.

            EXAMPLES
              smd doctor
              mpirun -n 4 smd doctor --output runs/fashion
              mpirun -n 64 --hostfile hosts smd doctor cifar --output /shared/runs/cifar
              srun --mpi=pmix smd doctor cifar --threads 8 --output /shared/runs/cifar --json
            """)

    @Argument(
        help: "Configuration of the job: a YAML file, or the name of a preset.", completion: .configurations
    )
    var config: String?

    @OptionGroup var overrides: ConfigurationOverrides

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Folder of the run; it need not exist yet.", valueName: "run"), completion: .directory)
    var output = "."

    @Option(help: "Compute threads of each rank.")
    var threads = 1

    @OptionGroup var color: ColorOption

    @Flag(help: "Write JSON.")
    var json = false

    func validate() throws {
        guard (1...1024).contains(threads) else {
            throw ValidationError("--threads is \(threads); it must be in 1 ... 1024")
        }
        guard config != nil || overrides.overrides.isEmpty else { throw ValidationError("--set needs a configuration") }
    }

    func run() throws {
        let launch = Launch.detect(in: ProcessInfo.processInfo.environment)
        let inColor = TerminalOutput(color.color).hasColor
        try onAllRanks { communicator in
            let configuration = try communicator.together("reading the configuration") {
                try config.map { try RunConfiguration.load(fileOrPreset: $0, overrides) }
            }
            var findings: [Finding] = []
            var problem: (any Error)?
            let doctor = Doctor(
                communicator, launch: launch, folder: output, configuration: configuration, threads: threads,
                version: Release.version)
            doctor.report = { finding in
                findings.append(finding)
                if json || problem != nil { return }
                do { try printOut(Self.text(finding, inColor: inColor)) } catch { problem = error }
            }
            doctor.tryReading = { path in
                if let configuration, configuration.method == .dds { return try FileTrial.run(source: configuration) }
                try configuration?.requireData()
                try FileTrial.run(.dataset, path)
            }
            let isWell = try doctor.examine()
            try communicator.together("writing the findings") {
                if let problem { throw problem }
                guard communicator.rank == 0 else { return }
                if json { return try printJSON(Report(ok: isWell, findings: findings)) }
                let warnings = findings.count { $0.verdict == .warning }
                let failures = findings.count { $0.verdict == .failure }
                try printOut("\(findings.count) checks: \(failures) failed, \(warnings) warnings")
            }
            if !isWell { throw ExitCode(ExitStatus.failure.rawValue) }
        }
    }

    static let takesThreads = true
    var launchFacts: LaunchFacts { LaunchFacts(threads: threads) }

    private struct Report: Encodable {
        var ok: Bool
        var findings: [Finding]
    }

    private static func text(_ finding: Finding, inColor: Bool) -> [(text: String, style: LetterStyle?)] {
        let verdict: (text: String, style: LetterStyle)
        switch finding.verdict {
        case .ok: verdict = ("ok       ", .green)
        case .warning: verdict = ("warning  ", .yellow)
        case .failure: verdict = ("FAILED   ", .red)
        }
        let name = finding.check.padding(toLength: 16, withPad: " ", startingAt: 0)
        let fix = finding.fix.map { "\n" + String(repeating: " ", count: 25) + "fix: " + printable($0) } ?? ""
        return [(verdict.text, inColor ? verdict.style : nil), (name + printable(finding.text) + fix, nil)]
    }
}
