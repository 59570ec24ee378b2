import Reports
import ArgumentParser
import CPUBackend
import Communication
import Configuration
import Foundation
import Training

/// `smd bench`: how fast this build is on this machine.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure speed and memory on this machine.",
        discussion: """
            Machines drift: the multiply-add peak of the core (float32 and bfloat16) and its memory bandwidth are \
            measured beside every repetition. Quote fractions of them.

            EXAMPLES
              smd bench step --preset fashion --profile
              smd bench step --preset cifar --batch 8 --ranks 2 --json
              smd bench kernels --preset fashion --filter attention
              smd bench allreduce --ranks 2
              smd bench sample --preset fashion --batch 32 --steps 10
              smd bench load --data fashion-mnist.h5
            """,
        subcommands: [Step.self, Kernels.self, AllReduce.self, Sample.self, Load.self])
}

/// The network that is measured.
struct BenchNetwork: ParsableArguments {
    @Option(help: "Configuration: a YAML file, or the name of a preset.", completion: .configurations)
    var preset = "fashion"

    @OptionGroup var overrides: ConfigurationOverrides

    /// The checked configuration.
    func load() throws -> RunConfiguration {
        let configuration = try RunConfiguration.load(fileOrPreset: preset, overrides)
        try configuration.validate()
        // The labels are read where they alone say how large the network is.
        if configuration.method == .classifier, configuration.model.classes == 0 {
            try configuration.requireData()
            try FileTrial.run(.dataset, configuration.data)
        }
        if configuration.method == .dds { try FileTrial.run(source: configuration) }
        return configuration
    }
}

/// How often something is measured.
struct BenchRepetitions: ParsableArguments {
    @Option(help: "Counted repetitions.")
    var `repeat` = 9

    @Option(help: "Repetitions before those that count.")
    var warmup = 2

    func validate() throws {
        guard (1...100_000).contains(`repeat`), (0...100_000).contains(warmup) else {
            throw ValidationError("--repeat must be at least 1, --warmup at least 0")
        }
    }
}

/// Ranks that measure at the same time, and their threads.
struct BenchRanks: ParsableArguments {
    @Option(help: "Ranks; more than one are started with mpirun, each measures for itself at the same time.")
    var ranks = 1

    @Option(help: "Compute threads of each rank.")
    var threads = 1

    func validate() throws {
        guard (1...4096).contains(ranks) else { throw ValidationError("--ranks is \(ranks); it must be positive") }
        guard (1...1024).contains(threads) else {
            throw ValidationError("--threads is \(threads); it must be in 1 ... 1024")
        }
    }

    /// Checks that a profile is asked of one thread.
    func validate(profile: Bool) throws {
        guard !profile || threads == 1 else {
            throw ValidationError("--profile times the operations of one thread: leave out --threads \(threads)")
        }
    }

    /// Runs `body` on all ranks, under mpirun where no launcher started this process yet.
    func onAll(_ body: (any Communicator) throws -> Void) throws {
        if ranks > 1 { try relaunchUnderMPI(ranks: ranks) }
        try onAllRanks(body)
    }
}

/// Unless a launcher started this process: starts this same command under mpirun and becomes it.
func relaunchUnderMPI(ranks: Int) throws {
    guard Launch.detect(in: ProcessInfo.processInfo.environment) == nil else { return }
    let own = Bundle.main.executablePath ?? CommandLine.arguments[0]
    let arguments =
        ["mpirun", "--bind-to", "none", "--oversubscribe", "-n", String(ranks), own] + CommandLine.arguments.dropFirst()
    if getuid() == 0 {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0)
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0)
    }
    let pointers = arguments.map { strdup($0) } + [nil]
    execvp("mpirun", pointers)
    throw CommandFailure(.failure, "cannot start mpirun: \(String(cString: strerror(errno))); install openmpi-bin")
}

/// A positive number of images that a person would ask for.
func checkBenchBatch(_ name: String, _ value: Int?) throws {
    if let value, !(1...100_000).contains(value) {
        throw ValidationError("\(name) is \(value); it must be in 1 ... 100000")
    }
}

/// Largest resident set of this process so far, without the memory that the machine is measured with.
func peakResidentBytes(without probe: MachineProbe) -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024 - probe.residentBytes
}

/// "1 rank", "2 ranks × 4 threads".
func placesText(ranks: Int, threads: Int) -> String {
    "\(ranks) \(ranks == 1 ? "rank" : "ranks")" + (threads == 1 ? "" : " × \(threads) threads")
}

extension MachineRates {
    /// Three lines for a person.
    var text: String {
        """
        FMA peak         \(fourDigits(peakGflops)) GFLOP/s a core
        bf16 peak        \(peakBF16Gflops.map { "\(fourDigits($0)) GFLOP/s a core" } ?? "none on this CPU")
        memory           \(fourDigits(bandwidth)) GB/s a core
        """
    }
}
